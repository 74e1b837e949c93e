from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from . import staging

Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start a second interpreter on a script; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: object) -> subprocess.Popen[str]:
        started.append(staging.spawn(script, *arguments))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
