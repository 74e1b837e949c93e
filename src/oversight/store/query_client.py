"""Asking the process that writes a store, over its socket."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from oversight.store.access import WriterSuspended
from oversight.store.query_server import HEADER, socket_path
from oversight.util.processes import is_suspended, peer_pid

__all__ = ["ask_writer"]

_LOOK_S = 1.0
"""How long to wait before looking whether the writer is suspended: it must be so twice, to be no passing state."""

_CHUNK = 1 << 20


def ask_writer(directory: Path, request: bytes, patience_s: float) -> tuple[bytes, bytes]:
    """Have the writing process answer one line; return what kind of answer it is, and the answer.

    Raises:
        Suspended: the process is stopped, and answers nothing until it goes on.
        OSError: there is none, or it went away, or it has not answered for ``patience_s``.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_LOOK_S)
        client.connect(str(socket_path(directory)))
        answer = _Answer(client, directory, time.monotonic() + patience_s)
        client.sendall(request + b"\n")
        kind, size = HEADER.unpack(answer.read(HEADER.size))
        return kind, answer.read(size)


class _Answer:
    """Reads an answer, and looks at the other process while nothing comes."""

    def __init__(self, client: socket.socket, directory: Path, until: float) -> None:
        self._client = client
        self._directory = directory
        self._until = until
        self._pid = peer_pid(client)

    def read(self, size: int) -> bytes:
        """Return so many bytes."""
        got = bytearray()
        looks = 0
        while len(got) < size:
            try:
                part = self._client.recv(min(size - len(got), _CHUNK))
            except TimeoutError:
                stopped = self._pid is not None and is_suspended(self._pid)
                looks = looks + 1 if stopped else 0
                if self._pid is not None and looks > 1:
                    raise WriterSuspended(self._directory, self._pid) from None
                if time.monotonic() > self._until:
                    raise
                continue
            if not part:
                raise ConnectionResetError("the writer went away")
            got += part
        return bytes(got)
