"""What is wrong with a file of completed calls, what to do about it, and what that costs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from oversight.errors import StoreError

__all__ = ["is_not_writable", "unusable"]

_PRIMARY = 0xFF  # SQLite's extended error codes have the plain one in their last byte
_NOT_WRITABLE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


def is_not_writable(error: sqlite3.Error) -> bool:
    """Whether all that is wrong is that the file or its directory cannot be written."""
    return error.sqlite_errorcode & _PRIMARY in _NOT_WRITABLE


def unusable(path: Path, log: Path, error: sqlite3.Error | OSError) -> StoreError:
    """Return the error for a person: what is wrong with the file ``path`` or its ``log``, what to do, what it costs."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    misplaced = next((each for each in (path, log) if each.is_dir()), None)
    if misplaced is not None:
        todo = f"{misplaced} is a directory, where a file belongs: move it away"
    elif code in _DAMAGED:
        todo = (
            f"it is damaged: move it away, and {log.name} with it; transcripts stay, completed calls of "
            "unfinished episodes are paid again, and what was spent before no longer counts towards --max-cost"
        )
    elif code in _NO_ROOM:
        todo = "free some space, if the disk is full, and give the same command again"
    elif code in _NOT_WRITABLE:
        todo = "make it and its directory writable, or choose another --store"
    else:
        todo = "another process may hold it: try again when that has ended"
    return StoreError(f"completed calls cannot be kept in {path}: {error}; {todo}")
