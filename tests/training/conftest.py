from __future__ import annotations

from pathlib import Path

import pytest

from training.staging import Calls


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the models of an experiment from files are asked."""
    monkeypatch.setenv("OVERSIGHT_TEST_CALLS", str(tmp_path / "calls"))
    return Calls(tmp_path / "calls")
