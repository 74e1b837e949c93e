"""What is wrong with a store is said in one line, and what it holds is there afterwards."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
import samples
from cli.running import full_disk
from conftest import Spawn

from oversight import RunSettings, run_experiment
from oversight.cli import main
from oversight.errors import StoreError
from oversight.store import VERSION, StoreWriter, open_store

DATABASE, CALLS_FILE = "oversight.duckdb", "calls.sqlite"
QUESTIONS = 6

PAID = '''\
"""A model that costs something and notes each call that it answers."""

from pathlib import Path

from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply


class Paid(ChatModel):
    """Says much and prefers the first."""

    async def chat(self, request):
        with Path("calls.txt").open("a") as notes:
            notes.write("x")
        probs = dict.fromkeys(request.choices, 0.5)
        return ChatReply(text="A " + "long " * 40_000, choice_probs=probs, provider="test", cost_usd=0.25)
'''

SPEAK = '''\
"""Says much, and is judged."""

from oversight import Protocol


class Speak(Protocol):
    """Speak, then decide."""

    name = "speak"
    roles = ("judge",)

    async def run(self, episode):
        judge = episode.seat("judge")
        await judge.speak("plead")
        return await judge.decide("plead")
'''


class Ran(NamedTuple):
    """A command's exit code, and what it left on the terminal."""

    code: int
    out: str
    err: str

    def complaint(self) -> str:
        """The one line that there is, with exit code 2."""
        assert self.code == 2, self
        assert "Traceback" not in self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert self.err.endswith(line + "\n"), self.err
        return line.removeprefix("error: ")


Run = Callable[..., Ran]


