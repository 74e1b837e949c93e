"""Answers for other processes while this one holds the file: single SELECTs over a local socket, Arrow out.

A connection carries one query: a line of JSON ``[sql, params]`` in; out come a byte that says what follows
(`TABLE` or `REFUSED`), its length, and the Arrow stream or the error's text. A connection that ends before
that means that the writer is going, and that the reader should look at the file.

The one thing that others may add are people's judgements: a line ``{"judgements": […]}``, each of which must be
a valid record of a person's. `DONE` comes back when they are in the database.
"""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import stat
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from socket import AF_UNIX, SHUT_RDWR, socket

import duckdb
import pyarrow as pa
from pydantic import ValidationError

from oversight.core.outcome import Judgement
from oversight.errors import StoreError
from oversight.store.access import one_line, run_select
from oversight.util.short_folders import short_folder

__all__ = ["DONE", "HEADER", "REFUSED", "SOCKET", "TABLE", "Accept", "QueryServer", "answers", "socket_path"]

SOCKET = "oversight.sock"
"""The socket's file name in a store directory; a symbolic link where the path is too long for a socket."""

HEADER = struct.Struct("!cQ")
TABLE, REFUSED, DONE = b"T", b"E", b"D"

Accept = Callable[[Sequence[Judgement]], None]
"""What stores judgements that others bring."""

# The system allows 107 bytes, and some allow 103.
_LONGEST_PATH = 100
# A client sends its query at once and reads the answer as it comes; one that does not is dropped.
_CLIENT_S = 30.0


def socket_path(directory: Path) -> Path:
    """Where the socket of the store in ``directory`` is, or would be."""
    path = directory.absolute() / SOCKET
    with suppress(OSError):
        return Path(os.readlink(path))
    return path


def answers(directory: Path) -> bool:
    """Whether the process that holds the store in ``directory`` answers others, and so means to stay."""
    with socket(AF_UNIX) as client, suppress(OSError):
        client.connect(str(socket_path(directory)))
        return True
    return False


class QueryServer:
    """Answers queries, and takes judgements, from its own threads until it is closed."""

    def __init__(self, directory: Path, con: duckdb.DuckDBPyConnection, accept: Accept) -> None:
        self._entry = directory / SOCKET
        self._folder: Path | None = None
        self._entry.unlink(missing_ok=True)  # its process has ended: this one holds the database's lock
        self._server = self._bound(con, accept)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="oversight-store", daemon=True
        )
        self._thread.start()

    def _bound(self, con: duckdb.DuckDBPyConnection, accept: Accept) -> _Server:
        if len(os.fsencode(self._entry)) <= _LONGEST_PATH:
            with suppress(OSError):  # some shared folders hold no sockets
                return _Server(self._entry, con, accept)
        self._folder = short_folder("oversight-", _LONGEST_PATH - len(f"/{SOCKET}"))
        server = _Server(self._folder / SOCKET, con, accept)
        self._entry.symlink_to(self._folder / SOCKET)
        return server

    def close(self) -> None:
        """Interrupt the queries under way, and return when every thread and cursor is gone."""
        if not self._thread.is_alive():
            return
        self._entry.unlink(missing_ok=True)
        self._server.shutdown()
        self._thread.join()
        self._server.drop_clients()
        self._server.server_close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    request_queue_size = 128
    daemon_threads = False  # so that closing joins them

    def __init__(self, path: Path, con: duckdb.DuckDBPyConnection, accept: Accept) -> None:
        self.accept = accept
        self._root = con.cursor()  # the writer's own connection may be busy when a client comes
        self._guard = threading.Lock()
        self._clients: dict[socket, duckdb.DuckDBPyConnection] = {}
        self._closing = False
        super().__init__(str(path), _Handler, bind_and_activate=False)
        try:
            self.server_bind()
            path.chmod(stat.S_IRUSR | stat.S_IWUSR)  # before any process can connect
            self.server_activate()
        except BaseException:
            self.server_close()
            self._root.close()
            raise

    def cursor_for(self, client: socket) -> duckdb.DuckDBPyConnection | None:
        """A cursor of the client's own, or None when the server is closing."""
        with self._guard:
            if self._closing:
                return None
            return self._clients.setdefault(client, self._root.cursor())

    def release(self, client: socket) -> None:
        with self._guard:
            self._clients.pop(client).close()

    def drop_clients(self) -> None:
        """End every query and connection; a query may slip past one interrupt, so repeat until all are gone."""
        with self._guard:
            self._closing = True
        while True:
            with self._guard:
                if not self._clients:
                    break
                for client, cursor in self._clients.items():
                    with suppress(OSError):  # first, so that no client is told of the interrupt
                        client.shutdown(SHUT_RDWR)
                    cursor.interrupt()
            time.sleep(0.01)
        self._root.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing about a client that went away: the terminal belongs to the run."""


class _Handler(socketserver.StreamRequestHandler):
    timeout = _CLIENT_S
    server: _Server

    def handle(self) -> None:
        if (cursor := self.server.cursor_for(self.connection)) is None:
            return
        try:
            kind, body = _answer(cursor, self.server.accept, self.rfile.readline())
            self.wfile.write(HEADER.pack(kind, body.size))
            self.wfile.write(body)
        finally:
            self.server.release(self.connection)


def _answer(cursor: duckdb.DuckDBPyConnection, accept: Accept, line: bytes) -> tuple[bytes, pa.Buffer]:
    try:
        request = json.loads(line)
        if isinstance(request, dict):
            accept(_judgements(request))
            return DONE, pa.py_buffer(b"")
        sql, params = request
        table = run_select(cursor, sql, params)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return TABLE, sink.getvalue()
    except StoreError as error:
        return REFUSED, pa.py_buffer(str(error).encode())
    except Exception as error:  # whatever it is, it is the reader's to see, not the run's
        return REFUSED, pa.py_buffer(f"{type(error).__name__}: {one_line(error)}".encode())


def _judgements(request: dict[str, object]) -> list[Judgement]:
    """The judgements of people in a request.

    Raises:
        StoreError: it holds anything else.
    """
    listed = request.get("judgements")
    if request.keys() != {"judgements"} or not isinstance(listed, list):
        raise StoreError("a store takes judgements, and nothing else, from others than the run that writes it")
    try:
        found = [Judgement.model_validate_json(json.dumps(each)) for each in listed]
    except ValidationError as error:
        raise StoreError(f"this is no judgement: {error.errors()[0]['msg']}") from None
    if any(judgement.kind != "human" for judgement in found):
        raise StoreError("a store takes the judgements of people, not of models, from others")
    return found
