"""Reading a store, whether or not a run is writing it just now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from oversight.calls.call_cache import CALLS_FILE
from oversight.errors import StoreError
from oversight.store.access import Parameter, StoreLocked, as_request, connect, retrying, run_select, translated
from oversight.store.damage import DATABASE
from oversight.store.query_client import ask_writer
from oversight.store.query_server import TABLE
from oversight.store.schema import check_version
from oversight.store.stored_episode import QUERY, Transcript, from_row
from oversight.util.private_files import PRIVATE_FILES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Store", "open_store"]

# How long a writer may be between two states: opening the file but not answering yet, or closing it.
_PATIENCE_S = 5.0
# How long the slowest query may take before the writer is believed to be stopped.
_ANSWER_S = 300.0


class Store:
    """A store to read; get one from `open_store`. It holds nothing open, and any thread may use it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def arrow(self, sql: str, params: Sequence[Parameter] = ()) -> pa.Table:
        """Answer one SELECT, whose ``?`` stand for ``params``, from what is stored at this moment.

        Raises:
            StoreError: it is not one SELECT, the query is wrong, or the store cannot be read.
        """
        request = as_request(sql, params)
        for last in retrying(_PATIENCE_S):
            try:
                return _ask_writer(self.directory, request)
            except OSError:  # no process answers
                pass
            try:
                return _read_file(self.directory, sql, params)
            except StoreLocked:
                if last:
                    raise
        raise AssertionError("unreachable: the last try raises")

    def sql(self, sql: str, params: Sequence[Parameter] = ()) -> pd.DataFrame:
        """The same as `arrow`, as a pandas frame."""
        frame: pd.DataFrame = self.arrow(sql, params).to_pandas()
        return frame

    def transcript(self, episode_id: str, attempt: int | None = None) -> Transcript:
        """One stored attempt at an episode: the one that counts (judged, else the last) unless one is named.

        Raises:
            StoreError: there is none.
        """
        rows = self.arrow(QUERY, (episode_id, attempt, attempt)).to_pylist()
        if not rows:
            which = f"episode {episode_id}" + ("" if attempt is None else f", attempt {attempt}")
            raise StoreError(f"store {self.directory} holds no {which}")
        return from_row(rows[0])


def open_store(directory: Path | str) -> Store:
    """Open the store in ``directory`` for reading; nothing is created.

    Raises:
        StoreError: there is none.
    """
    store = Store(Path(directory).absolute())
    with translated(store.directory):
        there = (store.directory / DATABASE).exists()
        kept = (store.directory / CALLS_FILE).is_file()
    if there:
        return store
    if kept:
        raise StoreError(
            f"store {store.directory} has lost its database {DATABASE}: the `oversight run` that made it makes it "
            f"again, from the calls kept in {CALLS_FILE} and without paying for them"
        )
    raise StoreError(f"there is no store in {store.directory}: `oversight run EXPERIMENT.yaml --store DIR` makes one")


def _ask_writer(directory: Path, request: str) -> pa.Table:
    """Have the writing process answer.

    Raises:
        OSError: there is none, or it went away.
        StoreError: it refused, or is suspended.
    """
    kind, body = ask_writer(directory, request.encode(), _ANSWER_S)
    if kind != TABLE:
        raise StoreError(body.decode())
    return pa.ipc.open_stream(body).read_all()


def _read_file(directory: Path, sql: str, params: Sequence[Parameter]) -> pa.Table:
    # A large query may put what does not fit into memory into files beside the database.
    with PRIVATE_FILES, translated(directory), closing(connect(directory, read_only=True)) as con:
        check_version(con)
        return run_select(con, sql, params)
