"""The page Runs: what it says of each run, and what when there is none."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from store import samples
from streamlit.testing.v1 import AppTest

from dashboard.browsing import boxes, kinds, opened, said
from dashboard.conftest import Kept, watch
from oversight.store import RunRow, StoreWriter


def test_every_run_is_listed_with_its_progress(kept: Kept) -> None:
    table = opened("runs").dataframe[0].value
    by_id = table.set_index("id")
    assert set(by_id.index) == {kept.quickstart, kept.tree, kept.steps, kept.talk}
    assert set(by_id["status"]) == {"finished"}
    assert by_id.loc[kept.quickstart, ["judged", "failed", "planned", "done"]].tolist() == [15, 0, 15, 100]


def test_a_link_opens_one_run_with_its_arms(kept: Kept) -> None:
    at = opened("runs", run=kept.quickstart)
    arms = at.dataframe[1].value
    assert list(arms["arm"]) == ["direct", "consultancy", "debate"]
    assert list(arms["judged"]) == [3, 6, 6]
    assert "15 judged" in said(at)


def test_a_click_chooses_a_run(kept: Kept) -> None:
    at = opened("runs")
    rows = list(at.dataframe[0].value["id"])
    at.session_state[f"runs-{len(rows)}"] = {
        "selection": {"rows": [], "columns": [], "cells": [[rows.index(kept.tree), "run"]]}
    }
    at.run()
    assert at.query_params["run"] == kept.tree
    assert list(at.dataframe[1].value["protocol"]) == ["amplification"]


def test_a_link_to_a_run_that_is_gone_says_so(kept: Kept) -> None:
    assert "no run of that name" in opened("runs", run="gone").warning[0].value


def test_the_curve_of_an_iterated_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StoreWriter.open(tmp_path) as writer:
        writer.begin(RunRow("r", "iterated", {}, {}, 0, datetime.now(UTC), "0.1.0"))
        for round in range(3):
            scores = [{"who": "alone", "part": "overall", "correct": 10 + round, "n": 20}]
            writer.round("r", round, "evaluated", {"scores": scores})
    watch(tmp_path, monkeypatch)
    assert opened("runs", run="r").dataframe[0].value["status"].tolist() == ["stopped"]
    at = opened("results", run="r")
    assert len(at.get("vega_lite_chart") or at.get("arrow_vega_lite_chart")) == 1
    assert at.dataframe[0].value["alone"].tolist() == [0.5, 0.55, 0.6]


def test_a_run_without_episodes_says_its_round_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StoreWriter.open(tmp_path) as writer:
        writer.begin(RunRow("r", "iterated", {}, {}, 0, datetime.now(UTC), "0.1.0"))
        for round in range(3):
            writer.round("r", round, "distilled", {})
    watch(tmp_path, monkeypatch)
    at = opened("runs", run="r")
    assert at.dataframe[0].value[["judged", "failed", "planned"]].isna().all(axis=None)
    assert "round 2" in said(at)
    assert "0 judged" not in said(at)


def test_a_run_that_is_being_written_shows_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(tmp_path, monkeypatch)
    hold = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from store import samples; from oversight.store import StoreWriter\n"
        "item = samples.item(); done, todo = samples.spec(item, 'e1'), samples.spec(item, 'e2')\n"
        "with StoreWriter.open(Path(sys.argv[1])) as writer:\n"
        "    writer.begin(samples.run()); writer.plan('r1', [(0, done), (0, todo)], [('cats', item)])\n"
        "    writer.event('r1', 'started'); writer.write('r1', [(done, samples.judged(done, (0.7, 0.3)))])\n"
        "    print('ready', flush=True); sys.stdin.read()\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", hold, tmp_path],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        at = opened("runs")
        assert at.dataframe[0].value["status"].tolist() == ["running"]
        assert "1 of 2 episodes" in said(at)
        assert kinds(boxes(at), "card")
    finally:
        writer.communicate("")
    again = opened("runs")
    assert again.dataframe[0].value["status"].tolist() == ["stopped"]
    assert not kinds(boxes(again), "card")


def test_what_failed_before_is_to_come_again_and_a_run_that_was_killed_stays_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(tmp_path, monkeypatch)
    item = samples.item()
    tried, todo = samples.spec(item, "e1"), samples.spec(item, "e2")
    with StoreWriter.open(tmp_path) as writer:
        writer.begin(samples.run("killed"))
        writer.event("killed", "started")
        writer.begin(samples.run())
        writer.plan("r1", [(0, tried), (0, todo)], [("cats", item)])
        writer.event("r1", "started")
        before = {"started_at": datetime.now(UTC) - timedelta(minutes=1), "failure": "context_length"}
        writer.write("r1", [(tried, samples.failed(tried).model_copy(update=before))])
        writer.event("r1", "finished")
        ended = opened("runs", run="r1")
        assert dict(zip(*_two(ended, "id", "status"), strict=True)) == {"r1": "finished", "killed": "stopped"}
        assert [ended.dataframe[1].value["failed"].sum(), "1 failed" in said(ended)] == [1, True]
        assert "context length: 1" in said(ended)
        writer.event("r1", "started")
        st.cache_data.clear()
        again = opened("runs", run="r1")
        assert dict(zip(*_two(again, "id", "status"), strict=True)) == {"r1": "running", "killed": "stopped"}
        assert "0 of 2 episodes" in said(again)
        assert again.dataframe[1].value["failed"].sum() == 0


def _two(at: AppTest, *columns: str) -> list[list[str]]:
    return [at.dataframe[0].value[name].tolist() for name in columns]
