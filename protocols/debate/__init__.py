"""Two experts argue for opposing answers before a judge who knows less than either."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from pydantic import Field

from oversight import Assignment, Episode, Protocol, Question, Seat, Verdict

__all__ = ["Debate"]


class Debate(Protocol):
    """Two strong debaters defend opposing answers in turns; the judge may question them, then decides.

    After Irving, Christiano and Amodei (2018). By default each pair of answers is debated twice, so that
    each side is argued once from either seat; ``debater_a`` opens when turns are sequential. With ``open`` it
    chooses its answer (Kenton et al. 2024).
    """

    name = "debate"

    class Options(Protocol.Options):
        """How the debate goes."""

        rounds: int = Field(3, ge=1, description="turns of each debater")
        turns: Literal["simultaneous", "sequential"] = Field(
            "simultaneous", description="within a round, speak blind to each other or one after the other"
        )
        orders: Literal["both", "drawn"] = Field(
            "both", description="run both assignments of answers to seats, or one drawn by seed"
        )
        committed: bool = Field(
            True,
            description="both debaters defend a fixed answer; if false, one does and the other may argue for "
            "anything else, which it need not name",
        )
        open: bool = Field(
            False,
            description="debater_a first says how likely it holds each answer and defends the likeliest, debater_b "
            "the next; one episode a question",
        )
        interactive: bool = Field(False, description="the judge asks a question between rounds")
        beliefs: bool = Field(False, description="ask the judge for its belief after every round")
        word_limit: int | None = Field(150, ge=1, description="words per debater's turn; more are cut")

    def assignments(self, question: Question, rng: random.Random) -> Sequence[Assignment]:
        """Every pair of answers (or answer and its denial), from both seats or from one drawn by ``rng``."""
        if self.options.open:
            return [()]
        places = range(len(question.answers))
        pairs: list[Assignment] = list(
            combinations(places, 2) if self.options.committed else ((place, None) for place in places)
        )
        if self.options.orders == "drawn":
            return [pair if rng.random() < 0.5 else pair[::-1] for pair in pairs]  # noqa: PLR2004
        return [order for pair in pairs for order in (pair, pair[::-1])]

    async def run(self, episode: Episode) -> Verdict:
        """Hear ``rounds`` rounds, then ask the judge."""
        options = self.options
        debaters, sides = await self._seated(episode)
        labels = episode.question.labels
        judge = episode.seat("judge", defended={name: labels[p] for name, p in sides.items() if p is not None})
        for turn in range(options.rounds):
            if options.turns == "simultaneous":
                await episode.gather(*(self._argue(debater, turn) for debater in debaters))
            else:
                for debater in debaters:
                    await self._argue(debater, turn)
            if options.beliefs:
                await judge.believe(turn=turn)
            if options.interactive and turn < options.rounds - 1:
                await judge.speak("ask", turn=turn)
        return await judge.decide()

    async def _seated(self, episode: Episode) -> tuple[list[Seat], dict[str, int | None]]:
        """The debaters, and the answers that they are known to defend."""
        if not self.options.open:
            first, second = episode.assignment
            opener = self._debater(episode, "debater_a", first, second)
        else:
            opener = episode.seat("debater_a", role="strong", brief="debater", sees_material=True)
            belief = await opener.believe("choose")
            # Who abstains holds them all alike; the order in which answers are presented is drawn.
            probs = belief.probs or [1.0] * len(episode.question.answers)
            first, second = sorted(range(len(probs)), key=lambda place: -probs[place])[:2]
            second = second if self.options.committed else None
            episode.assign(opener, argues=first, against="others" if second is None else second)
        answerer = self._debater(episode, "debater_b", second, first)
        return [opener, answerer], {"debater_a": first, "debater_b": second} if self.options.committed else {}

    async def _argue(self, debater: Seat, turn: int) -> None:
        await debater.speak("argue", turn=turn, word_limit=self.options.word_limit)

    def _debater(self, episode: Episode, name: str, own: int | None, other: int | None) -> Seat:
        return episode.seat(
            name,
            role="strong",
            brief="debater",
            argues=own,
            against="others" if other is None else other,
            sees_material=True,
        )
