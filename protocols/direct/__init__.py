"""The judge decides alone: the floor that a protocol must beat, and the ceiling it cannot."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from oversight import Episode, Protocol, Verdict

__all__ = ["Direct"]


class Direct(Protocol):
    """The judge decides alone, without hearing anybody.

    With ``sees: nothing`` or ``answers`` it is the naive baseline; with ``sees: material`` the judge reads
    what the experts read, the ceiling that Khan et al. (2024) call "expert".
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

    async def run(self, episode: Episode) -> Verdict:
        """Ask the judge once."""
        sees = self.options.sees
        judge = episode.seat("judge", sees_solutions=sees != "nothing", sees_material=sees == "material")
        return await judge.decide()
