"""The one process that writes a store: it owns the file and answers everybody else's queries."""

from __future__ import annotations

import atexit
import json
import threading
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import duckdb
import pyarrow as pa

from oversight.calls.call_cache import CALLS_FILE
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec, Judgement
from oversight.core.question import Item
from oversight.errors import StoreError
from oversight.store.access import StoreLocked, connect, retrying, translated
from oversight.store.damage import DATABASE
from oversight.store.judgement_inbox import JudgementInbox
from oversight.store.query_server import QueryServer, answers
from oversight.store.record_rows import (
    ArmRow,
    PlanRow,
    Row,
    RunEvent,
    RunRow,
    arm_row,
    arrow_table,
    as_json,
    attempt_rows,
    event_row,
    judgement_row,
    plan_rows,
    question_row,
    run_row,
    stored_schemas,
)
from oversight.store.schema import migrate
from oversight.util.private_files import PRIVATE_FILES, make_private_directory

__all__ = ["StoreWriter"]

# A row that is there already stays as it is: the same call again changes nothing.
_INSERT_NEW = {
    "runs": "INSERT INTO runs BY NAME SELECT * FROM incoming ANTI JOIN runs USING (run_id)",
    "arms": "INSERT INTO arms BY NAME SELECT * FROM incoming ANTI JOIN arms USING (run_id, arm_no)",
    "plan": "INSERT INTO plan BY NAME SELECT * FROM incoming ANTI JOIN plan USING (run_id, episode_id)",
    "questions": "INSERT INTO questions BY NAME SELECT * FROM incoming ANTI JOIN questions USING (question_key)",
    "rounds": "INSERT INTO rounds BY NAME SELECT * FROM incoming ANTI JOIN rounds USING (run_id, round, phase)",
    "judgements": "INSERT INTO judgements BY NAME SELECT * FROM incoming ANTI JOIN judgements USING (judgement_id)",
}
_STORED = "SELECT episode_id, attempt FROM episodes SEMI JOIN incoming USING (episode_id, attempt)"
_OTHERS_GONE_S = 5.0
_PART = 10_000
"""Rows of a plan that are held in memory at a time."""

T = TypeVar("T")


