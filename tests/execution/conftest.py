"""One undisturbed local run, and one on Ray in which a worker is killed."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from cli.running import Ran

from execution.staging import Running, ancestors, lay_out
from oversight import RunSettings, run_experiment


class Disturbed(NamedTuple):
    """A run on Ray: its store, how it ended, which workers ran episodes, and which one was killed."""

    store: Path
    ran: Ran
    workers: set[int]
    killed: int


@pytest.fixture(scope="session")
def local_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    run_experiment(lay_out(folder / "e"), RunSettings(folder / "store", engine="local"))
    return folder / "store"


@pytest.fixture(scope="session")
def ray_run(tmp_path_factory: pytest.TempPathFactory) -> Disturbed:
    """Two workers; the experiment's folder is gone before they start, and one is killed in mid-episode."""
    folder = tmp_path_factory.mktemp("ray")
    experiment, pids = lay_out(folder / "e"), folder / "pids"
    pids.mkdir()
    run = Running(
        folder,
        *(experiment, "--engine", "ray", "--workers", 2, "--concurrency", 8, "--store", folder / "store"),
        PIDS=pids,
        PAUSE=0.2,
    )
    run.until(lambda: "episodes to run" in run.err.read_text(), "the run to be planned")
    shutil.move(folder / "e", folder / "gone")

    def workers() -> set[int]:
        return {int(name) for name in os.listdir(pids)}

    run.until(workers, "an episode to begin")
    killed = min(workers())
    assert run.process.pid in ancestors(killed), "not a process of this run"
    with suppress(ProcessLookupError):
        os.kill(killed, signal.SIGKILL)
    ran = run.ended()
    return Disturbed(folder / "store", ran, workers(), killed)
