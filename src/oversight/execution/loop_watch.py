"""Noticing that something keeps an event loop busy: a plugin that sleeps or computes and never awaits.

Every episode of a process runs on one loop, so what does not let go of it holds up all the others.
"""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["SAY_AFTER_S", "BlockedLoops", "LoopBlock", "LoopWatch", "watched_loop", "work_for"]

SAY_AFTER_S = 10.0
"""How long a loop may be busy before a person is told; importing a provider's library takes seconds."""

_TICK_S = 0.25
_LOOK_S = 0.5
_LATE_S = 2.0
_LIBRARIES = tuple(
    os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib", "purelib", "platlib")
)

T = TypeVar("T")

_arm: ContextVar[str | None] = ContextVar("arm", default=None)
_arms: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()
"""For which arm tasks work, of any loop, for as long as they live."""


class LoopBlock(NamedTuple):
    """What an event loop is busy with.

    Attributes:
        seconds: how long it has not come round.
        arm: the arm whose episode it works for; None if that is not known.
        where: ``file:line`` of the code that runs.
    """

    seconds: float
    arm: str | None
    where: str

    def text(self) -> str:
        """Return one line for a person."""
        who = f"arm '{self.arm}'" if self.arm else "a plugin or model"
        return (
            f"{who} has blocked its process for {self.seconds:.0f} s without an await, at {self.where}: other episodes "
            "there wait meanwhile; use 'await asyncio.sleep(…)' to pause, 'await asyncio.to_thread(…)' for work"
        )


def work_for(arm: str) -> None:
    """Say for which arm the current task works, and every task that it starts from now on."""
    _arm.set(arm)
    if (task := asyncio.current_task()) is not None:
        _arms[task] = arm


class _LabellingFactory:
    """Makes tasks, by way of the factory there was before, and notes for which arm each works.

    A task's context cannot be seen from another thread.
    """

    def __init__(self, before: Any) -> None:
        self._before = before

    def __call__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T] | Generator[Any, None, T], **options: Any
    ) -> asyncio.Future[T]:
        task: asyncio.Task[T] = (self._before or _make_task)(loop, work, **options)
        if (arm := _arm.get()) is not None:
            _arms[task] = arm
        return task


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T] | Generator[Any, None, T], **options: Any
) -> asyncio.Task[T]:
    return asyncio.Task(work, loop=loop, **options)


class LoopWatch:
    """Watches the running loop from a thread of its own.

    Args:
        tell: called in that thread, again and again while the loop is blocked.
    """

    def __init__(self, tell: Callable[[LoopBlock], object] = lambda blocked: None) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._tell = tell
        self._beat = time.monotonic()
        self._closed = threading.Event()
        self.blocked: LoopBlock | None = None
        self._loop.set_task_factory(_LabellingFactory(self._loop.get_task_factory()))
        self._tick()
        self._thread = threading.Thread(target=self._look, name="oversight-loop-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._thread.join()

    def _tick(self) -> None:
        self._beat = time.monotonic()
        if not self._closed.is_set():
            self._loop.call_later(_TICK_S, self._tick)

    def _look(self) -> None:
        looked, worked = time.monotonic(), time.process_time()
        while not self._closed.wait(_LOOK_S):
            now, work = time.monotonic(), time.process_time()
            late = now - looked - _LOOK_S
            if late > _LATE_S and work - worked < late / 2:
                self._beat += late  # the whole process was suspended, and not the loop alone
            looked, worked = now, work
            seconds = now - self._beat - _TICK_S
            if seconds < _LOOK_S:
                self.blocked = None
                continue
            self.blocked = LoopBlock(seconds, self._current_arm(), self._current_line())
            self._tell(self.blocked)

    def _current_arm(self) -> str | None:
        task = asyncio.current_task(self._loop)
        return None if task is None else _arms.get(task)

    def _current_line(self) -> str:
        """The innermost line of the loop's thread that is not a library's."""
        innermost = frame = sys._current_frames().get(self._loop_thread)
        while frame is not None and frame.f_code.co_filename.startswith((*_LIBRARIES, "<")):
            frame = frame.f_back
        return _line(frame or innermost)


def _line(frame: FrameType | None) -> str:
    return "?" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


class BlockedLoops:
    """Says which arms block their loop, once for each; for any number of loops."""

    def __init__(self) -> None:
        self._said: set[str | None] = set()

    def tell(self, blocked: LoopBlock) -> None:
        """Warn of an arm whose loop has been blocked for long."""
        if blocked.seconds >= SAY_AFTER_S and blocked.arm not in self._said:
            self._said.add(blocked.arm)
            warnings.warn(blocked.text(), stacklevel=2)


@contextmanager
def watched_loop() -> Iterator[None]:
    """Watch the running loop meanwhile, and warn of what blocks it."""
    watch = LoopWatch(BlockedLoops().tell)
    try:
        yield
    finally:
        watch.close()
