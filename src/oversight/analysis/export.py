"""What a run left behind, in the forms that other tools read: one JSON object for each line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any, Literal, NamedTuple

from oversight.analysis.transcripts import transcripts
from oversight.errors import UsageError
from oversight.registry import nearest
from oversight.secrets import redact
from oversight.store import Store, Transcript

__all__ = ["Export", "ExportForm", "export"]


ExportForm = Literal["episodes", "prm800k", "trl-steps"]
"""What a line is.

episodes: an episode that ended, judged or failed, with everything that was said and held in it.
prm800k: a solution with step labels, as in PRM800K (Lightman et al. 2023).
trl-steps: the same as a row of TRL's stepwise supervision: prompt, completions and labels.
"""


@dataclass
class Export:
    """One run in one form; iterate over it once, for one JSON-serialisable object for each line.

    Attributes:
        episodes: how many episodes there are to export: those that ended, or for step labels those that have some.
        withheld: how many of them are left out, because their questions must not be published.
        questions: how many questions those are about.
        cut: how many solutions were cut short so far, because the form has no place for a step without a label.
    """

    _rows: Callable[[Export], Iterator[dict[str, Any]]]
    episodes: int
    withheld: int
    questions: int
    cut: int = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._rows(self)


class _Checked(NamedTuple):
    """One solution and its step labels."""

    transcript: Transcript
    solution: dict[str, Any]
    steps: list[dict[str, Any]]
    labeller: str
    labelled_at: datetime
    seconds: float | None = None


def export(store: Store, run: str, form: ExportForm, by: str | None = None) -> Export:
    """Everything of one run that may be published, in one of the forms.

    With ``by``, the anonymous id of a person, the step labels are that person's and not the overseer's.

    Questions whose task is restricted (`oversight.tasks.base.Task`) are left out of every form. Episodes are read
    a page at a time, so that a run of any size fits into memory.

    Raises:
        UsageError: there is no such run, nobody of that id labelled steps of it, or episodes are asked for by somebody.
    """
    known = store.arrow("SELECT DISTINCT run_id FROM runs ORDER BY run_id")["run_id"].to_pylist()
    if run not in known:
        raise UsageError(f"there is no run '{run}' in the store{nearest(run, known)}")
    people = _people(store, run, form, by)
    wanted = store.arrow(_ENDED if form == "episodes" else _LABELLED, [run]).to_pylist()
    if by is not None:
        wanted = [row for row in store.arrow(_ENDED, [run]).to_pylist() if row["episode_id"] in people]
    # What is not known to be free is not published.
    free = [(row["episode_id"], row["attempt"]) for row in wanted if row["restricted"] is False]
    secret = {row["question_key"] for row in wanted if row["restricted"] is not False}

    def rows(exported: Export) -> Iterator[dict[str, Any]]:
        for transcript in transcripts(store, free):
            if form == "episodes":
                yield _episode(run, transcript)
            else:
                for checked in people[transcript.spec.episode_id](transcript) if by else _checked(transcript):
                    yield from _prm800k(checked) if form == "prm800k" else _trl_steps(checked, exported)

    return Export(rows, len(wanted), len(wanted) - len(free), len(secret))


_ENDED = """
SELECT outcomes.episode_id, outcomes.attempt, outcomes.question_key, questions.restricted
FROM outcomes LEFT JOIN questions ON questions.question_key = outcomes.question_key
WHERE outcomes.run_id = ? AND outcomes.status <> 'pending'
ORDER BY arm_no, seed, outcomes.question_key, outcomes.episode_id
"""

_LABELLED = _ENDED.replace(
    "ORDER BY",
    """
    AND (outcomes.episode_id, outcomes.attempt) IN (
        SELECT (episode_id, attempt) FROM annotations WHERE verdict AND kind = 'step'
    )
    ORDER BY""",
)


def _people(
    store: Store, run: str, form: ExportForm, by: str | None
) -> dict[str, Callable[[Transcript], Iterator[_Checked]]]:
    """Episode -> what reads a person's labels of its solutions; empty if nobody is named."""
    if by is None:
        return {}
    if form == "episodes":
        raise UsageError("--by is for step labels: episodes are nobody's")
    rows = store.arrow(_BY_PEOPLE, [run]).to_pylist()
    there = sorted({row["judge"] for row in rows})
    if by not in there:
        raise UsageError(f"--by {by}: nobody of that id labelled steps of run {run}{nearest(by, there)}")
    said: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["judge"] == by:
            said.setdefault(row["episode_id"], []).append(row)
    return {episode: partial(_checked_by, those) for episode, those in said.items()}


_BY_PEOPLE = """
SELECT judge, episode_id, labels, judged_at, seconds
FROM judgements
WHERE kind = 'human' AND labels IS NOT NULL AND episode_id IN (SELECT episode_id FROM plan WHERE run_id = ?)
ORDER BY judged_at
"""


def _checked_by(rows: list[dict[str, Any]], transcript: Transcript) -> Iterator[_Checked]:
    """The solutions of an episode that one person labelled."""
    for row in rows:
        notes = [(note["kind"], note["data"]) for note in json.loads(row["labels"])]
        for checked in _labelled(transcript, notes):
            yield checked._replace(labeller=row["judge"], labelled_at=row["judged_at"], seconds=row["seconds"])


