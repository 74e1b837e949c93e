from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own keys reach these tests."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_KEY_FILE")):
            monkeypatch.delenv(name)


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Meanwhile no file of this process grows past so many bytes."""

    @contextmanager
    def full(size: int) -> Iterator[None]:
        was_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        was_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, was_limit[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, was_limit)
            signal.signal(signal.SIGXFSZ, was_handler)

    return full
