"""What the framework's records become as rows of the store's tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

import duckdb
import pyarrow as pa

from oversight.core.chat import CacheStatus
from oversight.core.message import Kind, Message
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec, Judgement
from oversight.core.question import Item
from oversight.errors import StoreError

__all__ = [
    "ArmRow",
    "PlanRow",
    "Row",
    "RunEvent",
    "RunRow",
    "arm_row",
    "arrow_table",
    "as_json",
    "attempt_rows",
    "event_row",
    "judgement_row",
    "plan_rows",
    "question_row",
    "run_row",
    "stored_schemas",
]

Row: TypeAlias = dict[str, object]

RunEvent = Literal["started", "finished", "interrupted", "failed"]
"""What can happen to a run; its latest event is its status."""


class RunRow(NamedTuple):
    """One execution of an experiment, as the store keeps it.

    Attributes:
        experiment: the experiment as resolved, JSON-serialisable and without secrets.
        plugins: protocol name -> fingerprint of its code and prompts.
        seed: the experiment's.
        created_at: an aware time.
        oversight_version: the release that ran it.
    """

    run_id: str
    name: str
    experiment: Mapping[str, object]
    plugins: Mapping[str, str]
    seed: int
    created_at: datetime
    oversight_version: str


class PlanRow(NamedTuple):
    """What the store keeps of an episode before it ran; each attribute is `EpisodeSpec`'s of that name."""

    episode_id: str
    arm: str
    task: str
    protocol: str
    options: dict[str, Any]
    judge: str | None
    strong: str | None
    question_key: str
    assignment: Sequence[int | None]
    seed: int
    repeat: int


class ArmRow(NamedTuple):
    """What an arm of a run is, as the store keeps it.

    Attributes:
        arm_no: the arm's place in the experiment.
        arm: its label.
        entry: what the experiment calls it before swept values are added; None if that is not known.
        protocol: the protocol's name.
        origin: the protocol's class, by module or file; None if that is not known.
        version: the protocol's own, and a digest of its code and prompts; None if that is not known.
        baseline, ceiling: what the protocol says of itself (`oversight.core.protocol.Protocol`).
        models: role -> digests of the settings of the models bound to it, sorted.
    """

    arm_no: int
    arm: str
    entry: str | None
    protocol: str
    origin: str | None
    version: str | None
    baseline: bool
    ceiling: bool
    models: Mapping[str, Sequence[str]]

    @property
    def names(self) -> set[str]:
        """What a report may call it."""
        return {name for name in (self.arm, self.entry, self.protocol) if name}

    def alike(self, models: Mapping[str, Sequence[str]]) -> bool:
        """Whether every role that both its own and these models are bound to is bound alike."""
        return all(list(self.models[role]) == list(bound) for role, bound in models.items() if role in self.models)


def arm_row(run_id: str, arm: ArmRow) -> Row:
    """The row of ``arms``."""
    return arm._asdict() | {"run_id": run_id, "models": as_json(arm.models)}


def run_row(run: RunRow) -> Row:
    """The row of ``runs``."""
    return run._asdict() | {"experiment": as_json(run.experiment), "plugins": as_json(run.plugins)}


def event_row(run_id: str, at: datetime, event: RunEvent, detail: Mapping[str, object] | None) -> Row:
    """The row of ``run_events``."""
    return {
        "run_id": run_id,
        "event_at": at,
        "event": event,
        "detail": None if detail is None else as_json(detail),
    }


def plan_rows(run_id: str, planned: Sequence[tuple[int, EpisodeSpec | PlanRow]]) -> list[Row]:
    """The rows of ``plan`` for some episodes, with the places of their arms; an episode that comes twice has one."""
    written: dict[int, str] = {}  # the episodes of an arm share their options
    rows: dict[str, Row] = {}
    for arm_no, asked in planned:
        if (options := written.get(id(asked.options))) is None:
            options = written[id(asked.options)] = as_json(asked.options)
        rows[asked.episode_id] = {
            "run_id": run_id,
            "arm_no": arm_no,
            **{name: getattr(asked, name) for name in _PLAN_COLUMNS},
            "options": options,
            "sides": len(asked.assignment),
        }
    return list(rows.values())


_PLAN_COLUMNS = ("episode_id", "arm", "task", "protocol", "judge", "strong", "question_key", "repeat", "seed")


def question_row(task: str, item: Item, restricted: bool) -> Row:
    """The row of ``questions``; a restricted one must not be published."""
    return {
        "question_key": item.key,
        "task": task,
        "gold": item.gold,
        "restricted": restricted,
        "mistakes": item.mistakes,
        **item.question.model_dump(),
    }