@pytest.fixture
def oversight(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["oversight", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main()
        return Ran(int(done.value.code or 0), *capsys.readouterr())

    return run


def lay_out(folder: Path) -> Path:
    (folder / "paid.py").write_text(PAID)
    (folder / "speak.py").write_text(SPEAK)
    (folder / "prompts").mkdir()
    for name in ("judge", "plead"):
        (folder / "prompts" / f"{name}.j2").write_text("Please.")
    rows = [{"id": f"q{n}", "prompt": f"{n}?", "answers": ["mill", "port"], "gold": 0} for n in range(QUESTIONS)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "e.yaml"
    path.write_text(
        "name: faults\ntask: {name: table, path: rows.jsonl}\nmodels:\n  judge: ./paid.py:Paid\n"
        "protocols: [./speak.py:Speak]\n"
    )
    return path


class Staged(NamedTuple):
    """An experiment in a folder, half of it run."""

    folder: Path
    run: Run
    command: tuple[object, ...]

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def calls(self) -> int:
        """How many calls were answered so far."""
        return len((self.folder / "calls.txt").read_text())

    def judged(self) -> list[tuple[str, int]]:
        rows = open_store(self.store).arrow("SELECT episode_id, attempt FROM results ORDER BY ALL").to_pylist()
        return [(row["episode_id"], row["attempt"]) for row in rows]

    def finish(self) -> None:
        """What was stored is still there, and the rest can be had."""
        before = self.judged()
        result = run_experiment(self.folder / "e.yaml", RunSettings(self.store, engine="local"))
        assert (result.already, result.driven.failed, result.driven.stopped) == (len(before), [], None)
        assert set(before) < set(self.judged())
        assert len(self.judged()) == QUESTIONS


@pytest.fixture(scope="module")
def half_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `staged` copies."""
    folder = tmp_path_factory.mktemp("half")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = run_experiment(lay_out(folder), RunSettings(folder / "store", engine="local"), limit=QUESTIONS // 2)
    assert result.driven.judged == QUESTIONS // 2
    return folder


@pytest.fixture
def staged(half_run: Path, tmp_path: Path, oversight: Run, monkeypatch: pytest.MonkeyPatch) -> Staged:
    folder = tmp_path / "e"
    shutil.copytree(half_run, folder)
    monkeypatch.chdir(folder)
    return Staged(folder, oversight, ("run", folder / "e.yaml", "--engine", "local", "--store", folder / "store"))


@pytest.mark.long
@pytest.mark.parametrize("room", [0, 300_000, 900_000])
def test_a_disk_that_fills_up_ends_a_run_and_costs_at_most_the_calls_in_flight(staged: Staged, room: int) -> None:
    before, paid = staged.judged(), staged.calls
    with full_disk(room):
        ran = staged.run(*staged.command, "--concurrency", 1)
    assert ran.code in (1, 2), ran
    assert "Traceback" not in ran.err
    (line,) = [line for line in ran.err.splitlines() if line.startswith(("error: ", "stopped: "))]
    assert str(staged.store) in line
    assert before == [row for row in staged.judged() if row in before]
    staged.finish()
    # Two calls an episode; one may have been made as the disk was full, and one as the run began anew.
    assert staged.calls <= 2 * QUESTIONS + 1
    assert staged.calls > paid


@pytest.mark.long
def test_a_newer_schema_is_refused_by_every_command(staged: Staged) -> None:
    (episode, _), *_ = staged.judged()
    with duckdb.connect(staged.store / DATABASE) as con:
        con.execute("INSERT INTO schema_version VALUES (?, now())", [VERSION + 1])
    reading = ("--store", staged.store)
    for command in (staged.command, ("report", *reading), ("show", episode, *reading), ("sql", "SELECT 1", *reading)):
        assert f"schema version {VERSION + 1}" in staged.run(*command).complaint()
    with duckdb.connect(staged.store / DATABASE) as con:
        con.execute("DELETE FROM schema_version WHERE version > ?", [VERSION])
    staged.finish()


HOLDS = """
import sys, pathlib
from oversight.store import StoreWriter
with StoreWriter.open(pathlib.Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.readline()
"""


def test_a_second_run_on_a_store_is_refused_and_names_the_first(staged: Staged, spawn: Spawn) -> None:
    holder = spawn(HOLDS, staged.store)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    paid = staged.calls
    complaint = staged.run(*staged.command).complaint()
    assert f"in use by process {holder.pid}: wait until it ends" in complaint
    assert staged.calls == paid
    assert staged.run("report", "--store", staged.store).code == 0  # reading goes on
    holder.communicate("done\n")
    staged.finish()


@pytest.mark.long
@pytest.mark.parametrize("damage", ["overwritten", "cut", "scribbled"])
def test_a_damaged_database_is_said_to_be_one_and_left_alone(staged: Staged, damage: str) -> None:
    path = staged.store / DATABASE
    whole = path.read_bytes()
    damaged = {
        "overwritten": b"no database" * 2000,
        "cut": whole[: len(whole) // 3],
        "scribbled": b"\xff" * 12_288 + whole[12_288:],
    }[damage]
    path.write_bytes(damaged)
    paid = staged.calls
    for command in (staged.command, ("report", "--store", staged.store)):
        assert str(staged.store) in staged.run(*command).complaint()
    assert path.read_bytes() == damaged
    assert staged.calls == paid
    path.write_bytes(whole)
    staged.finish()


@pytest.mark.long
def test_a_damaged_record_of_calls_is_said_to_be_one_and_transcripts_are_read(staged: Staged) -> None:
    path = staged.store / CALLS_FILE
    path.write_bytes(b"no database" * 2000)
    paid = staged.calls
    complaint = staged.run(*staged.command).complaint()
    assert f"{path}: file is not a database" in complaint
    assert staged.calls == paid
    assert staged.run("report", "--store", staged.store).code == 0
    complaint = staged.run(*staged.command[:-1], staged.folder / "new", "--replay", staged.store).complaint()
    assert f"{path}: file is not a database" in complaint
    path.unlink()  # deleting it loses no transcript
    staged.finish()


@pytest.mark.long
def test_a_record_of_calls_from_a_newer_release_is_refused(staged: Staged) -> None:
    con = sqlite3.connect(staged.store / CALLS_FILE)
    con.execute("PRAGMA user_version = 7")
    con.close()
    assert "newer release: upgrade oversight" in staged.run(*staged.command).complaint()


# Nothing of the user's own, which would be tried in a process that this user may not start.
PLAIN = """
name: plain
task: {name: digits, images: 1}
models: {judge: embedded/pixel-judge}
protocols: [direct]
"""
AS_NOBODY = """
import contextlib, io, json, os, sys
from oversight import RunSettings, run_experiment
from oversight.cli import main

def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["oversight", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as done:
        return [int(done.code or 0), out.getvalue(), err.getvalue()]

run("run", "plain.yaml", "--engine", "local", "--store", "other")
for command in (["report"], ["show", "x"], ["sql", "SELECT 1"]):
    run(*command, "--store", "store")
os.setgid(65534); os.setuid(65534)
print(json.dumps([
    run("report", "--store", "store", "--format", "json"),
    run("run", "plain.yaml", "--engine", "local", "--store", "store"),
    run("run", "plain.yaml", "--engine", "local", "--store", "new"),
]))
"""


@pytest.mark.long
@pytest.mark.skipif(os.getuid() != 0, reason="needs to become somebody else")
def test_a_store_that_may_only_be_read_is_read_and_not_run_on(staged: Staged) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(staged.folder, folder, dirs_exist_ok=True)
        Path(folder, "plain.yaml").write_text(PLAIN)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)  # by default a store is its owner's alone
        before = {path.name: path.read_bytes() for path in Path(folder, "store").iterdir()}
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY], cwd=folder, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        read, run, fresh = (Ran(*each) for each in json.loads(done.stdout))
        assert {path.name: path.read_bytes() for path in Path(folder, "store").iterdir()} == before
    assert read.code == 0, read
    assert json.loads(read.out)[0]["n"] == QUESTIONS // 2
    assert "store" in run.complaint()
    assert "new" in fresh.complaint()
    staged.finish()


TABLES = ("runs", "run_events", "plan", "questions", "episodes", "messages", "beliefs", "calls", "annotations")
VIEWS = ("spending", "outcomes", "scored", "results", "tally", "accuracy")


@pytest.fixture
def old_and_new(tmp_path: Path) -> tuple[Path, Path]:
    """A store as the first release left it, and one of this release with the same in it."""
    old, new = tmp_path / "old", tmp_path / "new"
    items = [samples.item(n, gold=n % 2) for n in range(4)]
    specs = [samples.spec(item, f"e{n}") for n, item in enumerate(items)]
    outcomes = [
        samples.judged(specs[0], (0.75, 0.25)),
        samples.judged(specs[1], None),
        samples.judged(specs[2], (0.25, 0.75), calls=(samples.call(0, cost=None),)),
        samples.failed(specs[3], calls=(samples.call(0), samples.call(1, failure="refused"))),
    ]
    with StoreWriter.open(new) as writer:
        writer.begin(samples.run())
        writer.event("r1", "started")
        writer.plan("r1", [(0, spec) for spec in specs], [("cats", item) for item in items])
        writer.write("r1", list(zip(specs, outcomes, strict=True)))
        writer.event("r1", "finished", {"judged": 3})
    samples.copy_as_version(1, new, old)
    return old, new


@pytest.mark.long
def test_a_store_of_the_first_release_is_brought_up_to_date_and_all_of_it_is_read(
    old_and_new: tuple[Path, Path], oversight: Run
) -> None:
    old, new = old_and_new
    for command in (("report",), ("show", "e0"), ("sql", "SELECT 1")):
        complaint = oversight(*command, "--store", old).complaint()
        assert f"schema version 1, this release of oversight needs {VERSION}: any `oversight run`" in complaint
    before = (old / DATABASE).read_bytes()
    with pytest.raises(StoreError, match="schema version 1"):
        open_store(old).transcript("e0")
    assert (old / DATABASE).read_bytes() == before  # reading changes nothing

    StoreWriter.open(old).close()
    for name in (*TABLES, *VIEWS, "faults", "rejudged"):
        upgraded, fresh = (open_store(each).arrow(f"SELECT * FROM {name} ORDER BY ALL") for each in (old, new))
        assert upgraded.to_pylist() == fresh.to_pylist(), name
        assert upgraded.column_names == fresh.column_names
    assert {row["origin"] for row in open_store(old).arrow("SELECT origin FROM calls").to_pylist()} == {"made"}
    for episode in ("e0", "e1", "e2", "e3"):
        assert open_store(old).transcript(episode) == open_store(new).transcript(episode)
    (row,) = json.loads(oversight("report", "--store", old, "--format", "json").out)
    assert (row["n"], row["n_failed"], row["n_abstained"]) == (2, 1, 1)
    # It goes on from there like any other.
    item = samples.item(9)
    with StoreWriter.open(old) as writer:
        spec = samples.spec(item, "e9")
        writer.plan("r1", [(0, spec)], [("cats", item)])
        assert writer.write("r1", [(spec, samples.judged(spec, (1.0, 0.0)))]) == 1
    assert len(open_store(old).arrow("SELECT * FROM results")) == 4


@pytest.mark.long
def test_an_upgrade_that_fails_leaves_the_old_store_as_it_was(old_and_new: tuple[Path, Path], oversight: Run) -> None:
    old, _ = old_and_new
    with duckdb.connect(old / DATABASE) as con:
        con.execute("CREATE VIEW faults AS SELECT 1 AS somebodys_own")
    with pytest.raises(StoreError, match="faults") as refused:
        StoreWriter.open(old)
    assert "\n" not in str(refused.value)
    with duckdb.connect(old / DATABASE) as con:
        assert con.execute("SELECT max(version) FROM schema_version").fetchall() == [(1,)]
        assert con.execute("SELECT count(*) FROM episodes").fetchall() == [(4,)]
        con.execute("DROP VIEW faults")
    StoreWriter.open(old).close()
    assert len(open_store(old).arrow("SELECT * FROM results")) == 3
