"""Workers that do not start, that come late, or that a plugin blocks: the others go on, and a person is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli.running import Ran

from execution.disturbing import Nodes, end, lay_out_files
from execution.staging import Running, rows

BLOCKS = '''\
import time

from oversight import Protocol


class Ask(Protocol):
    """Sleeps where it should wait, on one question."""

    name = "blocks"
    roles = ("judge",)

    async def run(self, episode):
        judge = episode.seat("judge")
        if episode.question.id == "q3" and not episode.dry_run:
            time.sleep(16)
        return await judge.decide("plead")
'''


def lay_out_blocking(folder: Path, questions: int) -> Path:
    experiment = lay_out_files(folder, questions)
    (folder / "ask.py").write_text(BLOCKS)
    return experiment


@contextmanager
def running(folder: Path, *arguments: object, cluster: Nodes | None = None) -> Iterator[Running]:
    variables = cluster.environment if cluster else {}
    run = Running(folder, *arguments, "--store", folder / "store", variables=variables)
    try:
        yield run
    finally:
        end(run)


def judged(ran: Ran, folder: Path) -> int:
    assert "Traceback" not in ran.out + ran.err
    return int(rows(folder / "store", "SELECT count(*) AS n FROM results")[0]["n"])


@pytest.mark.long
def test_a_worker_that_finds_no_room_is_said_to_be_missing_and_the_others_do_its_share(tmp_path: Path) -> None:
    experiment = lay_out_files(tmp_path / "e", 90)
    with Nodes(cpus=1, PAUSE=0.5) as cluster:
        told = ("--address", cluster.address, "--workers", 2, "--concurrency", 2)
        with running(tmp_path, experiment, *told, cluster=cluster) as run:
            ran = run.ended(240)
    assert ran.code == 0, ran
    assert judged(ran, tmp_path) == 90
    (line,) = [line for line in ran.err.splitlines() if "workers" in line]
    assert line.startswith("warning: 1 of 2 workers has not started after 15 s: ")
    assert f"{cluster.address} has 1 CPUs, of which 0 are free" in line


@pytest.mark.long
def test_no_worker_at_all_is_one_line_and_the_end(tmp_path: Path) -> None:
    experiment = lay_out_files(tmp_path / "e", 4)
    with Nodes(cpus=0) as cluster, running(tmp_path, experiment, "--address", cluster.address, cluster=cluster) as run:
        ran = run.ended(240)
    assert ran.code == 2, ran
    assert judged(ran, tmp_path) == 0
    (line,) = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert "no worker has started within 60 s" in line
    assert "has 0 CPUs, of which 0 are free" in line


@pytest.mark.long
def test_a_plugin_that_blocks_its_worker_does_not_hold_up_the_others(tmp_path: Path) -> None:
    experiment = lay_out_blocking(tmp_path / "e", 80)
    with running(tmp_path, experiment, "--workers", 2, "--concurrency", 16) as run:
        ran = run.ended(240)
    assert ran.code == 0, ran
    assert judged(ran, tmp_path) == 80
    (line,) = [line for line in ran.err.splitlines() if "blocked" in line]
    assert "arm 'blocks' has blocked its process for 1" in line
    assert "ask.py:15" in line
    # What had not begun behind the one that blocks was run elsewhere, before that one was through.
    ends = "started_at + to_milliseconds(round(1000 * duration_s)::BIGINT) AS ended"
    ended = rows(tmp_path / "store", f"SELECT questions.id, {ends} FROM episodes JOIN questions USING (question_key)")
    last = max(row["ended"] for row in ended if row["id"] == "q3")
    assert sum(row["ended"] < last for row in ended) > 60


@pytest.mark.long
def test_a_plugin_that_blocks_this_process_is_named_with_its_line(tmp_path: Path) -> None:
    experiment = lay_out_blocking(tmp_path / "e", 6)
    with running(tmp_path, experiment, "--engine", "local") as run:
        ran = run.ended(120)
    assert ran.code == 0, ran
    (line,) = [line for line in ran.err.splitlines() if "blocked" in line]
    assert line.startswith("warning: arm 'blocks' has blocked its process for 10 s without an await, at ask.py:15")
