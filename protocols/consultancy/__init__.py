"""One expert argues, possibly for the wrong answer, without an opponent: the baseline that debate must beat."""

from __future__ import annotations

from pydantic import Field

from oversight import Episode, Protocol, Seat, Verdict

__all__ = ["Consultancy"]


class Consultancy(Protocol):
    """One strong consultant argues for its assigned answer; the judge may question it, then decides.

    Every answer is assigned once, so the consultant is honest in one episode of each question and dishonest
    in the others (Michael et al. 2023, Khan et al. 2024). With ``open`` it first says how likely it holds each
    answer, and argues for the likeliest (Kenton et al. 2024).
    """

    name = "consultancy"

    class Options(Protocol.Options):
        """How the consultation goes."""

        rounds: int = Field(3, ge=1, description="consultant turns")
        open: bool = Field(False, description="the consultant chooses what to argue for, instead of being assigned it")
        interactive: bool = Field(False, description="the judge asks a question between turns")
        beliefs: bool = Field(False, description="ask the judge for its belief after every turn")
        word_limit: int | None = Field(300, ge=1, description="words per consultant turn; more are cut")

    async def run(self, episode: Episode) -> Verdict:
        """Let the consultant speak ``rounds`` times, then ask the judge."""
        options = self.options
        judge = episode.seat("judge")
        consultant = await self._seated(episode)
        for turn in range(options.rounds):
            await consultant.speak("argue", turn=turn, word_limit=options.word_limit)
            if options.beliefs:
                await judge.believe(turn=turn)
            if options.interactive and turn < options.rounds - 1:
                await judge.speak("ask", turn=turn)
        return await judge.decide()

    async def _seated(self, episode: Episode) -> Seat:
        if not self.options.open:
            return episode.seat("consultant", role="strong", argues=episode.assigned, sees_material=True)
        consultant = episode.seat("consultant", role="strong", sees_material=True)
        belief = await consultant.believe("choose")
        # Who abstains holds them all alike; the order in which answers are presented is drawn.
        probs = belief.probs or [1.0] * len(episode.question.answers)
        episode.assign(consultant, argues=max(range(len(probs)), key=lambda place: probs[place]))
        return consultant
