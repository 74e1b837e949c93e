"""An overseer judges solutions as wholes, or by their final answers alone: what checking the process must beat."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oversight import (
    Annotation,
    CallFailed,
    Checked,
    Episode,
    FailureClass,
    Protocol,
    Solution,
    SolutionOptions,
    Verdict,
    solutions_to_check,
    verdict_over,
)

__all__ = ["OutcomeSupervision"]


class OutcomeScore(BaseModel):
    """What an overseer says of a solution, or of its final answer."""

    model_config = ConfigDict(extra="forbid")

    p_correct: float = Field(ge=0, le=1)


class OutcomeSupervision(Protocol):
    """An overseer judges each solution once: by its final answer alone, or as a whole.

    The outcome-supervised baseline of Uesato et al. (2022) and Lightman et al. (2023). With ``sees: nothing``
    there is no judge, and the answer that most solutions end in wins (``rule: majority``). Each solution is an
    annotation of kind ``solution``; where the overseer's judgement cannot be read it says so, and has no score.
    """

    name = "outcome_supervision"
    roles = ("overseer", "strong")

    class Options(SolutionOptions):
        """Which solutions are judged, and by what."""

        sees: Literal["answer", "solution", "nothing"] = Field(
            "answer", description="what the overseer judges: the final answer, the whole solution, or nothing at all"
        )

        @model_validator(mode="after")
        def _nothing_seen_nothing_scored(self) -> Self:
            if self.sees == "nothing" and self.rule != "majority":
                raise ValueError("with sees: nothing there are no scores: set rule: majority")
            return self

    def needs(self) -> tuple[str, ...]:
        """Only what these options call for."""
        needed = {"overseer": self.options.sees != "nothing", "strong": self.options.solutions == "written"}
        return tuple(role for role in self.roles if needed[role])

    async def run(self, episode: Episode) -> Verdict:
        """Judge every solution, each by an overseer of its own."""
        options = self.options
        solutions = await solutions_to_check(episode, options)
        checks = await episode.gather(*(self._check(episode, n, each) for n, each in enumerate(solutions)))
        notes: list[dict[str, Any]] = [
            {"solution": number, "answer": each.answer, "score": checked.score, "steps": len(each.steps)}
            | {"unparsable": int(not read), "writer": each.writer.name if each.writer else None}
            for number, (each, (checked, read)) in enumerate(zip(solutions, checks, strict=True))
        ]
        return Verdict(
            belief=verdict_over(episode.question, [checked for checked, _ in checks], options.rule),
            annotations=tuple(Annotation(kind="solution", data=data) for data in notes),
        )

    async def _check(self, episode: Episode, number: int, solution: Solution) -> tuple[Checked, bool]:
        """What judging one solution shows, and whether all that was said of it could be read."""
        sees = self.options.sees
        if sees == "nothing" or solution.answer is None or (sees == "solution" and not solution.steps):
            return Checked(solution.answer, None), True
        overseer = episode.seat(f"overseer_{number}", role="overseer", brief="overseer", sees_solutions=False)
        whole = solution.steps if sees == "solution" else ()
        if solution.writer is not None:
            for place, step in enumerate(whole):
                solution.writer.disclose(step, to=[overseer], turn=place)
        answer = episode.question.answers[solution.answer].text
        try:
            outcome = await overseer.fill(
                "judge", OutcomeScore, steps=() if solution.writer else whole, sees=sees, answer=answer
            )
        except CallFailed as failure:
            if failure.failure is not FailureClass.UNPARSABLE:
                raise
            return Checked(solution.answer, None), False
        return Checked(solution.answer, outcome.p_correct), True
