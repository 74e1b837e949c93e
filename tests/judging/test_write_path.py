"""A judgement is durable once it is saved, whoever holds the database, and stored once."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import warnings
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oversight.errors import StoreError
from oversight.store import VERSION, JudgementInbox, StoreWriter, flush_judgements, open_store
from oversight.store.access import DATABASE
from oversight.store.query_server import DONE, HEADER, SOCKET

from . import staging
from .conftest import Spawn

pytestmark = pytest.mark.long

# A run that writes an episode after another until it is killed or told to stop.
WRITER = """
import sys, pathlib, select
from judging import staging
from oversight.store import StoreWriter
with StoreWriter.open(pathlib.Path(sys.argv[1])) as writer:
    print("open", flush=True)
    number = 1000
    while not select.select([sys.stdin], [], [], 0)[0]:
        item = staging.item(number)
        spec = staging.spec(item, f"w{number}")
        staging.add(writer, [(item, spec, staging.debate(spec))])
        number += 1
"""

# A dashboard: judges so many transcripts as one person, and says the id of each when it is saved.
JUDGE = """
import sys, pathlib
from judging import staging
at = staging.session(pathlib.Path(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    print(staging.judge_next(at, 0.3, 0.7).judgement_id, flush=True)
    if sys.argv[4] == "deliver":
        at.flush()
if sys.argv[4] != "deliver":
    sys.stdin.readline()
"""


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    said = process.stdout.readline().strip()
    assert said, process.communicate()[1]
    return said


def ended(process: subprocess.Popen[str], say: str = "") -> str:
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(say)
    process.stdin.flush()
    # `communicate` would pass over the lines that `line` left in the buffer.
    out, err = process.stdout.read(), process.stderr.read()
    assert (process.wait(60), err) == (0, "")
    return out


def test_two_dashboards_judge_while_a_run_writes(tmp_path: Path, spawn: Spawn) -> None:
    staging.lay_out(tmp_path, 5)
    run = spawn(WRITER, tmp_path)
    assert line(run) == "open"
    judges = [spawn(JUDGE, tmp_path, name, 4, "deliver") for name in ("calm-otter-1", "keen-wren-2")]
    saved = sorted(name for judge in judges for name in ended(judge).split()[1:])
    assert len(set(saved)) == 8
    assert run.poll() is None, "the run was over before they judged"
    assert staging.stored(tmp_path) == saved  # while the run still writes
    assert ended(run, "stop\n") == ""
    assert staging.stored(tmp_path) == saved
    assert JudgementInbox(tmp_path).pending() == []


def test_runs_come_and_go_while_a_person_judges_and_none_is_refused(tmp_path: Path, spawn: Spawn) -> None:
    staging.lay_out(tmp_path, 8)
    judge = spawn(JUDGE, tmp_path, "calm-otter-1", 5, "deliver")
    assert line(judge) == "ready"
    number = 1000
    while judge.poll() is None:
        with StoreWriter.open(tmp_path) as writer:  # raises if the dashboard stands in the way
            item = staging.item(number)
            spec = staging.spec(item, f"w{number}")
            staging.add(writer, [(item, spec, staging.debate(spec))])
        number += 1
    saved = ended(judge).split()
    flush_judgements(tmp_path)
    assert staging.stored(tmp_path) == sorted(saved)
    assert len(saved) == 5
    assert number > 1001


def test_a_dashboard_killed_between_saving_and_delivering_loses_nothing(tmp_path: Path, spawn: Spawn) -> None:
    staging.lay_out(tmp_path)
    judge = spawn(JUDGE, tmp_path, "calm-otter-1", 2, "keep")
    assert line(judge) == "ready"
    saved = [line(judge), line(judge)]
    judge.send_signal(signal.SIGKILL)
    judge.wait()
    assert staging.stored(tmp_path) == []
    StoreWriter.open(tmp_path).close()  # the next run, say
    assert staging.stored(tmp_path) == sorted(saved)
    assert flush_judgements(tmp_path) == 0
    assert len(staging.stored(tmp_path)) == 2


def test_a_killed_run_loses_no_judgement_that_it_took(tmp_path: Path, spawn: Spawn) -> None:
    staging.lay_out(tmp_path, 6)
    saved = []
    judge = spawn(JUDGE, tmp_path, "calm-otter-1", 6, "deliver")
    assert line(judge) == "ready"
    for _ in range(2):
        run = spawn(WRITER, tmp_path)
        assert line(run) == "open"
        saved += [line(judge), line(judge)]
        run.send_signal(signal.SIGKILL)
        run.wait()
    saved += ended(judge).split()
    flush_judgements(tmp_path)
    assert staging.stored(tmp_path) == sorted(saved)
    assert len(saved) == 6


def test_what_was_delivered_and_not_noted_is_stored_once(tmp_path: Path) -> None:
    staging.lay_out(tmp_path)
    judgement = staging.judge_next(staging.session(tmp_path), 0.3, 0.7)
    with StoreWriter.open(tmp_path) as writer:
        writer.judge([judgement])
        assert flush_judgements(tmp_path) == 0
    with sqlite3.connect(JudgementInbox(tmp_path).path) as inbox:
        inbox.execute("DELETE FROM delivered")
    inbox.close()
    assert flush_judgements(tmp_path) == 0
    assert staging.stored(tmp_path) == [judgement.judgement_id]


def test_what_a_person_said_is_stored_as_it_was_said(tmp_path: Path) -> None:
    staging.lay_out(tmp_path, 1)
    at = staging.session(tmp_path)
    assignment, _ = at.next()
    assert assignment is not None
    at.show(assignment, 0)
    at.show(assignment, 0)  # a reload
    assert at.believe(assignment, 0, None)
    assert at.finish(assignment) is None
    at.show(assignment, 1)
    assert at.believe(assignment, 1, [1.0, 3.0], " because\x00 ")
    assert not at.believe(assignment, 1, [3.0, 1.0])
    assert at.finish(assignment) is not None
    assert at.flush() == 0
    (row,) = open_store(tmp_path).arrow("SELECT * FROM judgements").to_pylist()
    held = json.loads(row.pop("beliefs"))
    assert [(each["part"], each["probs"], each["resumed"]) for each in held] == [(0, None, 1), (1, [0.25, 0.75], 0)]
    assert row["seconds"] == pytest.approx(sum(each["seconds"] for each in held))
    assert json.loads(row["settings"]) == {"feedback": False, "mode": "stepped"}
    wanted = {"kind": "human", "judge": "calm-otter-1", "mode": "stepped", "probs": [0.25, 0.75], "labels": None}
    wanted |= {"explanation": "because\x00", "cost_usd": None, "status": "judged", "episode_id": "e0", "attempt": 0}
    assert {name: row[name] for name in wanted} == wanted
    (scored,) = open_store(tmp_path).arrow("SELECT * FROM rejudged").to_pylist()
    assert (scored["kind"], scored["correct"], scored["first_correct"]) == ("human", False, True)
    assert open_store(tmp_path).arrow("SELECT part, p_gold FROM human_beliefs ORDER BY part").to_pylist() == [
        {"part": 0, "p_gold": None},
        {"part": 1, "p_gold": 0.25},
    ]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["judge", "other", "finish again", "deliver", "open", "running"]), max_size=7))
def test_nothing_is_lost_or_stored_twice_in_whatever_order_things_happen(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    directory = staging.lay_out(tmp_path_factory.mktemp("store"), 4)
    saved: dict[str, str] = {}
    for step in steps:
        name = "keen-wren-2" if step == "other" else "calm-otter-1"
        at = staging.session(directory, name)
        if step in ("judge", "other") and at.next()[0] is not None:
            judgement = staging.judge_next(at, 0.4, 0.6)
            saved[judgement.judgement_id] = judgement.episode_id
        elif step == "finish again":
            for assignment, done in JudgementInbox(directory).of_judge(name):
                assert done
                at.finish(assignment)
        elif step == "deliver":
            assert at.flush() == 0
        elif step == "open":
            StoreWriter.open(directory).close()
        elif step == "running":
            with StoreWriter.open(directory):
                at.flush()
                assert staging.stored(directory) == sorted(saved)
    flush_judgements(directory)
    assert staging.stored(directory) == sorted(saved)


def ask(directory: Path, request: Any) -> tuple[bytes, str]:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(directory / SOCKET))
        client.sendall(json.dumps(request).encode() + b"\n")
        with client.makefile("rb") as answer:
            kind, size = HEADER.unpack(answer.read(HEADER.size))
            return kind, answer.read(size).decode()


def test_a_run_takes_judgements_of_people_and_nothing_else(tmp_path: Path) -> None:
    staging.lay_out(tmp_path)
    judgement = staging.judge_next(staging.session(tmp_path), 0.3, 0.7)
    good = judgement.model_dump(mode="json")
    bad: list[Any] = [
        {"judgements": [good], "sql": "DELETE FROM runs"},
        {"sql": "DELETE FROM runs"},
        {"judgements": good},
        {"judgements": ["DELETE FROM runs"]},
        {"judgements": [good | {"surprise": 1}]},
        {"judgements": [good | {"kind": "model", "mode": None}]},
        {"judgements": [good | {"judge": "Robert'); DROP TABLE runs"}]},
        {"judgements": [good | {"belief": good["belief"] | {"probs": [0.9, 0.9]}}]},
        ["INSERT INTO judgements SELECT * FROM judgements", []],
        "judgements",
    ]
    with StoreWriter.open(tmp_path) as writer:
        assert staging.stored(tmp_path) == [judgement.judgement_id]  # taken in as it was opened
        before = open_store(tmp_path).arrow("SELECT * FROM judgements").to_pylist()
        for request in bad:
            kind, words = ask(tmp_path, request)
            assert kind != DONE, request
            assert "\n" not in words
        assert ask(tmp_path, {"judgements": [good]})[0] == DONE
        assert open_store(tmp_path).arrow("SELECT * FROM judgements").to_pylist() == before
        assert writer.judged(["e0"]) == {"e0"}


def test_a_store_of_a_newer_release_keeps_the_judgement_and_says_what_to_do(tmp_path: Path) -> None:
    staging.lay_out(tmp_path)
    judgement = staging.judge_next(staging.session(tmp_path), 0.3, 0.7)
    with duckdb.connect(tmp_path / DATABASE) as con:
        con.execute("INSERT INTO schema_version VALUES (?, now())", [VERSION + 1])
    with pytest.raises(StoreError, match="upgrade oversight"):
        flush_judgements(tmp_path)
    with duckdb.connect(tmp_path / DATABASE) as con:
        con.execute("DELETE FROM schema_version WHERE version > ?", [VERSION])
    assert flush_judgements(tmp_path) == 0
    assert staging.stored(tmp_path) == [judgement.judgement_id]


def test_a_ledger_that_cannot_be_written_says_what_to_do_and_stops_no_run(tmp_path: Path) -> None:
    staging.lay_out(tmp_path)
    path = JudgementInbox(tmp_path).path
    path.write_bytes(b"no database" * 500)
    with pytest.raises(StoreError, match="copy the store to where you may write") as refusal:
        staging.session(tmp_path).next()
    assert "\n" not in str(refusal.value)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        StoreWriter.open(tmp_path).close()
    assert ["wait for a later run" in str(each.message) for each in said] == [True]
    path.unlink()
    path.mkdir()  # what even the superuser, as whom these tests may run, cannot open
    with pytest.raises(StoreError, match="make its folder and file writable"):
        staging.session(tmp_path).next()


def test_a_ledger_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    staging.lay_out(tmp_path)
    with sqlite3.connect(JudgementInbox(tmp_path).path) as con:
        con.execute("PRAGMA user_version = 99")
    con.close()
    with pytest.raises(StoreError, match="upgrade oversight"):
        staging.session(tmp_path).next()


def test_a_run_makes_no_ledger(tmp_path: Path) -> None:
    staging.lay_out(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [DATABASE]
    assert flush_judgements(tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == [DATABASE]
