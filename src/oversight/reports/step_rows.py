"""Solutions with step labels, as the rows of the data sets that step labels are trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

from oversight.store import Transcript

__all__ = ["LabelledSteps", "by_overseer", "by_person", "is_cut", "prm800k_row", "trl_steps_row"]


class LabelledSteps(NamedTuple):
    """One solution and its step labels.

    Attributes:
        transcript: the episode in which the solution was given or written.
        solution: the annotation about it as a whole.
        steps: the annotations about its labelled steps, in order.
        rejected: those about steps that were rewritten, in the order in which they were rejected.
        labeller: the overseer's model, or a person's anonymous id.
        seconds: how long labelling took; known of people only.
    """

    transcript: Transcript
    solution: dict[str, Any]
    steps: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    labeller: str
    labelled_at: datetime
    seconds: float | None = None


def by_overseer(transcript: Transcript) -> Iterator[LabelledSteps]:
    """The solutions of an episode whose steps its overseer labelled."""
    # In JSON's terms: what a protocol notes may hold numbers that JSON lacks, which become null.
    verdict = transcript.outcome.verdict
    notes = [(note.kind, note.model_dump(mode="json")["data"]) for note in (verdict.annotations if verdict else ())]
    return _labelled(transcript, notes)


def by_person(transcript: Transcript, judgements: Sequence[dict[str, Any]]) -> Iterator[LabelledSteps]:
    """The solutions of an episode that one person labelled, by that person's rows of ``judgements``."""
    for row in judgements:
        notes = [(note["kind"], note["data"]) for note in json.loads(row["labels"])]
        for checked in _labelled(transcript, notes):
            yield checked._replace(labeller=row["judge"], labelled_at=row["judged_at"], seconds=row["seconds"])


def _labelled(transcript: Transcript, notes: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[LabelledSteps]:
    """Solutions with their labels, from what was noted of them."""
    spec = transcript.spec
    overseer, at = spec.judge or spec.protocol, transcript.outcome.started_at
    labels: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for kind, data in notes:
        if kind in ("step", "rejected") and {"solution", "step", "label", "text"} <= data.keys():
            labels.setdefault((kind, data["solution"]), []).append(data)
    for kind, data in notes:
        if kind == "solution" and (steps := labels.pop(("step", data.get("solution", -1)), [])):
            steps.sort(key=lambda step: int(step["step"]))
            yield LabelledSteps(transcript, data, steps, labels.get(("rejected", data["solution"]), []), overseer, at)


_RATINGS = {"correct": 1, "neutral": 0, "incorrect": -1}


def prm800k_row(checked: LabelledSteps) -> dict[str, Any]:
    """A line as `github.com/openai/prm800k` describes it.

    A step whose label could not be read has the rating null and is flagged. ``finish_reason`` is ``found_error``
    where a step is labelled incorrect, ``give_up`` where a label is missing, otherwise ``solution``: the overseer
    went through to the end. ``total_time`` is in milliseconds, and known of people only. ``pre_generated_steps`` are
    the whole solution, null if the rest of it is not stored.
    """
    spec, solution = checked.transcript.spec, checked.solution
    question, answer = spec.question, solution.get("answer")
    labels = [step["label"] for step in checked.steps]
    return {
        "labeler": checked.labeller,
        "timestamp": checked.labelled_at.isoformat(),
        "generation": None,
        "is_quality_control_question": False,
        "is_initial_screening_question": False,
        "question": {
            "problem": question.prompt,
            "ground_truth_solution": question.answers[checked.transcript.gold].solution,
            "ground_truth_answer": question.answers[checked.transcript.gold].text,
            "pre_generated_steps": _whole(checked),
            "pre_generated_answer": None if answer is None else question.answers[answer].text,
            "pre_generated_verifier_score": solution.get("score"),
        },
        "label": {
            "steps": [_prm800k_step(checked, place, labelled) for place, labelled in enumerate(checked.steps)],
            "total_time": None if checked.seconds is None else round(1000 * checked.seconds),
            "finish_reason": (
                "found_error" if "incorrect" in labels else "solution" if set(labels) <= set(_RATINGS) else "give_up"
            ),
        },
    }


def _prm800k_step(checked: LabelledSteps, place: int, labelled: dict[str, Any]) -> dict[str, Any]:
    versions = [*(each for each in checked.rejected if each["step"] == labelled["step"]), labelled]
    # No further step follows one that was rejected last.
    ends = labelled["label"] == "incorrect" and place == len(checked.steps) - 1
    return {
        "completions": [
            {"text": each["text"], "rating": _RATINGS.get(each["label"]), "flagged": each["label"] not in _RATINGS}
            for each in versions
        ],
        "human_completion": None,
        "chosen_completion": None if ends else len(versions) - 1,
    }


def _whole(checked: LabelledSteps) -> list[str] | None:
    """All steps of a solution, also the unlabelled ones; None where those are not known."""
    number, worked = checked.solution["solution"], checked.transcript.question.worked
    if checked.solution.get("writer") is None and number < len(worked):
        return list(worked[number].steps)
    texts = [step["text"] for step in checked.steps]
    return texts if len(texts) == checked.solution.get("steps") else None


def trl_steps_row(checked: LabelledSteps) -> dict[str, Any] | None:
    """A row for TRL's stepwise supervision: whether each step is right; a neutral step is not wrong.

    TRL has no place for a step without a label, so a solution ends before the first whose label could not be
    read; where that is its first step, there is no row.
    """
    steps = _readable(checked)
    if not steps:
        return None
    return {
        "prompt": checked.transcript.question.prompt,
        "completions": [step["text"] for step in steps],
        "labels": [step["label"] != "incorrect" for step in steps],
    }


def is_cut(checked: LabelledSteps) -> bool:
    """Whether `trl_steps_row` has less of a solution than was labelled."""
    return len(_readable(checked)) < len(checked.steps)


def _readable(checked: LabelledSteps) -> list[dict[str, Any]]:
    return list(takewhile(lambda step: step["label"] in _RATINGS, checked.steps))
