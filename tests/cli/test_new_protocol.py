"""``oversight new protocol NAME``: what it writes runs, and passes the test that comes with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.running import here


def test_a_new_protocol_runs_and_passes_its_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = here("new", "protocol", "my_debate")
    assert (ran.code, ran.err) == (0, "")
    assert "wrote my_debate" in ran.out
    written = {str(path.relative_to(tmp_path / "my_debate")) for path in (tmp_path / "my_debate").rglob("*.*")}
    assert {"my_debate.py", "test_my_debate.py", "my_debate.yaml", "prompts/argue.j2"} <= written
    ran = here("run", "my_debate/my_debate.yaml", "--limit", "2", "--engine", "local", "--store", "store")
    assert ran.code == 0, ran
    assert {row["n_failed"] for row in here("report", "--store", "store", "--format", "json").rows} == {0}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "my_debate"]
    tested = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert tested.returncode == 0, tested.stdout
    assert "passed" in tested.stdout


@pytest.mark.parametrize("name", ["debate", "My-Debate", "there"])
def test_a_name_that_cannot_be_used_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert name in here("new", "protocol", name).complaint()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
