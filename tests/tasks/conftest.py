"""A data folder of each test's own, and a server to fill it from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.serving import FileServer, serving


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where downloads go; no test reads the user's own."""
    folder = tmp_path / "kept"
    monkeypatch.setenv("OVERSIGHT_DATA", str(folder))
    return folder


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running
