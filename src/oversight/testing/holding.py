"""Keeping a server's replies back for a while, so that what is under way at a moment is known exactly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socket import MSG_DONTWAIT, MSG_PEEK, socket

__all__ = ["ReplyHold", "has_gone"]


class ReplyHold:
    """Lets replies out one by one, or none for as long as they are held."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = False
        self._sending = 0

    def hold(self) -> None:
        """Keep every reply back until `release`; when this returns none is on its way out."""
        with self._changed:
            self._held = True
            self._changed.wait_for(lambda: not self._sending)

    def release(self) -> None:
        """Send what was kept back, to the clients that are still there."""
        with self._changed:
            self._held = False
            self._changed.notify_all()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send a reply meanwhile, as soon as none is kept back."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held)
            self._sending += 1
        try:
            yield
        finally:
            with self._changed:
                self._sending -= 1
                self._changed.notify_all()


def has_gone(connection: socket) -> bool:
    """Return whether the client has closed its end, which one that waits for a reply does not do."""
    try:
        return connection.recv(1, MSG_PEEK | MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
