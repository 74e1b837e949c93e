"""What people say of transcripts, on disk the moment they say it: an SQLite file beside the database.

The database has one writer, and that may be a run which goes on for days. A person's belief must not wait for it,
so it is written here first; `oversight.store.judgement_flush` brings finished judgements into the database. Rows are
only ever added. The file also holds what is unfinished, so that a reload goes on where it broke off.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from oversight.core.outcome import Judgement
from oversight.errors import StoreError
from oversight.util.private_files import create_private

__all__ = ["LEDGER", "InboxError", "JudgementInbox", "JudgingAssignment", "PartEntry"]

LEDGER = "judgements.sqlite"
"""The inbox's file name in a store directory."""

_BUSY_S = 10.0
"""How long another process may hold the file."""

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sittings (
    sitting_id TEXT PRIMARY KEY,
    judge TEXT NOT NULL,
    run_id TEXT NOT NULL,
    record TEXT NOT NULL,       -- JSON
    opened_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS shown (
    sitting_id TEXT NOT NULL,
    part INTEGER NOT NULL,
    shown_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS entries (
    sitting_id TEXT NOT NULL,
    part INTEGER NOT NULL,
    data TEXT NOT NULL,         -- JSON
    entered_at TEXT NOT NULL,
    PRIMARY KEY (sitting_id, part)
);
CREATE TABLE IF NOT EXISTS judgements (
    judgement_id TEXT PRIMARY KEY,
    record TEXT NOT NULL,       -- JSON
    saved_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS delivered (judgement_id TEXT PRIMARY KEY, delivered_at TEXT NOT NULL);
"""
_PENDING = "SELECT record FROM judgements WHERE judgement_id NOT IN (SELECT judgement_id FROM delivered) ORDER BY rowid"
_OF_JUDGE = """
SELECT record, sitting_id IN (SELECT judgement_id FROM judgements) FROM sittings WHERE judge = ? ORDER BY rowid
"""


class InboxError(StoreError):
    """What people say cannot be kept."""


class JudgingAssignment(BaseModel):
    """One person before one transcript, or one solution in it; its id is the judgement's that comes of it.

    Attributes:
        about: a transcript to give a verdict on, or steps to label.
        solution: which of the episode's solutions, where steps are labelled.
        settings: what the session was set to when it was opened; it stays so to the end of the assignment.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    sitting_id: str
    judge: str
    run_id: str
    episode_id: str
    attempt: int
    question_key: str
    about: Literal["verdict", "steps"]
    solution: int | None = None
    settings: dict[str, Any]


class PartEntry(BaseModel):
    """What a person said of one part: what it was, how long it took, and how often it was shown again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: int
    data: dict[str, Any]
    entered_at: datetime
    seconds: float
    resumed: int


class JudgementInbox:
    """The inbox of one store directory. Any thread and process may use one; every method is one transaction.

    What a method wrote is on disk when it returns. Methods raise `InboxError` when the file cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory.absolute() / LEDGER

    def open(self, assignment: JudgingAssignment) -> None:
        """Begin a assignment, unless it was begun before: it keeps its first settings."""
        row = (assignment.sitting_id, assignment.judge, assignment.run_id, assignment.model_dump_json(), _now())
        with self._transaction() as con:
            con.execute("INSERT OR IGNORE INTO sittings VALUES (?, ?, ?, ?, ?)", row)

    def of_judge(self, judge: str) -> list[tuple[JudgingAssignment, bool]]:
        """A person's sittings in their order, and whether each is finished."""
        with self._transaction() as con:
            rows = con.execute(_OF_JUDGE, [judge]).fetchall()
        return [(JudgingAssignment.model_validate_json(record), bool(done)) for record, done in rows]

    def show(self, sitting_id: str, part: int) -> None:
        """Note that a part is before the person's eyes, from now on or again."""
        with self._transaction() as con:
            con.execute("INSERT INTO shown VALUES (?, ?, ?)", [sitting_id, part, _now()])

    def enter(self, sitting_id: str, part: int, data: dict[str, Any]) -> bool:
        """Keep what a person said of a part; False if something was said before, in another window: that stays."""
        with self._transaction() as con:
            row = (sitting_id, part, json.dumps(data), _now())
            return con.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?)", row).rowcount > 0

    def entries(self, sitting_id: str) -> list[PartEntry]:
        """What was said in a assignment, part by part."""
        with self._transaction() as con:
            said = con.execute(
                "SELECT part, data, entered_at FROM entries WHERE sitting_id = ? ORDER BY part", [sitting_id]
            ).fetchall()
            shown = con.execute("SELECT part, shown_at FROM shown WHERE sitting_id = ?", [sitting_id]).fetchall()
        return [
            _entry(part, data, at, sorted(time for place, time in shown if place == part)) for part, data, at in said
        ]

    def save(self, judgement: Judgement) -> None:
        """Keep a finished judgement; the first one with its id stays."""
        with self._transaction() as con:
            row = (judgement.judgement_id, judgement.model_dump_json(), _now())
            con.execute("INSERT OR IGNORE INTO judgements VALUES (?, ?, ?)", row)

    def pending(self) -> list[Judgement]:
        """The judgements that the database has not got yet, as far as this release can read them."""
        if not self.path.is_file():
            return []
        with self._transaction() as con:
            rows = con.execute(_PENDING).fetchall()
        found = []
        for (record,) in rows:
            try:
                found.append(Judgement.model_validate_json(record))
            except ValidationError:
                continue  # a newer release wrote it, and will deliver it
        return found

    def delivered(self, judgements: Sequence[Judgement]) -> None:
        """Note that the database has them."""
        with self._transaction() as con:
            rows = [(judgement.judgement_id, _now()) for judgement in judgements]
            con.executemany("INSERT OR IGNORE INTO delivered VALUES (?, ?)", rows)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        create_private(self.path)
        # A connection each: Streamlit answers every browser from threads that come and go.
        try:
            with closing(sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)) as con:
                self._prepare(con)
                con.execute("BEGIN IMMEDIATE")
                yield con
                con.execute("COMMIT")  # whatever is raised before, closing rolls back
        except sqlite3.Error as error:
            raise InboxError(
                f"judgements cannot be kept in {self.path}: {error}: make its folder and file writable, "
                "or copy the store to where you may write"
            ) from error

    def _prepare(self, con: sqlite3.Connection) -> None:
        ((found,),) = con.execute("PRAGMA user_version")
        if found > _VERSION:
            raise InboxError(f"{self.path} was written by a newer release: upgrade oversight")
        con.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives the machine, not only the process
        if found < _VERSION:
            con.execute("PRAGMA journal_mode = WAL")
            con.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _entry(part: int, data: str, at: str, shown: list[str]) -> PartEntry:
    """Timed from the moment at which the part was first shown, breaks included."""
    entered, times = datetime.fromisoformat(at), [datetime.fromisoformat(time) for time in shown if time <= at]
    seconds = (entered - times[0]).total_seconds() if times else 0.0
    return PartEntry(
        part=part, data=json.loads(data), entered_at=entered, seconds=seconds, resumed=max(len(times) - 1, 0)
    )
