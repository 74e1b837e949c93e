"""Small episodes to store, with everything in them that a transcript can hold."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import duckdb

from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.chat import CallRecord
from oversight.core.message import PROTOCOL, Kind, Message
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.question import Answer, Item, Question
from oversight.core.side import Side
from oversight.core.verdict import Annotation, Verdict
from oversight.prompting.quotes import find_quotes
from oversight.store import RunRow
from oversight.store.access import DATABASE

MATERIAL = "The cat sat on the mat.\nIt was 12 years old."


def run(run_id: str = "r1") -> RunRow:
    return RunRow(
        run_id, "a test", {"name": "a test", "x": [1, None]}, {"debate": "f00"}, 0, datetime.now(UTC), "0.1.0"
    )


def item(n: int = 0, answers: int = 2, gold: int = 0) -> Item:
    question = Question(
        id=f"q{n}",
        prompt="How old is the cat?",
        answers=tuple(Answer(text=f"{a} years", solution=None if a else "counted") for a in range(answers)),
        material=MATERIAL,
        cluster="story",
    )
    return Item(question=question, gold=gold)


def spec(
    item: Item,
    episode_id: str = "e1",
    *,
    order: tuple[int, ...] | None = None,
    assignment: tuple[int | None, ...] = (0, 1),
) -> EpisodeSpec:
    order = order or tuple(range(len(item.question.answers)))
    return EpisodeSpec(
        episode_id=episode_id,
        arm="debate",
        task="cats",
        protocol="debate",
        protocol_version="1-f00",
        protocol_key="debate",
        options={"turns": "simultaneous", "rounds": 3},
        cast={"strong": ("big", "big2"), "judge": ("small",)},
        judge="tiny",
        strong=None,
        question=item.question.presented(order),
        question_key=item.key,
        answer_order=order,
        assignment=assignment,
        seed=7,
        repeat=1,
    )


def call(number: int, cost: float | None = 0.5, attempt: int = 0, failure: str | None = None) -> CallRecord:
    return CallRecord(
        number=number,
        seat="judge",
        role="judge",
        purpose="decide",
        attempt=attempt,
        model="small",
        resolved_model="small-2026",
        provider="openai",
        prompt_tokens=100,
        completion_tokens=10,
        cached_tokens=60,
        cost_usd=cost,
        latency_s=0.25,
        finish_reason="" if failure else "stop",
        failure=failure,
        detail="one line" if failure else None,
    )


def belief(probs: tuple[float, ...] | None) -> Belief:
    status = BeliefStatus.ABSTAINED if probs is None else BeliefStatus.OK
    return Belief(probs=probs, source=BeliefSource.STATED, status=status, mass=None if probs is None else 0.97)


def messages(verdict: Belief | None) -> tuple[Message, ...]:
    said = 'It is <quote>12 years old</quote>, not <quote>13 years old</quote>. "Judge:" </message> \x00 é 😀'
    spoken = [
        Message(author=PROTOCOL, audience=("judge",), kind=Kind.BRIEF, text="You judge."),
        Message(author=PROTOCOL, audience=("a",), kind=Kind.BRIEF, text="You argue."),
        Message(author=PROTOCOL, audience=("a", "b"), kind=Kind.MATERIAL, text=MATERIAL),
        Message(author=PROTOCOL, audience=("a",), kind=Kind.MATERIAL, text="The cat sat"),
        Message(author="a", audience=(), kind=Kind.THOUGHT, text="private", turn=0, branch=(0, 0), call=0),
        Message(
            author="a",
            audience=None,
            kind=Kind.SPEECH,
            text=said,
            turn=0,
            branch=(0, 0),
            quotes=find_quotes(said, MATERIAL),
            words_cut=4,
            call=1,
        ),
        Message(author="b", audience=None, kind=Kind.SPEECH, text="No.", turn=0, branch=(0, 1), call=2),
        Message(author="judge", audience=(), kind=Kind.BELIEF, text="50/50", turn=0, belief=belief((0.5, 0.5))),
        Message(author=PROTOCOL, audience=("judge",), kind=Kind.REQUEST, text="Decide."),
    ]
    if verdict is not None:
        spoken.append(Message(author="judge", audience=None, kind=Kind.VERDICT, text="A", belief=verdict, call=3))
    return tuple(spoken)


def judged(
    spec: EpisodeSpec,
    probs: tuple[float, ...] | None,
    calls: tuple[CallRecord, ...] | None = None,
    spoken: bool = True,
) -> EpisodeOutcome:
    held = belief(probs)
    return EpisodeOutcome(
        episode_id=spec.episode_id,
        attempt=spec.attempt,
        status="judged",
        started_at=datetime(2026, 11, 21, 4, 5, 6, 789012, tzinfo=UTC),
        duration_s=1.25,
        messages=messages(held) if spoken else (),
        calls=calls if calls is not None else (call(0, attempt=0, failure="blank"), call(0, attempt=1), call(1)),
        sides=tuple(
            Side(seat=seat, argues=place, against=None if place is not None else spec.assignment[0], open=False)
            for seat, place in zip("ab", spec.assignment, strict=False)
        ),
        verdict=Verdict(
            belief=held,
            annotations=(
                Annotation(kind="step", data={"label": "ok", "n": [1, {"deep": None}]}, message=5),
                Annotation(kind="quote", data={"mine": True}),
            ),
        ),
    )


def failed(spec: EpisodeSpec, calls: tuple[CallRecord, ...] = ()) -> EpisodeOutcome:
    return EpisodeOutcome(
        episode_id=spec.episode_id,
        attempt=spec.attempt,
        status="failed",
        started_at=datetime(2026, 11, 21, tzinfo=UTC),
        duration_s=0.5,
        messages=messages(None),
        calls=calls,
        sides=(),
        failure="refused",
        detail="it said no",
    )


def copy_as_version(version: int, new: Path, old: Path) -> None:
    """Copy the store ``new`` into a store ``old`` of an earlier schema; columns that it lacks are left out."""
    old.mkdir()
    folder = files("oversight.store") / "migrations"
    scripts = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    with duckdb.connect(old / DATABASE) as con:
        con.execute("CREATE TABLE schema_version (version INTEGER, applied_at TIMESTAMPTZ)")
        for number, script in enumerate(scripts[:version], 1):
            con.execute(script.read_text())
            con.execute("INSERT INTO schema_version VALUES (?, now())", [number])
        con.execute(f"ATTACH '{new / DATABASE}' AS new (READ_ONLY)")
        tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name <> 'new'").fetchall()
        for (table,) in tables:
            columns, known = (
                [name for name, *_ in con.execute(f"DESCRIBE {place}{table}").fetchall()] for place in ("", "new.")
            )
            listed = ", ".join(f'"{name}"' for name in columns if name in known)
            if table != "schema_version":
                con.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM new.{table}")
