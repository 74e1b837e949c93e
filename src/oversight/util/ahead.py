"""Working one step ahead of what is read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")


def ahead(coming: Iterator[T]) -> Iterator[T]:
    """Yield what ``coming`` yields, with the next one made in a thread of its own while the last is used.

    For work outside Python's lock, such as DuckDB's. At most two are held at a time: the last and the next.
    """
    with ThreadPoolExecutor(1) as thread:
        some = thread.submit(_up_to_one, coming)
        while now := some.result():
            some = thread.submit(_up_to_one, coming)
            yield from now


def _up_to_one(coming: Iterator[T]) -> tuple[T, ...]:
    """Return the next one, or nothing at the end: a ``StopIteration`` does not pass through a generator."""
    for each in coming:
        return (each,)
    return ()
