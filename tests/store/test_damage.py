"""A damaged or half-deleted store, and one whose writer is suspended: one line that says what to do."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.running import full_disk
from conftest import Spawn
from test_faults import CALLS_FILE, DATABASE, HOLDS, QUESTIONS, Staged, half_run, oversight, staged

from oversight.errors import StoreError
from oversight.store import StoreWriter, flush_judgements, open_store

__all__ = ["half_run", "oversight", "staged"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def replace_by_directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 2000)


JOURNAL_DAMAGED = "move it away, and calls.sqlite-wal with it; transcripts stay, completed calls of unfinished episodes"
DATABASE_DAMAGED = "makes its episodes from the calls kept in calls.sqlite without paying for them"
A_DIRECTORY = "is a directory, where a file belongs: move it away"


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        (CALLS_FILE, garbage, JOURNAL_DAMAGED),
        (CALLS_FILE, cut, JOURNAL_DAMAGED),
        (CALLS_FILE, replace_by_directory, A_DIRECTORY),
        (f"{CALLS_FILE}-wal", replace_by_directory, A_DIRECTORY),
        (DATABASE, garbage, DATABASE_DAMAGED),
        (DATABASE, cut, DATABASE_DAMAGED),
        (DATABASE, replace_by_directory, A_DIRECTORY),
        (f"{DATABASE}.wal", replace_by_directory, A_DIRECTORY),
        ("oversight.sock", replace_by_directory, A_DIRECTORY),
    ],
)
def test_what_is_damaged_is_said_with_what_to_do_and_what_it_costs(
    staged: Staged, name: str, damage: Callable[[Path], None], says: str
) -> None:
    paid = staged.calls
    damage(staged.store / name)
    complaint = staged.run(*staged.command).complaint()
    assert str(staged.store) in complaint
    assert says in complaint
    assert staged.calls == paid
    if name == DATABASE:
        reading = staged.run("report", "--store", staged.store).complaint()
        assert says in reading
        assert str(staged.store) in reading


@pytest.mark.long
@pytest.mark.parametrize("name", [DATABASE, f"{DATABASE}.wal"])
def test_what_the_line_says_to_move_away_is_all_that_is_needed(staged: Staged, name: str) -> None:
    paid = staged.calls
    replace_by_directory(staged.store / name)
    staged.run(*staged.command).complaint()
    shutil.move(staged.store / name, staged.folder / "away")
    assert staged.run(*staged.command).code == 0
    assert len(staged.judged()) == QUESTIONS
    assert staged.calls == 2 * paid == 2 * QUESTIONS, "a call on record was paid again"


@pytest.mark.long
def test_a_lost_database_is_made_again_from_the_calls_that_were_kept(staged: Staged) -> None:
    paid = staged.calls
    (staged.store / DATABASE).unlink()
    assert "has lost its database" in staged.run("report", "--store", staged.store).complaint()
    ran = staged.run(*staged.command, "--limit", QUESTIONS // 2)
    assert ran.code == 0, ran
    assert "has lost its database" in ran.err
    assert staged.calls == paid


@pytest.mark.long
@pytest.mark.parametrize("empty", [True, False])
def test_a_lost_record_of_calls_is_a_warning_of_what_is_paid_again(staged: Staged, empty: bool) -> None:
    (staged.store / CALLS_FILE).unlink()
    if empty:
        (staged.store / CALLS_FILE).touch()
    ran = staged.run(*staged.command)
    assert ran.code == 0, ran
    (line,) = [line for line in ran.err.splitlines() if "missing or empty" in line]
    assert f"this run has paid for {QUESTIONS} calls" in line
    assert f"${QUESTIONS * 0.25:.2f} spent before does not count" in line


@pytest.mark.long
def test_a_full_disk_says_what_is_lost_and_not_that_all_is_kept(staged: Staged) -> None:
    with full_disk(0):
        ran = staged.run(*staged.command, "--concurrency", 1)
    assert ran.code in (1, 2), ran
    (line,) = [line for line in ran.err.splitlines() if line.startswith(("error: ", "stopped: "))]
    assert "free some space" in line
    assert "every completed call is kept" not in line


SUSPENDED = "which is suspended: resume it with 'kill -CONT {pid}'"


@pytest.mark.long
def test_a_store_whose_writer_is_suspended_says_so_within_seconds(staged: Staged, spawn: Spawn) -> None:
    holder = spawn(HOLDS, staged.store)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    (episode, _), *_ = staged.judged()
    run_id = open_store(staged.store).sql("SELECT run_id FROM runs")["run_id"][0]
    holder.send_signal(signal.SIGSTOP)
    reading = ("--store", staged.store)
    for command in (
        ("report", *reading),
        ("sql", "SELECT 1", *reading),
        ("show", episode, *reading),
        ("export", run_id, "--format", "episodes", *reading),
        staged.command,
    ):
        begun = time.monotonic()
        assert SUSPENDED.format(pid=holder.pid) in staged.run(*command).complaint()
        assert time.monotonic() - begun < 30
    holder.send_signal(signal.SIGCONT)
    assert staged.run("report", *reading).code == 0
    holder.communicate("done\n")


@pytest.mark.long
def test_a_writer_that_is_suspended_while_it_answers_is_noticed_too(tmp_path: Path, spawn: Spawn) -> None:
    StoreWriter.open(tmp_path).close()
    holder = spawn(HOLDS, tmp_path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    stop = "import os, signal, sys, time; time.sleep(1); os.kill(int(sys.argv[1]), signal.SIGSTOP)"
    spawn(stop, holder.pid)
    with pytest.raises(StoreError, match="suspended"):
        open_store(tmp_path).arrow("SELECT count(*) FROM range(100000000000) t(a) WHERE hash(a) = 1")
    assert flush_judgements(tmp_path) == 0
