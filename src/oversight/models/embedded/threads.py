"""Keeping linear algebra on one core."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[object]:
    """A context in which BLAS uses one thread of the process's.

    The matrices here are too small to share out: with as many threads as cores, training and outcome
    tables took 7 and 16 times as long on two busy cores, all of it waiting.
    """
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> Any:
    return ThreadpoolController()