class StoreWriter:
    """The owner of a store's file; open it with `StoreWriter.open`, use it as a context manager.

    Every method is one transaction, durable when it returns; but for `event`, a second call with the same
    content changes nothing. Methods may be called from any thread. While it is open, readers are answered
    over a socket, and people's judgements are taken.
    """

    def __init__(self, directory: Path, con: duckdb.DuckDBPyConnection, answering: bool = True) -> None:
        self.directory = directory
        self._con = con
        self._opened = ExitStack()  # what is let go of with the file
        self._schemas = stored_schemas(con)
        self._lock = threading.Lock()
        self._server = QueryServer(directory, con, self.judge) if answering else None
        atexit.register(self.close)  # a cursor that is open when the interpreter ends is complained about

    @classmethod
    def open(cls, directory: Path, *, answering: bool = True) -> Self:
        """Open the store in ``directory``, which is created if it is missing, and start answering readers.

        Judgements that people gave while it had no writer are ingested.

        Args:
            directory: the store's.
            answering: false for a process that closes it again at once: others wait for that.

        Raises:
            StoreError: another process is writing it, it is damaged or may not be written, or it was
                written by a newer release.
        """
        directory = directory.absolute()
        with translated(directory):
            make_private_directory(directory)
            if not (directory / DATABASE).exists() and (directory / CALLS_FILE).is_file():
                warnings.warn(
                    f"store {directory} has lost its database {DATABASE}: episodes are run again from the calls kept "
                    f"in {CALLS_FILE}, which are not paid again",
                    stacklevel=2,
                )
            with ExitStack() as opened:
                opened.enter_context(PRIVATE_FILES)
                con = opened.enter_context(closing(_connect_between_others(directory)))
                migrate(con)
                writer = cls(directory, con, answering)
                writer._opened = opened.pop_all()
        try:
            writer.ingest()
        except StoreError as error:
            if not answering:
                writer.close()
                raise
            # A inbox that cannot be read must not stop a run.
            warnings.warn(f"people's judgements wait for a later run: {error}", stacklevel=2)
        return writer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering readers, then let go of the file. Closing twice is harmless."""
        atexit.unregister(self.close)
        if self._server is not None:
            self._server.close()
        with self._lock, translated(self.directory):
            self._opened.close()

    def begin(self, run: RunRow) -> None:
        """Store a run, unless it is there already: a run that is resumed keeps its first row."""
        with self._transaction() as con:
            self._insert_new(con, "runs", [run_row(run)])

    def plan(
        self,
        run_id: str,
        planned: Iterable[tuple[int, EpisodeSpec | PlanRow]],
        items: Iterable[tuple[str, Item]],
        restricted: Collection[str] = (),
        arms: Sequence[ArmRow] = (),
    ) -> None:
        """Store what a run asks for.

        Args:
            run_id: the run.
            planned: every episode, with the place of its arm in the experiment.
            items: every question with its gold answer, and the name of its task.
            restricted: the names of tasks whose questions must not be published.
            arms: what the arms of these episodes are.
        """
        with self._transaction() as con:
            # In parts, because the rows of a large run take more memory than its plan.
            for some in _parts(items):
                questions = {item.key: question_row(task, item, task in restricted) for task, item in some}
                self._insert_new(con, "questions", list(questions.values()))
            for those in _parts(planned):
                self._insert_new(con, "plan", plan_rows(run_id, those))
            self._insert_new(con, "arms", [arm_row(run_id, arm) for arm in arms])

    def write(self, run_id: str, batch: Sequence[tuple[EpisodeSpec, EpisodeOutcome]]) -> int:
        """Store the attempts in ``batch`` that are not stored yet, each whole; return how many those were.

        Raises:
            StoreError: nothing of the batch is stored (the disk is full, a judged outcome has no verdict).
        """
        found = {(o.episode_id, o.attempt): attempt_rows(run_id, spec, o) for spec, o in batch}
        if not found:
            return 0
        keys = pa.table(
            {"episode_id": [key[0] for key in found], "attempt": [key[1] for key in found]},
            schema=pa.schema({"episode_id": pa.string(), "attempt": pa.int32()}),
        )
        with self._transaction() as con:
            with _registered(con, keys):
                stored = set(con.execute(_STORED).fetchall())
            new = [rows for key, rows in found.items() if key not in stored]
            for name in ("episodes", "messages", "beliefs", "calls", "annotations"):
                self._insert(con, name, [row for rows in new for row in rows[name]])
        return len(new)

    def judge(self, judgements: Sequence[Judgement]) -> None:
        """Store what other judges, models or people, made of stored transcripts."""
        with self._transaction() as con:
            self._insert_new(con, "judgements", [judgement_row(each) for each in judgements])

    def event(self, run_id: str, event: RunEvent, detail: Mapping[str, object] | None = None) -> None:
        """Store what happened to a run, now; ``detail`` is JSON-serialisable."""
        with self._transaction() as con:
            self._insert(con, "run_events", [event_row(run_id, datetime.now(UTC), event, detail)])

    def round(self, run_id: str, round: int, phase: str, data: Mapping[str, object]) -> None:
        """Store what became of one phase of a round, unless it is stored; ``data`` is JSON-serialisable."""
        row = {"run_id": run_id, "round": round, "phase": phase, "data": as_json(data), "ended_at": datetime.now(UTC)}
        with self._transaction() as con:
            self._insert_new(con, "rounds", [row])

    def rounds(self, run_id: str) -> dict[tuple[int, str], dict[str, Any]]:
        """What is stored of a run's rounds, by round and phase."""
        with self._transaction() as con:
            rows = con.execute("SELECT round, phase, data FROM rounds WHERE run_id = ?", [run_id]).fetchall()
        return {(round, phase): json.loads(data) for round, phase, data in rows}

    def judged(self, episode_ids: Collection[str]) -> set[str]:
        """Those of the episodes that have a stored verdict."""
        query = "SELECT DISTINCT episode_id FROM episodes SEMI JOIN incoming USING (episode_id) WHERE status = 'judged'"
        return {episode_id for (episode_id,) in self._about(episode_ids, query)}

    def attempts(self, episode_ids: Collection[str]) -> dict[str, int]:
        """How many attempts at each of the episodes are stored; those without any are left out."""
        query = "SELECT episode_id, count(*) FROM episodes SEMI JOIN incoming USING (episode_id) GROUP BY episode_id"
        return {episode_id: int(count) for episode_id, count in self._about(episode_ids, query)}

    def ingest(self) -> None:
        """Store the judgements of people that wait for a writer.

        Raises:
            StoreError: their file cannot be read, or the database cannot take them; they stay where they are.
        """
        inbox = JudgementInbox(self.directory)
        if pending := inbox.pending():
            self.judge(pending)
            inbox.delivered(pending)

    def _about(self, episode_ids: Collection[str], query: str) -> list[tuple[str, ...]]:
        ids = pa.table({"episode_id": pa.array(episode_ids, pa.string())})
        with self._transaction() as con, _registered(con, ids):
            return con.execute(query).fetchall()

    def _insert(self, con: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row]) -> None:
        if rows:
            con.from_arrow(arrow_table(self._schemas[name], rows)).insert_into(name)

    def _insert_new(self, con: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row]) -> None:
        with _registered(con, arrow_table(self._schemas[name], rows)):
            con.execute(_INSERT_NEW[name])

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock, translated(self.directory):
            self._con.execute("BEGIN")
            try:
                yield self._con
                self._con.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):  # a COMMIT that failed has ended the transaction already
                    self._con.execute("ROLLBACK")
                raise


def _parts(of: Iterable[T]) -> Iterator[list[T]]:
    coming = iter(of)
    while part := list(islice(coming, _PART)):
        yield part


def _connect_between_others(directory: Path) -> duckdb.DuckDBPyConnection:
    """Open the file for writing, waiting for a process that has it open for one query or one judgement."""
    for last in retrying(_OTHERS_GONE_S):
        try:
            return connect(directory, read_only=False)
        except StoreLocked as error:
            # Who stays answers readers: a run. Who only brings a judgement does not.
            if last or (not error.passing and answers(directory)):
                raise
    raise AssertionError("unreachable: the last try raises")


@contextmanager
def _registered(con: duckdb.DuckDBPyConnection, table: pa.Table) -> Iterator[None]:
    con.register("incoming", table)
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # a transaction that failed takes no further statement, and says only that
            con.unregister("incoming")
        raise
    con.unregister("incoming")
