"""Where output cannot go, or a command is interrupted: one line at most, and the exit code that is documented."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

import pytest

from cli.conftest import Seen
from cli.running import OVERSIGHT, environment, here, start
from oversight.store import open_store

LONG = "n" * 300


def commands(seen: Seen) -> dict[str, list[object]]:
    (run,) = open_store(seen.store).arrow("SELECT run_id FROM runs").to_pylist()
    return {
        "report": ["report", "--store", seen.store],
        "csv": ["report", "--store", seen.store, "--format", "csv"],
        "sql": ["sql", "SELECT 1", "--store", seen.store],
        "show": ["show", seen.episode("direct"), "--store", seen.store],
        "export": ["export", run["run_id"], "--store", seen.store, "--format", "episodes"],
        "plan": ["plan", seen.experiment],
        "protocols": ["protocols"],
        "run": ["run", seen.experiment, "--engine", "local", "--store", seen.store],
    }


def told(command: list[object], out: int | IO[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard output goes elsewhere."""
    return subprocess.run(
        command, stdout=out, stderr=subprocess.PIPE, text=True, env=environment(), cwd=folder, check=False
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ["report", "csv", "sql", "show", "export", "plan", "protocols", "run"])
def test_a_full_device_is_one_line_and_a_closed_pipe_none(seen: Seen, tmp_path: Path, name: str) -> None:
    command: list[object] = [OVERSIGHT, *map(str, commands(seen)[name])]
    with Path("/dev/full").open("w") as full:
        done = told(command, full, tmp_path)
    assert done.returncode == 2, done
    assert done.stderr.splitlines()[-1] == "error: the output cannot be written: No space left on device"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr

    reading, writing = os.pipe()
    os.close(reading)
    done = told(command, writing, tmp_path)
    os.close(writing)
    assert done.returncode == 0, done
    assert "error" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_columns_of_one_name_are_told_apart(seen: Seen, form: str) -> None:
    ran = seen.sql("SELECT 1 AS x, 2 AS x, 3 AS x_2, 4 AS y", "--format", form)
    assert ran.code == 0, ran
    for name, value in {"x": 1, "x_3": 2, "x_2": 3, "y": 4}.items():
        assert name in ran.out
        assert form != "json" or ran.rows == [{"x": 1, "x_3": 2, "x_2": 3, "y": 4}], value


@pytest.mark.parametrize(
    "command",
    [
        ["run", "{experiment}", "--engine", "local", "--store", LONG],
        ["run", LONG],
        ["plan", LONG],
        ["report", "--store", LONG],
        ["export", "{run}", "--format", "episodes", "--output", LONG, "--store", "{store}"],
        ["import", "jsonl", LONG],
    ],
)
def test_a_name_that_is_too_long_is_one_line(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (run,) = open_store(seen.store).arrow("SELECT run_id FROM runs").to_pylist()
    filled = [part.format(experiment=seen.experiment, store=seen.store, run=run["run_id"]) for part in command]
    assert here(*filled).complaint()
    assert not any(tmp_path.iterdir())


SLEEPS = '''\
import time

from oversight import Protocol


class Sleep(Protocol):
    """Sleeps where it should wait."""

    name = "sleep"
    roles = ("judge",)

    async def run(self, episode):
        judge = episode.seat("judge")
        if not episode.dry_run:
            time.sleep(60)
        return await judge.decide()
'''


def interrupted(folder: Path, signals: int, number: signal.Signals) -> tuple[int, str, float]:
    (folder / "sleep.py").write_text(SLEEPS)
    path = folder / "e.yaml"
    path.write_text(
        "name: sleeps\ntask: {name: digits, images: 2}\nmodels: {judge: embedded/pixel-judge}\n"
        "protocols: [./sleep.py:Sleep]\n"
    )
    said = folder / "said.txt"
    with said.open("w") as file:
        process = subprocess.Popen(
            [OVERSIGHT, "run", path, "--engine", "local", "--store", folder / "store"],
            stdout=file, stderr=file, env=environment(), cwd=folder, start_new_session=True,
        )  # fmt: skip
        try:
            while "episodes to run" not in said.read_text() and process.poll() is None:
                time.sleep(0.05)
            time.sleep(1)
            at = time.monotonic()
            for _ in range(signals):
                os.killpg(process.pid, number)
                time.sleep(0.5)
            code = process.wait(40)
        finally:
            process.kill()
            process.wait()
    return code, said.read_text(), time.monotonic() - at


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_interrupt_ends_a_command_that_a_plugin_blocks(tmp_path: Path, number: signal.Signals) -> None:
    code, said, seconds = interrupted(tmp_path, 2, number)
    assert code == 130, said
    assert "Traceback" not in said
    assert seconds < 20


@pytest.mark.long
def test_an_interrupt_at_any_moment_leaves_no_traceback(seen: Seen, tmp_path: Path) -> None:
    for pause in (0.2, 0.5, 1.0, 1.5, 2.0):
        process = start("plan", seen.experiment, cwd=tmp_path)
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode in (0, 130, -signal.SIGINT)
        assert "Traceback" not in said, pause


@pytest.mark.long
@pytest.mark.parametrize("value", ["sum(a.range * b.range)", "max(sqrt(a.range + b.range))"])
def test_an_interrupt_stops_a_long_query(seen: Seen, tmp_path: Path, value: str) -> None:
    # One of these keeps the thread busy that takes signals, the other has it wait for DuckDB's own.
    query = f"SELECT {value} AS most FROM range(1000000) AS a, range(200000) AS b"
    process = start("sql", query, "--store", seen.store, cwd=tmp_path)
    try:
        time.sleep(5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert said == ""
