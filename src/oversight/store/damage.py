"""What to do about a store that cannot be used, and what that costs."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import duckdb

from oversight.calls.call_cache import CALLS_FILE

__all__ = ["DAMAGE", "DATABASE", "remedy"]

DATABASE = "oversight.duckdb"
"""The database's file name in a store directory."""

DAMAGE = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
"""What DuckDB raises where the file, and not the query, is at fault."""

_FULL = re.compile(r"no space left|file too large|disk quota|disk (is )?full", re.IGNORECASE)
_FORBIDDEN = re.compile(r"permission denied|read-only file system|operation not permitted", re.IGNORECASE)
_FORBIDDEN_NUMBERS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL_NUMBERS = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


def remedy(directory: Path, error: BaseException) -> str:
    """Return what a person can do about an error of a store's files, and at what cost; empty if that is not known."""
    said, number = str(error), getattr(error, "errno", None)
    log = directory / f"{DATABASE}.wal"
    if number in _FULL_NUMBERS or _FULL.search(said):
        return (
            "free some space and give the same command again: what was stored before is kept, and a model's completed "
            f"calls are in {CALLS_FILE} and not paid again"
        )
    if number in _FORBIDDEN_NUMBERS or _FORBIDDEN.search(said):
        return "make the directory and its files writable, or choose another --store"
    if misplaced := _misplaced(directory, log):
        return misplaced
    if not isinstance(error, DAMAGE):
        return ""
    if "WAL" in said or log.name in said:
        return (
            f"move {log} away: the last episodes, which were only in it, are run again by the same `oversight run`, "
            f"from the calls kept in {CALLS_FILE} and without paying for them"
        )
    return (
        f"the database is damaged: move {directory / DATABASE} away and give the same `oversight run` again, which "
        f"makes its episodes from the calls kept in {CALLS_FILE} without paying for them; what was imported, or "
        "judged by people, is lost with it unless there is a copy"
    )


def _misplaced(directory: Path, log: Path) -> str:
    """Say that there is a file in a directory's place, or the other way round; empty if not."""
    if directory.exists() and not directory.is_dir():
        return f"{directory} is a file: move it away, or choose another --store"
    for path in (directory / DATABASE, log, directory / "oversight.sock"):
        if path.is_dir():
            return f"{path} is a directory, where a file belongs: move it away"
    return ""
