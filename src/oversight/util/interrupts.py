"""Ctrl-C and SIGTERM: the first ends what goes on in order, the second ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

__all__ = ["INTERRUPTED", "Interrupts", "interrupts", "leave_at_once", "leave_on_signals", "stopped_by_signals"]

INTERRUPTED = 130
"""The exit code of a command that was interrupted."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupts:
    """A signal handler that counts: the first signal stops the work in progress, every later one gives up on it.

    Args:
        insist: what a second signal does.
    """

    def __init__(self, insist: Callable[[], object]) -> None:
        self._insist = insist
        self._stop: Callable[[], object] | None = None
        self._asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take one signal, in the main thread."""
        if self._asked:
            self._insist()
            return
        self._asked = True
        if self._stop is None:
            raise KeyboardInterrupt
        self._stop()

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call ``stop`` at the first signal meanwhile, instead of raising KeyboardInterrupt."""
        before, self._stop = self._stop, stop
        try:
            yield
        finally:
            self._stop = before


@contextmanager
def interrupts(insist: Callable[[], object]) -> Iterator[Interrupts]:
    """Handle both signals until the end; outside the main thread they keep their usual meaning."""
    handler = Interrupts(insist)
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield handler
    finally:
        for number, usual in before.items():
            signal.signal(number, signal.SIG_DFL if usual is None else usual)


def leave_at_once() -> None:
    """End the process without waiting for anything; what is durable stays, and a hidden cursor comes back."""
    if os.isatty(2):
        os.write(2, _SHOW_CURSOR)
    os._exit(INTERRUPTED)


def leave_on_signals() -> None:
    """End the process at the first signal from here on: for the interpreter's end, where nothing is left to stop."""
    for number in _SIGNALS:
        signal.signal(number, lambda *_: leave_at_once())


@contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Have the first signal set ``stop``; in a notebook's thread signals keep their usual meaning.

    The handler is a plain one and not the loop's own, so that it also runs while a plugin blocks the loop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    handler = signal.getsignal(signal.SIGINT)
    with ExitStack() as stack:
        if not isinstance(handler, Interrupts):
            handler = stack.enter_context(interrupts(_raise))
        stack.enter_context(handler.stopping(lambda: loop.call_soon_threadsafe(stop.set)))
        yield


def _raise() -> None:
    raise KeyboardInterrupt
