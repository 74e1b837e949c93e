"""A run over a real server whose transcripts are judged again; a module gives the server's ``answer``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.running import here
from execution.staging import rows

from oversight.testing.loopback import LoopbackServer

from .test_api import lay_out


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-secret")
    with LoopbackServer(request.module.answer) as server:
        yield server


@pytest.fixture
def run(tmp_path: Path, server: LoopbackServer) -> tuple[Path, str]:
    """A store, and the id of the run in it."""
    store = tmp_path / "store"
    assert here("run", lay_out(tmp_path, server), "--engine", "local", "--store", store).code == 0
    server.received.clear()
    return store, rows(store, "SELECT run_id FROM runs")[0]["run_id"]
