"""What a run left behind, in the forms that other tools read: one JSON-serialisable row after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from oversight.errors import UsageError
from oversight.plugins import nearest
from oversight.reports.conversations import conversation_rows, preference_rows
from oversight.reports.episode_rows import ascii_json, episode_lines
from oversight.reports.step_rows import LabelledSteps, by_overseer, by_person, is_cut, prm800k_row, trl_steps_row
from oversight.reports.transcripts import stored_pages, transcripts
from oversight.store import Store

__all__ = ["Export", "ExportFilter", "ExportForm", "export"]


ExportForm = Literal["episodes", "sft", "preferences", "prm800k", "trl-steps"]
"""What a row is.

episodes: an episode that ended, judged or failed, with everything that was said and held in it.
sft: the chat of one seat of a judged episode, for supervised fine-tuning at OpenAI or with TRL.
preferences: two replies to one prompt, of which the first served its seat's side better, as TRL's preference trainers
    take them.
prm800k: a solution with step labels, as in PRM800K (Lightman et al. 2023).
trl-steps: the same as a row of TRL's stepwise supervision: prompt, completions and labels.
"""

_STEPS = ("prm800k", "trl-steps")
_CHATS = ("sft", "preferences")


class ExportFilter(NamedTuple):
    """Which rows are wanted, where a form has several kinds.

    Attributes:
        by: step labels of the person with this anonymous id, not the overseer's.
        role: chats of seats that the experiment binds to this role.
        won: chats of seats whose side the verdict held likelier than all others together.
    """

    by: str | None = None
    role: str | None = None
    won: bool = False


@dataclass
class Export:
    """One run in one form; iterate over it, or over its `lines`, once.

    Attributes:
        episodes: how many episodes there are to export: those that ended, or for step labels those that have some.
        withheld: how many of them are left out, because their questions must not be published.
        questions: how many questions those are about.
        cut: how many solutions were cut short so far, because the form has no place for a step without a label.
        unfit: how many chats were left out so far, because they lack a brief or hold an empty message.
    """

    _rows: Callable[[Export], Iterator[dict[str, Any] | str]]
    episodes: int
    withheld: int
    questions: int
    cut: int = 0
    unfit: int = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (json.loads(row) if isinstance(row, str) else row for row in self._rows(self))

    def lines(self) -> Iterator[str]:
        """Yield each row as one line of JSON in ASCII."""
        return (row if isinstance(row, str) else ascii_json(row) for row in self._rows(self))


def export(store: Store, run: str, form: ExportForm, wanted: ExportFilter | None = None) -> Export:
    """Everything of one run that may be published, in one of the forms.

    Questions whose task is restricted (`oversight.tasks.task.Task`) are left out of every form. Episodes are read
    a page at a time, so that a run of any size fits into memory.

    Raises:
        UsageError: there is no such run, or the form has nothing to filter: no person of that id
            labelled steps, no seat has that role.
    """
    known = store.arrow("SELECT DISTINCT run_id FROM runs ORDER BY run_id")["run_id"].to_pylist()
    if run not in known:
        raise UsageError(f"there is no run '{run}' in the store{nearest(run, known)}")
    wanted = wanted or ExportFilter()
    _check(store, run, form, wanted)
    people = {} if wanted.by is None else _labelled_by(store, run, wanted.by)
    ended = store.arrow(_LABELLED if form in _STEPS and wanted.by is None else _ENDED, [run]).to_pylist()
    there = [row for row in ended if wanted.by is None or row["episode_id"] in people]
    # What is not known to be free is not published.
    free = [(row["episode_id"], row["attempt"]) for row in there if row["restricted"] is False]
    secret = {row["question_key"] for row in there if row["restricted"] is not False}

    def checked() -> Iterator[LabelledSteps]:
        for transcript in transcripts(store, free):
            rows = people.get(transcript.spec.episode_id)
            yield from by_overseer(transcript) if rows is None else by_person(transcript, rows)

    def rows(exported: Export) -> Iterator[dict[str, Any] | str]:
        match form:
            case "episodes":
                yield from episode_lines(run, stored_pages(store, free))
            case "prm800k":
                yield from map(prm800k_row, checked())
            case "trl-steps":
                for each in checked():
                    exported.cut += is_cut(each)
                    if row := trl_steps_row(each):
                        yield row
            case "preferences":
                yield from preference_rows(transcripts(store, free), wanted.role)
            case "sft":
                for transcript in transcripts(store, free):
                    for chat in conversation_rows(transcript, wanted.role, won=wanted.won):
                        exported.unfit += chat is None
                        if chat:
                            yield chat

    return Export(rows, len(there), len(there) - len(free), len(secret))


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


def _check(store: Store, run: str, form: ExportForm, wanted: ExportFilter) -> None:
    """See whether a filter fits a form and finds anything."""
    if wanted.by is not None and form not in _STEPS:
        raise UsageError(f"--by is for step labels ({', '.join(_STEPS)}): '{form}' has none")
    if wanted.role is not None and form not in _CHATS:
        raise UsageError(f"--role is for what seats were told and said ({', '.join(_CHATS)}), not for '{form}'")
    if wanted.won and form != "sft":
        raise UsageError(f"--won is for sft, not for '{form}'")
    if wanted.role is not None:
        roles = store.arrow(_ROLES, [run])["role"].to_pylist()
        if wanted.role not in roles:
            there = f"there are {', '.join(roles)}" if roles else "no call of it is on record, so roles are not known"
            raise UsageError(f"--role {wanted.role}: no seat of run {run} has it; {there}")


_ROLES = """
SELECT DISTINCT role FROM calls
WHERE (episode_id, attempt) IN (SELECT (episode_id, attempt) FROM outcomes WHERE run_id = ?)
ORDER BY role
"""


def _labelled_by(store: Store, run: str, by: str) -> dict[str, list[dict[str, Any]]]:
    """Episode -> a person's judgements of the steps of its solutions."""
    rows = store.arrow(_BY_PEOPLE, [run]).to_pylist()
    there = sorted({row["judge"] for row in rows})
    if by not in there:
        raise UsageError(f"--by {by}: no person of that id labelled steps of run {run}{nearest(by, there)}")
    said: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["judge"] == by:
            said.setdefault(row["episode_id"], []).append(row)
    return said


_BY_PEOPLE = """
SELECT judge, episode_id, labels, judged_at, seconds
FROM judgements
WHERE kind = 'human' AND labels IS NOT NULL AND episode_id IN (SELECT episode_id FROM plan WHERE run_id = ?)
ORDER BY judged_at
"""
