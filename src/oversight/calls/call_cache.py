"""Completed model calls on disk: what makes them durable, and the cache that never repeats one.

It is an SQLite file beside the database, because it is written by whichever process the calls of a run go
through, call by call, while the database belongs to the driver and takes whole episodes. A finished store
needs it for nothing but repeating a run without keys; deleting it loses no transcript.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from oversight.calls.call_cache_faults import is_not_writable, unusable
from oversight.core.chat import CacheStatus, ChatReply
from oversight.errors import FailureClass, StoreError
from oversight.util.private_files import create_private

__all__ = ["CALLS_FILE", "CachedCall", "Call", "CallCache", "CallOutcome"]

CALLS_FILE = "calls.sqlite"
"""The call cache's file name in a store directory."""

_BUSY_S = 30.0
"""How long another process may hold the file."""

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,          -- everything that determines the reply
    run_id TEXT NOT NULL,
    episode_id TEXT NOT NULL,   -- with attempt, for whom the call was made
    attempt INTEGER NOT NULL,
    failure TEXT,               -- the reply came, and is of no use
    detail TEXT,
    reply TEXT NOT NULL,        -- JSON
    cost_usd REAL,              -- NULL: the price is unknown
    made_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_key ON calls (key);
"""
_SAID = ("text", "finish_reason", "choice_probs", "thought", "truncated")
_INSERT = "INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FIRST_OF_OTHERS = """
SELECT reply FROM calls
WHERE key = ? AND failure IS NULL AND (episode_id, attempt) <> (?, ?)
ORDER BY rowid LIMIT 1
"""
_OF_KEY = "SELECT id, episode_id, attempt, failure, detail, reply FROM calls WHERE key = ? ORDER BY rowid"


class Call(NamedTuple):
    """One call that an episode is about to make.

    Attributes:
        id: unique; telling of the same call twice changes nothing.
        key: a digest of everything that determines the reply, with the number of the sample.
        episode_id, attempt: for whom it is made.
        outcomes: how many outcomes of this request the attempt at the episode has had already.
        model: the key of the model's settings.
        worker: which process makes it.
        tokens: how many it will take, about.
        most_usd: what it may cost at most, None if that cannot be known beforehand.
    """

    id: str
    key: str
    episode_id: str
    attempt: int
    outcomes: int
    model: str
    worker: str
    tokens: int
    most_usd: float | None


class CallOutcome(NamedTuple):
    """How a call ended.

    Attributes:
        reply: None if none came; such a call is not kept, because it was not paid for.
        failure: why the reply, or its absence, is of no use.
        detail: one line about the failure.
        retry_after: seconds the provider asked to wait, if it did.
    """

    reply: ChatReply | None
    failure: FailureClass | None = None
    detail: str = ""
    retry_after: float | None = None


class CachedCall(NamedTuple):
    """A call that was made before, with its outcome."""

    reply: ChatReply
    failure: FailureClass | None
    detail: str


class CallCache:
    """The calls kept in one store directory. Methods raise `StoreError` when the file cannot be used.

    One thread at a time may use an instance; any number of threads and processes may have one of their own.

    Args:
        directory: the store's.
        writable: whether to create what is missing; a read-only cache that is not there is empty.
        busy_s: how long to wait for another process that holds the file.
    """

    def __init__(self, directory: Path, *, writable: bool = True, busy_s: float = _BUSY_S) -> None:
        self._path = directory.absolute() / CALLS_FILE
        self._log = self._path.with_name(f"{CALLS_FILE}-wal")
        self._busy_s = busy_s
        self._con: sqlite3.Connection | None = None
        try:
            if writable:
                create_private(self._path)
                self._con = self._open("rwc")
                self._prepare(self._con)
            elif self._path.is_file():
                self._con = self._open("ro")
                self._check_readable(self._con)
        except StoreError:
            self.close()
            raise
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise unusable(self._path, self._log, error) from error

    def close(self) -> None:
        """Let go of the file."""
        if self._con is not None:
            self._con.close()

    def find(self, call: Call, *, anything: bool = False) -> CachedCall | None:
        """What is known of a request's next outcome, or None if the call has to be made.

        An attempt at an episode that is made again, because its process died, meets its own calls in their
        order, failed ones too. A reply that was made for another attempt or episode is used if it can be.

        Args:
            call: the request.
            anything: take another's failed call too, where there is nothing better: for replays.
        """
        if self._con is None:
            return None
        try:
            rows = self._con.execute(_OF_KEY, [call.key]).fetchall()
        except sqlite3.Error as error:
            raise unusable(self._path, self._log, error) from error
        mine = [row for row in rows if row[1:3] == (call.episode_id, call.attempt)]
        usable = [row for row in rows if row[3] is None]
        if anything:
            mine = []
        if call.outcomes < len(mine):
            row, origin = mine[call.outcomes], CacheStatus.MISS
        elif usable and not mine:
            # A replayed store's attempts are on record there, not where the replay is stored.
            earlier = usable[0][1] == call.episode_id and not anything
            row, origin = usable[0], CacheStatus.RESUMED if earlier else CacheStatus.SHARED
        elif anything and call.outcomes < len(rows):
            row, origin = rows[call.outcomes], CacheStatus.SHARED
        else:
            return None
        try:
            kept = json.loads(row[5])
            notices = tuple(kept.pop("notices", ()))
            reply = ChatReply(**kept)._replace(origin=origin, record=row[0], notices=notices)
            return CachedCall(reply, FailureClass(row[3]) if row[3] else None, row[4] or "")
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"{self._path} holds a call that cannot be read ({error}): move it away; transcripts stay, completed "
                "calls of unfinished episodes are paid again"
            ) from error

    def keep(self, run_id: str, made: Sequence[tuple[Call, CallOutcome]]) -> list[ChatReply | None]:
        """Store completed calls, durably when this returns; those without a reply are left out.

        Returns:
            The replies to use. When two episodes were asking the same at the same time, both use the reply
            that was stored first, as they would have done one after the other; both calls were paid for.
        """
        replies: list[ChatReply | None] = []
        with self._transaction() as con:
            for call, outcome in made:
                reply = outcome.reply
                if reply is not None:
                    reply = reply._replace(record=call.id)
                    first = con.execute(_FIRST_OF_OTHERS, [call.key, call.episode_id, call.attempt]).fetchone()
                    if first is not None and outcome.failure is None:
                        said = json.loads(first[0])
                        reply = reply._replace(**{name: said[name] for name in _SAID if name in said})
                    con.execute(_INSERT, _row(run_id, call, outcome, reply))
                replies.append(reply)
        return replies

    def mark_unreadable(self, record: str, detail: str) -> None:
        """Say of a call that was kept that what it brought could not be read."""
        with self._transaction() as con:
            con.execute(
                "UPDATE calls SET failure = ?, detail = ? WHERE id = ?",
                [FailureClass.UNPARSABLE.value, _encodable(detail), record],
            )

    def spent_usd(self, run_id: str) -> float:
        """What the calls made for a run cost, as far as their prices are known."""
        assert self._con is not None
        try:
            ((spent,),) = self._con.execute("SELECT total(max(cost_usd, 0)) FROM calls WHERE run_id = ?", [run_id])
        except sqlite3.Error as error:
            raise unusable(self._path, self._log, error) from error
        return float(spent)

    def _open(self, mode: str) -> sqlite3.Connection:
        # A run may be driven from another thread than the one that opened its call cache.
        uri = f"{self._path.as_uri()}?mode={mode}"
        return sqlite3.connect(uri, timeout=self._busy_s, isolation_level=None, check_same_thread=False, uri=True)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        assert self._con is not None
        if not self._path.exists():
            # SQLite would go on writing to a file that no process can open.
            raise StoreError(
                f"completed calls cannot be kept in {self._path}: it was removed while the run went on; the same "
                "command makes a new one, and calls of unfinished episodes are paid again"
            )
        try:
            self._con.execute("BEGIN IMMEDIATE")
            try:
                yield self._con
                self._con.execute("COMMIT")
            except BaseException:
                if self._con.in_transaction:
                    self._con.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise unusable(self._path, self._log, error) from error

    def _prepare(self, con: sqlite3.Connection) -> None:
        self._check(con)
        con.execute("PRAGMA journal_mode = WAL")
        con.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives the machine, not only the process
        con.executescript(_SCHEMA)
        con.execute(f"PRAGMA user_version = {_VERSION}")

    def _check_readable(self, con: sqlite3.Connection) -> None:
        try:
            self._check(con)
        except sqlite3.OperationalError as error:
            # Where nothing may be written, SQLite cannot share a journal, and need not, if no process is writing.
            unread = self._log.exists() and self._log.stat().st_size
            if unread or not is_not_writable(error):
                raise
            con.close()
            self._con = self._open("ro&immutable=1")
            self._check(self._con)

    def _check(self, con: sqlite3.Connection) -> None:
        ((found,),) = con.execute("PRAGMA user_version")
        if found > _VERSION:
            raise StoreError(f"{self._path} was written by a newer release: upgrade oversight")


def _row(run_id: str, call: Call, outcome: CallOutcome, reply: ChatReply) -> tuple[object, ...]:
    return (
        *(call.id, call.key, run_id, call.episode_id, call.attempt),
        outcome.failure and outcome.failure.value,
        _encodable(outcome.detail) or None,
        json.dumps(reply._asdict()),
        reply.cost_usd,
        datetime.now(UTC).isoformat(),
    )


def _encodable(text: str) -> str:
    """``text`` with what UTF-8 cannot hold replaced: half a surrogate pair, from a reply that a failure quotes."""
    return text.encode("utf-8", "replace").decode("utf-8")
