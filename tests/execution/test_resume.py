"""What finished is kept, and nothing that finished is run again (rule 7)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from cli.running import here

from execution.staging import ATTEMPTS, TWO, VERDICTS, Running, count, lay_out, rows
from oversight import RunSettings, run_experiment

pytestmark = pytest.mark.long

MOST = 24
"""Episodes that may end before a run is broken off; the next ones are in flight then, however slow the machine is."""


def local(store: Path) -> RunSettings:
    return RunSettings(store, engine="local")


def test_a_finished_run_makes_no_call_when_run_again(tmp_path: Path) -> None:
    experiment, store = lay_out(tmp_path / "e"), tmp_path / "store"
    first = run_experiment(experiment, local(store))
    calls = count(store, "calls")
    assert (first.already, first.driven.calls) == (0, calls)
    again = run_experiment(experiment, local(store))
    assert again.run_id == first.run_id
    assert (again.already, again.planned) == (first.planned, first.planned)
    assert (again.driven.judged, again.driven.calls, again.driven.failed) == (0, 0, [])
    assert count(store, "calls") == calls
    ran = here("run", experiment, "--engine", "local", "--store", store)
    assert ran.code == 0
    assert f"0 episodes run with 0 model calls; {first.planned} had been judged before" in ran.out


def test_an_arm_added_to_the_file_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    experiment, store = lay_out(tmp_path / "e", TWO), tmp_path / "store"
    first = run_experiment(experiment, local(store))
    experiment.write_text(experiment.read_text() + "  - debate: {rounds: 1}\n")
    more = run_experiment(experiment, local(store))
    assert (more.already, more.planned) == (first.planned, first.planned + 24)
    assert (more.driven.judged, more.driven.calls) == (24, 24 * 3)
    report = {
        row["arm"]: row for row in here("report", "--run", more.run_id, "--store", store, "--format", "json").rows
    }
    assert {arm: row["n"] for arm, row in report.items()} == {"ask": 12, "leaning": 12, "debate": 24}
    # Transcripts that the first run paid for are the second one's too.
    episode = rows(store, f"SELECT episode_id FROM results WHERE run_id = '{more.run_id}' AND arm = 'ask'")[0]
    assert "Make up your mind" in here("show", episode["episode_id"], "--prompts", "--store", store).out


def test_more_questions_and_repeats_run_just_those(tmp_path: Path) -> None:
    experiment, store = lay_out(tmp_path / "e", "  - direct\n"), tmp_path / "store"
    first = run_experiment(experiment, local(store), limit=4)
    whole = run_experiment(experiment, local(store))
    twice = run_experiment(experiment, local(store), repeats=2)
    assert [r.driven.judged for r in (first, whole, twice)] == [4, 8, 12]
    assert first.run_id == whole.run_id == twice.run_id
    (row,) = here("report", "--store", store, "--format", "json").rows
    assert (row["n"], row["n_asked"]) == (24, 24)


def test_a_failing_plugin_fails_its_episodes_and_only_those_are_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, store = lay_out(tmp_path / "e", TWO), tmp_path / "store"
    command = ("run", experiment, "--engine", "local", "--store", store)
    monkeypatch.setenv("OVERSIGHT_TEST_FAIL", "1")
    ran = here(*command)
    assert ran.code == 1
    failed = rows(store, "SELECT episode_id, arm, failure, detail FROM episodes WHERE status = 'failed'")
    bad = {row["episode_id"] for row in failed}
    assert 0 < len(bad) < 24 == count(store, "episodes")
    for row in failed:
        assert row["failure"] == "plugin"
        assert "Traceback" in row["detail"]
        assert "Told: failing as told" in row["detail"]
        assert 'raise Told("failing as told")' in row["detail"]  # the line itself, though the file has travelled
    listed = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert listed
    assert all("plugin" in line and "failing as told" in line for line in listed)
    assert "Traceback" not in ran.err
    report = {row["arm"]: row for row in here("report", "--store", store, "--format", "json").rows}
    assert sum(row["n_failed"] for row in report.values()) == len(bad)
    assert sum(row["n"] for row in report.values()) == 24 - len(bad)
    # What a failed episode was told is to be read, and what it paid is counted.
    shown = here("show", min(bad), "--store", store)
    assert "failing as told" in shown.out
    assert sum(row["calls"] for row in report.values()) == 24

    again = here(*command)
    assert again.code == 1
    # A call that is paid for is kept although its episode failed; what runs here costs nothing to ask again.
    asked = sum(row["arm"] == "ask" for row in failed)
    assert 0 < asked < len(bad)
    assert f"{len(bad)} episodes run with {asked} model calls; {24 - len(bad)} had been judged before" in again.out
    origins = rows(store, "SELECT origin, count(*) AS n FROM calls WHERE attempt = 1 GROUP BY 1 ORDER BY 1")
    assert origins == [{"origin": "kept", "n": len(bad) - asked}, {"origin": "made", "n": asked}]
    report = {row["arm"]: row for row in here("report", "--store", store, "--format", "json").rows}
    assert sum(row["calls"] for row in report.values()) == 24 + asked
    assert {row["episode_id"] for row in rows(store, "SELECT episode_id FROM episodes WHERE attempt = 1")} == bad

    monkeypatch.delenv("OVERSIGHT_TEST_FAIL")
    last = here(*command)
    assert last.code == 0
    judged = rows(store, "SELECT attempt, count(*) AS n FROM episodes WHERE status = 'judged' GROUP BY 1 ORDER BY 1")
    assert judged == [{"attempt": 0, "n": 24 - len(bad)}, {"attempt": 2, "n": len(bad)}]
    report = {row["arm"]: row for row in here("report", "--store", store, "--format", "json").rows}
    assert {arm: (row["n"], row["n_failed"]) for arm, row in report.items()} == {"ask": (12, 0), "leaning": (12, 0)}
    assert here(*command).code == 0
    assert count(store, "episodes") == 24 + 2 * len(bad)


def finish_and_compare(experiment: Path, store: Path, kept: list[dict[str, object]]) -> None:
    """Finish a run that was broken off: nothing kept is run again, and all is as if nothing had happened."""
    result = run_experiment(experiment, local(store))
    assert result.already == len(kept)
    assert result.driven.judged == result.planned - len(kept)
    attempts = rows(store, ATTEMPTS)
    assert len(attempts) == len({row["episode_id"] for row in attempts}) == result.planned
    assert {(row["attempt"], row["status"]) for row in attempts} == {(0, "judged")}
    assert all(row in attempts for row in kept)
    undisturbed = store.with_name("undisturbed")
    run_experiment(experiment, local(undisturbed))
    assert rows(store, VERDICTS) == rows(undisturbed, VERDICTS)
    assert count(store, "calls") == count(undisturbed, "calls")


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_an_interrupted_run_keeps_what_finished(tmp_path: Path, engine: str) -> None:
    experiment, store = lay_out(tmp_path / "e", TWO, images=80), tmp_path / "store"
    options = ("--engine", engine, "--concurrency", 4, "--store", store, *(("--workers", 1) if engine == "ray" else ()))
    run = Running(tmp_path, experiment, *options, BEGUN=tmp_path / "begun", MOST=MOST)
    run.until(lambda: count(store, "episodes") >= 8, "some episodes to be stored")
    run.interrupt()
    ran = run.ended(30)
    assert ran.code == 130, ran
    assert "interrupted: what finished is kept" in ran.err
    assert "Traceback" not in ran.err + ran.out
    kept = rows(store, ATTEMPTS)
    assert 8 <= len(kept) <= MOST
    assert {row["status"] for row in kept} == {"judged"}
    events = rows(store, "SELECT event FROM run_events ORDER BY event_at")
    assert [row["event"] for row in events] == ["started", "interrupted"]
    finish_and_compare(experiment, store, kept)


def test_a_killed_run_keeps_what_finished(tmp_path: Path) -> None:
    experiment, store = lay_out(tmp_path / "e", TWO, images=40), tmp_path / "store"
    options = ("--engine", "local", "--concurrency", 4, "--store", store)
    run = Running(tmp_path, experiment, *options, BEGUN=tmp_path / "begun", MOST=MOST)
    run.until(lambda: count(store, "episodes") >= 8, "some episodes to be stored")
    run.process.send_signal(signal.SIGKILL)
    assert run.ended().code == -signal.SIGKILL
    kept = rows(store, ATTEMPTS)
    assert 8 <= len(kept) <= MOST
    finish_and_compare(experiment, store, kept)
