"""An overseer checks a strong model's reasoning step by step, instead of its answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oversight import (
    Annotation,
    CallFailed,
    Checked,
    Episode,
    FailureClass,
    Protocol,
    Seat,
    Solution,
    SolutionOptions,
    Verdict,
    read_solution,
    solutions_to_check,
    verdict_over,
)

__all__ = ["ProcessSupervision"]

Label = Literal["correct", "neutral", "incorrect"]


class StepLabel(BaseModel):
    """What an overseer says of one step."""

    model_config = ConfigDict(extra="forbid")

    label: Label
    p_correct: float = Field(ge=0, le=1)


class _Judged(NamedTuple):
    """What all votes say of one step; a step that no vote could label has neither."""

    label: Label | None
    p_correct: float | None
    votes: int


class ProcessSupervision(Protocol):
    """An overseer labels worked solutions step by step, and the solutions that stand up decide.

    After Lightman et al. (2023) and Uesato et al. (2022). For each solution the overseer reads the steps in
    order and labels each as correct, neutral or incorrect, with the probability that it is correct. A
    solution's score is their product, their minimum or the last of them; the verdict is the belief over the
    answers that the scores support. Each label is an annotation of kind ``step``, each solution one of kind
    ``solution``; the label of a step that was then rewritten is one of kind ``rejected``. A label that cannot be
    read is kept as unparsable; a solution with such a step, and none that is rejected, has no score.
    """

    name = "process_supervision"
    roles = ("overseer", "strong")

    class Options(SolutionOptions):
        """Which solutions are checked, and how."""

        aggregate: Literal["product", "minimum", "last"] = Field(
            "product", description="how a solution's score comes from the probabilities of its steps"
        )
        stop_at_error: bool = Field(True, description="label no step after the first that is labelled incorrect")
        votes: int = Field(1, ge=1, description="overseers for each solution, independent of each other")
        revisions: int = Field(
            0, ge=0, description="how often a writer may rewrite its solution from a step that is labelled incorrect"
        )

        @model_validator(mode="after")
        def _somebody_can_revise(self) -> Self:
            if self.solutions == "given" and self.revisions:
                raise ValueError("revisions are for solutions: written")
            return self

    def needs(self) -> tuple[str, ...]:
        """No model is needed for solutions that are given."""
        return self.roles if self.options.solutions == "written" else ("overseer",)

    async def run(self, episode: Episode) -> Verdict:
        """Check every solution, each by overseers of its own, and weigh what is left."""
        options = self.options
        solutions = await solutions_to_check(episode, options)
        checks = await episode.gather(*(self._check(episode, n, each) for n, each in enumerate(solutions)))
        belief = verdict_over(episode.question, [checked for checked, _ in checks], options.rule)
        return Verdict(belief=belief, annotations=tuple(note for _, notes in checks for note in notes))

    async def _check(self, episode: Episode, number: int, solution: Solution) -> tuple[Checked, list[Annotation]]:
        """Label one solution's steps, having it rewritten where that is asked for."""
        overseers = [
            episode.seat(f"overseer_{number}.{vote}", role="overseer", brief="overseer", sees_solutions=False)
            for vote in range(self.options.votes)
        ]
        judged: list[_Judged] = []
        rejected: list[Annotation] = []
        while len(judged) < len(solution.steps):
            place = len(judged)
            found = await self._label(episode, overseers, solution, place, revised=bool(rejected))
            judged.append(found)
            if found.label != "incorrect":
                continue
            if solution.writer is not None and len(rejected) < self.options.revisions:
                version = {"revision": len(rejected)}
                rejected.append(Annotation(kind="rejected", data=_noted(number, solution, place, found) | version))
                solution = await self._revised(episode, solution, solution.writer, place)
                judged = judged[:place]
            elif self.options.stop_at_error:
                break
        score = self._score(judged)
        notes = self._notes(number, solution, judged, score, revisions=len(rejected))
        return Checked(solution.answer, score), [*rejected, *notes]

    async def _label(
        self, episode: Episode, overseers: Sequence[Seat], solution: Solution, place: int, *, revised: bool
    ) -> _Judged:
        """What the overseers say of one step, having read those before it."""
        step = solution.steps[place]
        if solution.writer is not None:
            solution.writer.disclose(step, to=overseers, turn=place)
        shown = None if solution.writer is not None else step
        votes = await episode.gather(*(self._vote(seat, place, shown, revised) for seat in overseers))
        labels = [vote for vote in votes if vote is not None]
        if not labels:
            return _Judged(None, None, 0)
        # Where votes are split, the graver label counts: a step that half of the overseers reject is not accepted.
        graver: tuple[Label, ...] = ("incorrect", "neutral", "correct")
        label = max(graver, key=lambda one: sum(vote.label == one for vote in labels))
        return _Judged(label, fmean(vote.p_correct for vote in labels), len(labels))

    async def _vote(self, seat: Seat, place: int, step: str | None, revised: bool) -> StepLabel | None:
        try:
            return await seat.fill("label", StepLabel, turn=place, number=place + 1, step=step, revised=revised)
        except CallFailed as failure:
            if failure.failure is not FailureClass.UNPARSABLE:
                raise
            return None

    async def _revised(self, episode: Episode, solution: Solution, writer: Seat, place: int) -> Solution:
        """The solution with everything from one step on rewritten."""
        draft = await writer.draft("revise", turn=place, number=place + 1, step=solution.steps[place])
        rewritten = read_solution(draft.text, episode.question, writer)
        return Solution(solution.steps[:place] + rewritten.steps, rewritten.answer, writer)

    def _score(self, judged: Sequence[_Judged]) -> float | None:
        """How likely the solution is to be right; None if that cannot be said."""
        known = [step.p_correct for step in judged if step.p_correct is not None]
        # A step that makes its label unreadable must not pass for a right one; after a rejected one it changes little.
        unread = len(known) < len(judged) and all(step.label != "incorrect" for step in judged)
        if not known or unread:
            return None
        match self.options.aggregate:
            case "product":
                return math.prod(known)
            case "minimum":
                return min(known)
        return known[-1]

    def _notes(
        self, number: int, solution: Solution, judged: Sequence[_Judged], score: float | None, *, revisions: int
    ) -> list[Annotation]:
        steps = [_noted(number, solution, place, each) for place, each in enumerate(judged)]
        errors = [place for place, each in enumerate(judged) if each.label == "incorrect"]
        whole = {
            "solution": number,
            "answer": solution.answer,
            "score": score,
            "steps": len(solution.steps),
            "labelled": len(judged),
            "first_error": errors[0] if errors else None,
            "unparsable": sum(each.label is None for each in judged),
            "revisions": revisions,
            "writer": solution.writer.name if solution.writer else None,
        }
        return [Annotation(kind="step", data=data) for data in steps] + [Annotation(kind="solution", data=whole)]


def _noted(number: int, solution: Solution, place: int, judged: _Judged) -> dict[str, Any]:
    """What is kept of one step's label."""
    return {
        "solution": number,
        "step": place,
        "label": judged.label or "unparsable",
        "p_correct": judged.p_correct,
        "votes": judged.votes,
        "text": solution.steps[place],
    }
