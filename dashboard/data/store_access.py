"""Reaching the store, and remembering what it said for as long as that is true."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import streamlit as st

from oversight import open_store
from oversight.store import Store
from oversight.store.access import DATABASE, Parameter
from oversight.store.query_server import socket_path

__all__ = ["Moment", "cached", "directory", "exists", "live", "moment", "select", "store"]

_LIVE_S = 2
"""For how long an answer of a store that is being written is good enough."""
_KEPT_S = 600
_KEPT = 256

Moment: TypeAlias = tuple[str, int, int]
"""Equal for two moments between which a store has not changed, or not for long."""

P = ParamSpec("P")
R = TypeVar("R")


def directory() -> Path:
    """The directory of the store that this dashboard is about."""
    return Path(os.environ.get("OVERSIGHT_STORE", "oversight-store")).absolute()


def exists() -> bool:
    """Whether there is a store yet."""
    return (directory() / DATABASE).is_file()


def store() -> Store:
    """The store; it holds nothing open."""
    return open_store(directory())


def live() -> bool:
    """Whether some process has the store open for writing, which is how a run goes on."""
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.settimeout(1)
        probe.connect(str(socket_path(directory())))
        return True
    return False


def moment() -> Moment:
    """When it is, as far as the store is concerned: for `cached` functions.

    A file without a writer is the same as long as its size and time are. (Asking for these does not open it, which
    would drop the lock of a writer in this process.)
    """
    if live():
        return str(directory()), -1, int(time.time() / _LIVE_S)
    try:
        file = (directory() / DATABASE).stat()
    except FileNotFoundError:
        return str(directory()), 0, 0
    return str(directory()), file.st_size, file.st_mtime_ns


def select(sql: str, params: Sequence[Parameter] = ()) -> list[dict[str, Any]]:
    """The rows of one SELECT, whose ``?`` stand for ``params``."""
    rows: list[dict[str, Any]] = store().arrow(sql, params).to_pylist()
    return rows


def cached(function: Callable[P, R]) -> Callable[P, R]:
    """Remember what a query gave; the function's first argument is the `moment`, so that it does not become stale."""
    return cast("Callable[P, R]", st.cache_data(ttl=_KEPT_S, max_entries=_KEPT, show_spinner=False)(function))
