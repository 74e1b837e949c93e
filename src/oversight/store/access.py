"""Opening the database file, and the one way by which SQL from outside reaches it."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa

from oversight.errors import StoreError
from oversight.store.damage import DAMAGE, DATABASE, remedy
from oversight.util.processes import is_suspended

__all__ = [
    "DATABASE",
    "Parameter",
    "StoreLocked",
    "WriterSuspended",
    "as_request",
    "connect",
    "one_line",
    "retrying",
    "run_select",
    "translated",
]

Parameter: TypeAlias = "str | int | float | bool | Sequence[Parameter] | None"
"""What a query's ``?`` may stand for."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_HOLDER = re.compile(r"\(PID (\d+)\)")


class StoreLocked(StoreError):
    """Another process has the database file open; ``passing`` if it only reads, which is soon over."""

    def __init__(self, message: str, passing: bool = False) -> None:
        super().__init__(message, passing)
        self.passing = passing

    def __str__(self) -> str:
        return str(self.args[0])


class WriterSuspended(StoreLocked):
    """The process that has the database file open is stopped, and neither answers nor ends by itself."""

    def __init__(self, directory: Path, pid: int) -> None:
        super().__init__(
            f"store {directory} is held by process {pid}, which is suspended: resume it with 'kill -CONT {pid}', or "
            f"end it with 'kill -KILL {pid}', which costs at most the calls in flight"
        )


def one_line(error: BaseException) -> str:
    """DuckDB's message without the excerpt of the query below it."""
    return " ".join(str(error).split("\n\nLINE ")[0].split())


@contextmanager
def translated(directory: Path) -> Iterator[None]:
    """Turn what DuckDB and the file system raise into one line that names the store.

    Raises:
        StoreError: in place of any `duckdb.Error` or `OSError`.
    """
    try:
        yield
    except (duckdb.Error, OSError) as error:
        todo = remedy(directory, error)
        raise StoreError(f"store {directory}: {one_line(error)}" + (f"; {todo}" if todo else "")) from error


def connect(directory: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a store's file with everything off that reaches outside it, and the settings locked.

    Raises:
        Locked: another process has it open.
        StoreError: it is missing, damaged, or may not be opened.
    """
    with translated(directory):
        try:
            con = duckdb.connect(directory / DATABASE, read_only=read_only, config=_CONFIG)
        except duckdb.ConnectionException as error:
            # This very process has it open the other way round.
            raise StoreLocked(f"store {directory} is already open in this process", not read_only) from error
        except duckdb.IOException as error:
            if not (holder := _HOLDER.search(str(error))):
                raise
            if is_suspended(int(holder[1])):
                raise WriterSuspended(directory, int(holder[1])) from error
            raise StoreLocked(
                f"store {directory} is in use by process {holder[1]}: wait until it ends, stop it, "
                "or choose another --store",
                "in read-only mode" in str(error),
            ) from error
        try:
            con.execute("SET enable_progress_bar = false; SET lock_configuration = true")
        except duckdb.InvalidInputException as error:
            # DuckDB shares one database among a process's connections, and its settings were locked before.
            con.close()
            raise StoreLocked(f"store {directory} is already open in this process") from error
        return con


def retrying(seconds: float) -> Iterator[bool]:
    """Say when to try again, for about ``seconds``: True comes once, with the last try."""
    deadline, pause = time.monotonic() + seconds, 0.005
    while (now := time.monotonic()) < deadline:
        yield False
        # Jitter keeps several readers from meeting again and again.
        time.sleep(min(pause * random.uniform(0.5, 1.5), max(deadline - now, 0)))
        pause = min(pause * 1.5, 0.1)
    yield True


def as_request(sql: str, params: Sequence[Parameter]) -> str:
    """A query as one line of JSON.

    Raises:
        StoreError: a parameter is not of a type that JSON has.
    """
    try:
        return json.dumps([sql, list(params)])
    except (TypeError, ValueError) as error:
        raise StoreError(f"a query's parameters are texts, numbers, booleans, None or lists: {error}") from error


def run_select(con: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Parameter]) -> pa.Table:
    """Run one SELECT, and nothing else, on a connection of its own.

    Raises:
        StoreError: ``sql`` is not exactly one SELECT, or DuckDB refuses it.
        duckdb.Error: the file cannot be read.
    """
    try:
        statements = con.extract_statements(sql)
        if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
            found = " and ".join(str(s.type).rpartition(".")[2] for s in statements) or "nothing"
            raise StoreError(f"a store answers exactly one SELECT, not {found}")
        # DuckDB counts "WITH x AS (INSERT …) SELECT …" as a SELECT: only the transaction stops it.
        con.execute("BEGIN TRANSACTION READ ONLY")
        try:
            return _distinct(_stoppable(con, lambda: con.sql(statements[0], params=list(params)).to_arrow_table()))
        finally:
            with suppress(duckdb.Error):
                con.execute("ROLLBACK")
    except DAMAGE:
        raise
    except duckdb.Error as error:
        raise StoreError(one_line(error)) from error


def _stoppable(con: duckdb.DuckDBPyConnection, query: Callable[[], pa.Table]) -> pa.Table:
    """Run a query so that Ctrl-C stops it: DuckDB heeds no signal for as long as only its other threads work.

    Raises:
        KeyboardInterrupt: it was stopped.
    """
    if threading.current_thread() is not threading.main_thread():
        return query()  # Python has no other thread take signals
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(query)
        try:
            return answer.result()
        except KeyboardInterrupt:
            con.interrupt()
            raise


def _distinct(table: pa.Table) -> pa.Table:
    """Tell columns of one name apart, which joins have: the second ``x`` becomes ``x_2``, unless there is one."""
    names: list[str] = []
    taken = set(table.column_names)
    for name in table.column_names:
        number, distinct = 1, name
        while distinct in names or (number > 1 and distinct in taken):
            number += 1
            distinct = f"{name}_{number}"
        names.append(distinct)
    return table.rename_columns(names)
