"""Awaiting what a protocol does within the limits of its episode, whatever the protocol does to go on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from oversight.core.episode_limits import EpisodeUsage
from oversight.errors import ProtocolError
from oversight.util.describe import describe_error

__all__ = ["contained", "run_bounded"]

_SETTLE_S = 0.05
"""Seconds in which parts of the episode keep what their last calls brought, once no call is in flight."""

_PATIENCE_S = 1.0
_CANCELLATIONS = 3
"""How often a task that catches its cancellation is cancelled again, and seconds until the next time."""

T = TypeVar("T")


async def run_bounded(usage: EpisodeUsage, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``, the part of an episode that ``usage`` counts, and end it at a limit.

    Calls in flight are waited for, because they are paid, except at the limit of seconds.

    Raises:
        LimitReached: the episode took more than it may, even if ``work`` caught that and returned something.
        Exception: whatever else ``work`` raised.
    """
    usage.supervisor = asyncio.get_running_loop()
    task = asyncio.create_task(contained(work))
    ended = asyncio.create_task(usage.ended.wait())
    try:
        async with asyncio.timeout(usage.limits.seconds):
            await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await usage.idle.wait()
                await asyncio.wait({task}, timeout=_SETTLE_S)
    except TimeoutError:
        usage.reach("seconds", f"it took longer than the {usage.limits.seconds:g} s of one episode")
    finally:
        ended.cancel()
        usage.over = True
        if not task.done():
            await _end({task, *usage.tasks})
    if usage.reached is not None:
        if task.done() and not task.cancelled():
            task.exception()  # taken, so that asyncio does not print it
        raise usage.reached
    return task.result()


async def contained(work: Awaitable[T]) -> T:
    """Await ``work``; if it asks for the process to end, which a task would do at once, it fails.

    Raises:
        ProtocolError: it asked for that.
        Exception: whatever else it raised.
    """
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise ProtocolError(f"a plugin tried to end the process: {describe_error(error)}") from error


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """End tasks, also those that catch their cancellation."""
    for _ in range(_CANCELLATIONS):
        if not (running := _running(tasks)):
            break
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_PATIENCE_S)
    for task in _running(tasks):
        _close(task.get_coro())
        task.cancel()
        await asyncio.wait({task}, timeout=_PATIENCE_S)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # taken, so that asyncio does not print it


def _running(tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    return {task for task in tasks if not task.done()}


def _close(coroutine: Any) -> None:
    """Close a coroutine that catches every cancellation, and rarely this one, which is no error.

    One that catches it all the same is dropped by those who await it, which Python would print.
    """
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        # What cleans up on its way finds itself in another context.
        with suppress(RuntimeError, ValueError):
            coroutine.close()
    finally:
        sys.unraisablehook = before
