"""The worked solutions of a stored episode, for a person to label step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from oversight.core.message import Kind
from oversight.core.solutions import given_solutions
from oversight.core.step_splitting import split_steps
from oversight.core.verdict import Annotation
from oversight.store import Transcript

__all__ = ["Label", "LabelledSolution", "PersonLabel", "as_annotations", "is_done", "solution_of"]

Label: TypeAlias = Literal["correct", "neutral", "incorrect"]


class PersonLabel(BaseModel):
    """What a person says of one step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Label
    p_correct: float = Field(ge=0, le=1)


class LabelledSolution(BaseModel):
    """One solution, as it is labelled.

    Attributes:
        number: its place among the episode's solutions.
        prompt, labels, answers: the question, as the overseer was shown it.
        steps: all of them, those that the overseer did not get to as well.
        answer: the place of the answer it ends in; None if it names none.
        writer: the seat that wrote it; None if it came with the question.
        revisions: how often it was rewritten.
        stop_at_error: no step is labelled after the first that is incorrect.
        aggregate: how a solution's score comes from its steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    prompt: str
    labels: tuple[str, ...]
    answers: tuple[str, ...]
    steps: tuple[str, ...]
    answer: int | None
    writer: str | None
    revisions: int
    stop_at_error: bool
    aggregate: Literal["product", "minimum", "last"]


def solution_of(transcript: Transcript, number: int) -> LabelledSolution:
    """One of an episode's solutions: as its protocol noted it, or else as it came with the question.

    Raises:
        ValueError: there is none, or none with steps.
    """
    question, options = transcript.question, transcript.spec.options
    note = _note(transcript, number)
    writer = note.get("writer")
    given = given_solutions(question)
    if writer is not None:
        steps, answer = _written(transcript, str(writer)), note.get("answer")
    elif number < len(given):
        steps, answer = given[number].steps, given[number].answer
    else:
        steps, answer = (), None
    if not steps:
        raise ValueError(f"episode {transcript.spec.episode_id} has no solution {number} with steps")
    return LabelledSolution(
        number=number,
        prompt=question.prompt,
        labels=question.labels,
        answers=tuple(each.text for each in question.answers),
        steps=steps,
        answer=answer,
        writer=writer,
        revisions=int(note.get("revisions") or 0),
        # Only what the user set is stored; these are the defaults of the options where a protocol has them.
        stop_at_error=bool(options.get("stop_at_error", True)),
        aggregate=options.get("aggregate", "product"),
    )


def is_done(solution: LabelledSolution, said: Sequence[PersonLabel]) -> bool:
    """Whether no further step is to be labelled."""
    stopped = solution.stop_at_error and any(each.label == "incorrect" for each in said)
    return stopped or len(said) >= len(solution.steps)


def as_annotations(solution: LabelledSolution, said: Sequence[PersonLabel]) -> tuple[Annotation, ...]:
    """The labels in the form in which an overseer's are stored."""
    errors = [place for place, each in enumerate(said) if each.label == "incorrect"]
    steps = [
        {"solution": solution.number, "step": place, "label": each.label, "p_correct": each.p_correct}
        | {"votes": 1, "text": solution.steps[place]}
        for place, each in enumerate(said)
    ]
    whole = {
        "solution": solution.number,
        "answer": solution.answer,
        "score": _score(solution, [each.p_correct for each in said]),
        "steps": len(solution.steps),
        "labelled": len(said),
        "first_error": errors[0] if errors else None,
        "unparsable": 0,
        "revisions": solution.revisions,
        "writer": solution.writer,
    }
    return (*(Annotation(kind="step", data=data) for data in steps), Annotation(kind="solution", data=whole))


def _score(solution: LabelledSolution, known: Sequence[float]) -> float:
    match solution.aggregate:
        case "product":
            return math.prod(known)
        case "minimum":
            return min(known)
    return known[-1]


def _note(transcript: Transcript, number: int) -> dict[str, Any]:
    verdict = transcript.outcome.verdict
    notes = [note.data for note in (verdict.annotations if verdict else ()) if note.kind == "solution"]
    return next((data for data in notes if data.get("solution") == number), {})


def _written(transcript: Transcript, writer: str) -> tuple[str, ...]:
    """The steps that a seat drafted, each revision from the step on at which it was rejected."""
    steps: tuple[str, ...] = ()
    for message in transcript.messages:
        if message.author == writer and message.kind is Kind.DRAFT:
            steps = (*steps[: message.turn or 0], *split_steps(message.text))
    return steps
