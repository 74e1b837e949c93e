"""One expert argues, possibly for the wrong answer, and nobody contradicts: the baseline debate must beat."""

from __future__ import annotations

from pydantic import Field

from oversight import Episode, Protocol, Verdict

__all__ = ["Consultancy"]


class Consultancy(Protocol):
    """One strong consultant argues for its assigned answer; the judge may question it, then decides.

    Every answer is assigned once, so the consultant is honest in one episode of each question and dishonest
    in the others (Michael et al. 2023, Khan et al. 2024). With ``open`` it chooses its own answer instead
    (Kenton et al. 2024).
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
        consultant = episode.seat(
            "consultant",
            role="strong",
            argues=None if options.open else episode.assigned,
            open=options.open,
            sees_material=True,
        )
        for turn in range(options.rounds):
            await consultant.speak("argue", turn=turn, word_limit=options.word_limit)
            if options.beliefs:
                await judge.believe(turn=turn)
            if options.interactive and turn < options.rounds - 1:
                await judge.speak("ask", turn=turn)
        return await judge.decide()
