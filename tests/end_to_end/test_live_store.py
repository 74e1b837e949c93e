"""A run writes while others read; afterwards the file is anybody's."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from cli.running import ended, start
from execution.staging import Running, count

import oversight

READS = 200

EXPERIMENT = """\
name: live
task: {name: digits, images: 120}
models:
  judge: embedded/pixel-judge
  strong: embedded/pixel-debater
protocols:
  - direct
  - consultancy: {rounds: 2}
  - debate: {rounds: 2, turns: sequential}
"""


@pytest.mark.long
def test_two_hundred_reads_while_a_run_writes(tmp_path: Path) -> None:
    experiment, directory = tmp_path / "e.yaml", tmp_path / "store"
    experiment.write_text(EXPERIMENT)
    run = Running(tmp_path, experiment, "--engine", "local", "--store", directory)
    try:
        run.until(lambda: count(directory, "episodes"), "the first episodes to be stored")
        store = oversight.open_store(directory)
        others = [
            start("sql", "SELECT count(*) AS n FROM messages", "--format", "json", "--store", directory, cwd=tmp_path),
            start("report", "--format", "json", "--store", directory, cwd=tmp_path),
        ]
        seen, during = 0, 0
        for _ in range(READS):
            accuracy = store.sql("SELECT * FROM accuracy")
            during += run.process.poll() is None
            judged = int(accuracy["n_judged"].sum())
            assert list(accuracy["arm"].sort_values()) == ["consultancy", "debate", "direct"]
            assert judged >= seen
            seen = judged
        for ran in map(ended, others):
            assert (ran.code, ran.err) == (0, "")
            assert ran.rows
    finally:
        ran = run.ended()
    assert during > READS / 4, "the run was over before it was read"
    assert ran.code == 0, ran
    assert "Traceback" not in ran.out + ran.err

    with duckdb.connect(directory / "oversight.duckdb", read_only=True) as plain:
        arms = dict(plain.execute("SELECT arm, n_judged FROM accuracy").fetchall())
        (orphans,) = plain.execute("SELECT count(*) FROM messages ANTI JOIN episodes USING (episode_id)").fetchone()
    assert arms == {"direct": 120, "consultancy": 240, "debate": 240}
    assert orphans == 0
    assert sorted(path.name for path in directory.iterdir()) == ["oversight.duckdb"]
