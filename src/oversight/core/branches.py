"""The branches of an episode: what each of the things that happen at the same time sees and adds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from oversight.core.bounded_run import contained
from oversight.core.message import Branch, Message

__all__ = ["Thread", "current_thread", "inside"]

T = TypeVar("T")


@dataclass
class Thread:
    """The transcript as one branch of an episode sees it: what went before, and its own part."""

    episode: object
    path: Branch = ()
    before: tuple[Message, ...] = ()
    own: list[Message] = field(default_factory=list)
    gathers: int = 0
    seated: Counter[str] = field(default_factory=Counter)
    """How many seats of each role were opened before, as far as this branch knows."""
    task: asyncio.Task[Any] | None = None
    """The task in which alone this branch's verbs may run; None: any."""


current_thread: ContextVar[Thread | None] = ContextVar("oversight_thread", default=None)


async def inside(thread: Thread, part: Coroutine[Any, Any, T]) -> T:
    """Await a part of a gather in its branch, and in the running task alone."""
    current_thread.set(thread)
    thread.task = asyncio.current_task()
    return await contained(part)
