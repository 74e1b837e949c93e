"""Stored episodes as lines of an export, put together by DuckDB from the store's columns.

A line is what `oversight.store.Transcript` would be as JSON, rearranged. To make one of each episode in Python first
takes half as long again, most of it for objects that are encoded at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from string import Template
from typing import Any

import duckdb
from pydantic import BaseModel

from oversight.core.belief import Belief
from oversight.core.chat import CallRecord
from oversight.core.message import Message
from oversight.core.outcome import EpisodeSpec
from oversight.core.side import Side
from oversight.prompting.quotes import Quote
from oversight.reports.transcripts import Page
from oversight.util.ahead import ahead
from oversight.util.collection import rare_collection
from oversight.util.secrets import redact

__all__ = ["ascii_json", "episode_lines"]

_AT_ONCE = 1_000
_AT_ONCE_BYTES = 16 << 20
"""How many episodes, and about how much of them, are held as JSON at a time."""
_NOT_ASCII = re.compile(r"[^ -~]+")
_NOT_JSON = ("NaN", "Infinity")
"""What stored numbers may be that JSON lacks. Where a text holds one of these words, looking closer does no harm."""


def episode_lines(run: str, pages: Iterable[Page]) -> Iterator[str]:
    """Yield all that the store knows of each episode of a run but secrets, so that it can be built again.

    Each is one line of JSON in ASCII.
    """
    with rare_collection():
        for line, failed in chain.from_iterable(ahead(_written(run, pages))):
            unsafe = failed or any(word in line for word in _NOT_JSON)
            yield _safe(line) if unsafe else _ascii(line)


def _written(run: str, pages: Iterable[Page]) -> Iterator[list[tuple[str, bool]]]:
    """Yield some lines at a time, with whether an episode has said what failed."""
    with duckdb.connect() as con:
        con.execute("SET enable_progress_bar = false")
        for page in pages:
            for some in page.slices(max(1, min(_AT_ONCE, _AT_ONCE_BYTES // page.heaviest))):
                con.register("attempts", some)
                yield con.execute(_LINES, {"run": run}).fetchall()


def ascii_json(row: dict[str, Any]) -> str:
    """Return a row as one line of JSON in ASCII, which any reader takes and which cannot steer a terminal."""
    return json.dumps(row, allow_nan=False, separators=(",", ":"))


def _ascii(line: str) -> str:
    """Escape what is not printable ASCII, which in JSON without line breaks stands in texts only."""
    if line.isascii() and "\x7f" not in line:
        return line
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], line)


def _safe(line: str) -> str:
    """Leave out secrets and numbers that JSON lacks.

    What raised a failure should have kept keys out of its words; but this leaves the machine.
    """
    row = json.loads(line, parse_constant=lambda _: None)
    for failed in (row, *row["calls"]):
        failed["detail"] = failed["detail"] and redact(failed["detail"])
    return ascii_json(row)


def _fields(record: type[BaseModel], of: str, without: Collection[str] = (), **otherwise: str) -> str:
    """Return the fields of a record as those of a struct in SQL, each that of ``of`` unless something else is given."""
    names = (name for name, field in record.model_fields.items() if name not in without and not field.exclude)
    return ", ".join(f'"{name}": ' + otherwise.get(name, f'{of}."{name}"') for name in names)


# What a message holds and quotes stand in lists of their own. A list's places count from 1 in DuckDB.
_LINES = Template("""
SELECT
    to_json({
        run: $$run,
        episode: episode_id,
        attempt: attempt,
        status: status,
        failure: failure,
        detail: detail,
        started_at: $time,
        duration_s: duration_s,
        made_by_run: run_id,
        spec: {$spec},
        gold: list_position(answer_order, question.gold) - 1,
        mistakes: coalesce(question.mistakes, []),
        verdict: list_transform(list_filter(beliefs, lambda each: each.final), lambda each: {$belief})[1],
        messages: list_transform(messages, lambda each: {$message}),
        beliefs: list_transform(
            list_filter(
                list_transform(messages, lambda said, place: {
                    message: place - 1,
                    seat: said.author,
                    turn: said.turn,
                    held: list_filter(beliefs, lambda each: each.idx = said.idx)[1]
                }),
                lambda each: each.held IS NOT NULL
            ),
            lambda each: {message: each.message, seat: each.seat, turn: each.turn, $held}
        ),
        annotations: list_transform(
            list_filter(annotations, lambda each: each.verdict AND len(list_filter(beliefs, lambda b: b.final)) > 0),
            lambda each: {kind: each.kind, data: each.data::JSON, message: each.message}
        ),
        calls: list_transform(calls, lambda each: {$call}),
        sides: list_transform(sides, lambda each: {$side})
    })::VARCHAR AS line,
    detail IS NOT NULL OR len(list_filter(calls, lambda each: each.detail IS NOT NULL)) > 0 AS failed
FROM attempts
""").substitute(
    spec=_fields(
        EpisodeSpec,
        "attempts",
        ("episode_id", "attempt"),
        cast="models::JSON",
        options="options::JSON",
        question="""{
            id: question.id,
            prompt: question.prompt,
            answers: list_transform(answer_order, lambda each: question.answers[each + 1]),
            material: question.material,
            cluster: question.cluster,
            worked: list_transform(
                coalesce(question.worked, []),
                lambda each: {answer: list_position(answer_order, each.answer) - 1, steps: each.steps}
            )
        }""",
    ),
    message=_fields(
        Message,
        "each",
        ("belief",),
        text="coalesce(each.text, question.material)",
        quotes=Template("""list_transform(
            list_filter(annotations, lambda note: NOT note.verdict AND note.message = each.idx),
            lambda note: {$quote}
        )""").substitute(
            quote=_fields(Quote, "", **{name: f"note.data::JSON -> '{name}'" for name in Quote.model_fields})
        ),
    ),
    belief=_fields(Belief, "each"),
    held=_fields(Belief, "each.held"),
    call=_fields(CallRecord, "each", attempt="each.call_attempt"),
    side=_fields(Side, "each"),
    time="replace(strftime(started_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'), '.000000Z', 'Z')",
)
