from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own keys reach these tests."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_KEY_FILE")):
            monkeypatch.delenv(name)
