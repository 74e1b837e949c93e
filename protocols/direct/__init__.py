"""The judge decides alone: the floor that a protocol must beat, and the ceiling it cannot."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import Field

from oversight import Belief, BeliefSource, BeliefStatus, Episode, Protocol, Seat, Verdict

__all__ = ["Direct"]


class Direct(Protocol):
    """The judge decides alone, without reading any argument.

    With ``sees: nothing`` or ``answers`` it is the naive baseline; with ``sees: material`` the judge reads
    what the experts read, the ceiling that Khan et al. (2024) call "expert". With ``votes`` several judges decide
    independently and their votes are the belief: the baseline for protocols that make that many calls.
    """

    name = "direct"
    roles = ("judge",)

    class Options(Protocol.Options):
        """What the judge sees."""

        sees: Literal["nothing", "answers", "material"] = Field(
            "answers",
            description="besides the question: the bare answers, the answers with their worked solutions, "
            "or those and the material",
        )
        votes: int = Field(
            1, ge=1, le=1024, description="independent judges; each votes for the answer it finds likeliest"
        )

    @property
    def baseline(self) -> bool:
        """Whether the judge decides without what the experts know."""
        return not self.ceiling

    @property
    def ceiling(self) -> bool:
        """Whether the judge reads the material, as the experts do."""
        return bool(self.options.sees == "material")

    async def run(self, episode: Episode) -> Verdict:
        """Ask the judge once, or every judge."""
        if self.options.votes == 1:
            return await self._seat(episode, "judge").decide()
        judges = [self._seat(episode, f"judge_{number}") for number in range(self.options.votes)]
        verdicts = await episode.gather(*(judge.decide() for judge in judges))
        votes = Counter(place for verdict in verdicts for place in _likeliest(verdict.belief))
        if not votes:
            abstained = Belief(probs=None, source=BeliefSource.COMPUTED, status=BeliefStatus.ABSTAINED)
            return Verdict(belief=abstained)
        shares = [float(votes[place]) for place in range(len(episode.question.answers))]
        return Verdict(belief=Belief.from_weights(shares, BeliefSource.COMPUTED))

    def _seat(self, episode: Episode, name: str) -> Seat:
        sees = self.options.sees
        return episode.seat(
            name, role="judge", brief="judge", sees_solutions=sees != "nothing", sees_material=sees == "material"
        )


def _likeliest(belief: Belief) -> list[int]:
    """The one answer that a judge votes for; a judge who abstains, or holds several equally likely, has no vote."""
    if belief.probs is None:
        return []
    best = [place for place, p in enumerate(belief.probs) if p == max(belief.probs)]
    return best if len(best) == 1 else []