def attempt_rows(run_id: str, spec: EpisodeSpec, outcome: EpisodeOutcome) -> dict[str, list[Row]]:
    """Table name -> its rows, for everything that one attempt at an episode left behind.

    Raises:
        StoreError: the outcome is judged and has no verdict.
    """
    if (outcome.status == "judged") != (outcome.verdict is not None):
        raise StoreError(f"episode {outcome.episode_id}: exactly a judged outcome has a verdict")
    key: Row = {"run_id": run_id, "episode_id": outcome.episode_id, "attempt": outcome.attempt}
    rows = {
        "episodes": [_episode_row(spec, outcome)],
        "messages": [_message_row(i, m, spec.question.material) for i, m in enumerate(outcome.messages)],
        "beliefs": list(_belief_rows(outcome)),
        "calls": [call.model_dump(exclude={"attempt"}) | {"call_attempt": call.attempt} for call in outcome.calls],
        "annotations": list(_annotation_rows(outcome)),
    }
    return {name: [row | key for row in those] for name, those in rows.items()}


def judgement_row(judgement: Judgement) -> Row:
    """The row of ``judgements`` that a judgement makes; a person's has no price."""
    belief, costs = judgement.belief, [call.cost_usd for call in judgement.calls if call.origin is CacheStatus.MISS]
    known = [cost for cost in costs if cost is not None]
    priced = judgement.calls_known and len(known) == len(costs)
    return {
        **judgement.model_dump(exclude={"settings", "belief", "calls", "calls_known", "beliefs", "labels"}),
        "settings": as_json(judgement.settings),
        "beliefs": as_json([held.model_dump() for held in judgement.beliefs]) if judgement.beliefs else None,
        "labels": as_json([note.model_dump() for note in judgement.labels]) if judgement.labels else None,
        "probs": None if belief is None else belief.probs,
        "source": None if belief is None else belief.source,
        "calls": len(costs) if judgement.calls_known else None,
        "cost_usd": sum(known) if priced and judgement.kind == "model" else None,
    }


def _episode_row(spec: EpisodeSpec, outcome: EpisodeOutcome) -> Row:
    return {
        **spec.model_dump(exclude={"question", "cast", "options", "attempt"}),
        **outcome.model_dump(include={"status", "failure", "detail", "started_at", "duration_s", "sides"}),
        "options": as_json(spec.options),
        "models": as_json(spec.cast),
    }


def _message_row(idx: int, message: Message, material: str | None) -> Row:
    is_material = message.kind is Kind.MATERIAL and message.text == material
    return {
        "idx": idx,
        "text": None if is_material else message.text,
        **message.model_dump(exclude={"text", "quotes", "belief"}),
    }


def _belief_rows(outcome: EpisodeOutcome) -> Iterator[Row]:
    held = [(idx, message) for idx, message in enumerate(outcome.messages) if message.belief is not None]
    verdict = outcome.verdict
    final = next(
        (
            idx
            for idx, message in reversed(held)
            if verdict is not None and message.kind is Kind.VERDICT and message.belief == verdict.belief
        ),
        None,
    )
    for idx, message in held:
        assert message.belief is not None
        place = {"idx": idx, "seat": message.author, "turn": message.turn, "final": idx == final}
        yield place | message.belief.model_dump()
    if verdict is not None and final is None:
        # The protocol worked it out, from several seats' verdicts for example.
        yield {"idx": None, "seat": None, "turn": None, "final": True} | verdict.belief.model_dump()


def _annotation_rows(outcome: EpisodeOutcome) -> Iterator[Row]:
    for place, message in enumerate(outcome.messages):
        for idx, quote in enumerate(message.quotes):
            data = as_json(quote.model_dump())
            yield {"message": place, "idx": idx, "verdict": False, "kind": "quote", "data": data}
    for idx, note in enumerate(outcome.verdict.annotations if outcome.verdict else ()):
        data = as_json(note.data)
        yield {"message": note.message, "idx": idx, "verdict": True, "kind": note.kind, "data": data}


def stored_schemas(con: duckdb.DuckDBPyConnection) -> dict[str, pa.Schema]:
    """Table name -> the columns and types that it has in an open database."""
    names = con.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
    return {name: con.table(name).limit(0).to_arrow_table().schema for (name,) in names}


def arrow_table(schema: pa.Schema, rows: Sequence[Row]) -> pa.Table:
    """The rows as an Arrow table."""
    try:
        return pa.Table.from_pylist(list(rows), schema=schema)
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON replies can hold and UTF-8 cannot, must not cost a paid batch.
        return pa.Table.from_pylist([_encodable(row) for row in rows], schema=schema)


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _encodable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(part) for part in value]
    return value


def as_json(value: object) -> str:
    """A value as the text that the store's JSON columns hold: equal values make equal texts."""
    # Sorted, because options are grouped by; `str` for what is not JSON, because paid work is never lost.
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
