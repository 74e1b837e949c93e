"""What a store's directory holds is for its user alone: transcripts, gold answers, what people said.

DuckDB creates its files, and again and again its log, with the process's umask; SQLite gives the files beside a
database the database's own mode.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["PRIVATE_FILES", "create_private", "make_private_directory"]

_FOR_ITS_USER = 0o077


class _PrivateFiles:
    """While any thread is inside, what this process creates is readable and writable by its user alone.

    A umask belongs to the whole process: the first who enters sets it, and the last who leaves gives it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 0

    def __enter__(self) -> Self:
        with self._lock:
            if self._inside == 0:
                self._before = os.umask(_FOR_ITS_USER)
            self._inside += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                os.umask(self._before)


PRIVATE_FILES = _PrivateFiles()
"""Enter it for as long as DuckDB has a store's file open."""


def make_private_directory(path: Path) -> None:
    """Create a directory that only its user may enter, and what is missing above it; one that exists stays as it is.

    Raises:
        OSError: it cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)


def create_private(path: Path) -> None:
    """Create an empty file that only its user may read, for SQLite to fill; one that exists is not even opened."""
    with suppress(OSError):  # what it is, SQLite finds out and says in its own words
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