def _episode(run: str, transcript: Transcript) -> dict[str, Any]:
    """An episode: nothing that the store knows of it is missing but secrets, so that it can be built again."""
    outcome = transcript.outcome.model_dump(mode="json")
    verdict = outcome.pop("verdict")
    messages = outcome.pop("messages")
    for failed in (outcome, *outcome["calls"]):
        # Whoever raised a failure should have kept keys out of its words; this goes out of the house.
        failed["detail"] = failed["detail"] and redact(failed["detail"])
    beliefs = [
        {"message": place, "seat": message["author"], "turn": message["turn"]} | belief
        for place, message in enumerate(messages)
        if (belief := message.pop("belief")) is not None
    ]
    return {
        "run": run,
        "episode": outcome.pop("episode_id"),
        **{name: outcome.pop(name) for name in ("attempt", "status", "failure", "detail", "started_at", "duration_s")},
        "made_by_run": transcript.run_id,
        "spec": transcript.spec.model_dump(mode="json", exclude={"episode_id", "attempt"}),
        "gold": transcript.gold,
        "mistakes": list(transcript.mistakes),
        "verdict": None if verdict is None else verdict["belief"],
        "messages": messages,
        "beliefs": beliefs,
        "annotations": [] if verdict is None else verdict["annotations"],
        **outcome,
    }


def _checked(transcript: Transcript) -> Iterator[_Checked]:
    """The solutions of an episode whose steps somebody labelled, with their labels in order."""
    # In JSON's terms: what a protocol notes may hold numbers that JSON lacks, which become null.
    verdict = transcript.outcome.verdict
    notes = [(note.kind, note.model_dump(mode="json")["data"]) for note in (verdict.annotations if verdict else ())]
    return _labelled(transcript, notes)


def _labelled(transcript: Transcript, notes: list[tuple[str, dict[str, Any]]]) -> Iterator[_Checked]:
    """Solutions with their labels, from what was noted of them."""
    spec = transcript.spec
    overseer, at = spec.judge or spec.protocol, transcript.outcome.started_at
    labels: dict[int, list[dict[str, Any]]] = {}
    for kind, data in notes:
        if kind == "step" and {"solution", "step", "label", "text"} <= data.keys():
            labels.setdefault(data["solution"], []).append(data)
    for kind, data in notes:
        if kind == "solution" and (steps := labels.pop(data.get("solution", -1), [])):
            yield _Checked(transcript, data, sorted(steps, key=lambda step: int(step["step"])), overseer, at)


_RATINGS = {"correct": 1, "neutral": 0, "incorrect": -1}


def _prm800k(checked: _Checked) -> Iterator[dict[str, Any]]:
    """A line as `github.com/openai/prm800k` describes it.

    A step whose label could not be read has the rating null and is flagged. ``finish_reason`` is ``found_error``
    where a step is labelled incorrect, ``give_up`` where a label is missing, otherwise ``solution``: the overseer
    went through to the end. ``total_time`` is in milliseconds, and known of people only. ``pre_generated_steps`` are
    the whole solution, null if the rest of it is not stored.
    """
    spec, solution = checked.transcript.spec, checked.solution
    question, answer = spec.question, solution.get("answer")
    labels = [step["label"] for step in checked.steps]
    last = len(labels) - 1
    yield {
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
            "steps": [
                {
                    "completions": [
                        {
                            "text": step["text"],
                            "rating": _RATINGS.get(step["label"]),
                            "flagged": step["label"] not in _RATINGS,
                        }
                    ],
                    "human_completion": None,
                    # Nobody went on from a step that was rejected last.
                    "chosen_completion": None if step["label"] == "incorrect" and place == last else 0,
                }
                for place, step in enumerate(checked.steps)
            ],
            "total_time": None if checked.seconds is None else round(1000 * checked.seconds),
            "finish_reason": (
                "found_error" if "incorrect" in labels else "solution" if set(labels) <= set(_RATINGS) else "give_up"
            ),
        },
    }


def _whole(checked: _Checked) -> list[str] | None:
    """All steps of a solution, also those that nobody labelled; None where those are not known."""
    number, worked = checked.solution["solution"], checked.transcript.question.worked
    if checked.solution.get("writer") is None and number < len(worked):
        return list(worked[number].steps)
    texts = [step["text"] for step in checked.steps]
    return texts if len(texts) == checked.solution.get("steps") else None


def _trl_steps(checked: _Checked, exported: Export) -> Iterator[dict[str, Any]]:
    """A row for TRL: whether each step is right, by its overseer; a neutral step is not wrong.

    TRL has no place for a step without a label, so a solution ends before the first whose label could not be
    read; where that is its first step, there is no row.
    """
    steps = list(takewhile(lambda step: step["label"] in _RATINGS, checked.steps))
    exported.cut += len(steps) < len(checked.steps)
    if steps:
        yield {
            "prompt": checked.transcript.question.prompt,
            "completions": [step["text"] for step in steps],
            "labels": [step["label"] != "incorrect" for step in steps],
        }
