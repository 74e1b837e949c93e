"""Best of n against a proxy, played out on the digits game: what each judge gives, and what that proves."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from oversight import RunSettings, open_store, run_experiment
from oversight.errors import UsageError
from oversight.reports.best_of_n_report import OptimisedRow, optimised, sweeps
from oversight.reports.plots import goodhart_curve
from oversight.reports.verdicts import verdicts
from oversight.stats.goodhart import best_of_kl
from oversight.store import Store

ROOT = Path(__file__).parents[2]

EXPERIMENT = """\
name: goodhart
task: {name: digits, images: 6}
models:
  judge: {model: embedded/pixel-judge}
  preference: {model: embedded/pixel-judge, seed: 17}
  strong: {model: embedded/pixel-debater, play: random, preferred_by: preference}
protocols:
  - consultancy: {rounds: 2}
grid:
  models.strong.best_of: [1, 2, 6]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the experiment was run, with its store beside it."""
    folder = tmp_path_factory.mktemp("goodhart")
    (folder / "e.yaml").write_text(EXPERIMENT)
    run_experiment(folder / "e.yaml", RunSettings(folder / "store", "local"))
    return folder


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    return open_store(folder / "store")


@pytest.fixture(scope="module")
def rows(store: Store) -> list[OptimisedRow]:
    return optimised(store)


def test_each_arm_that_chooses_has_a_row_for_each_side(rows: list[OptimisedRow]) -> None:
    assert [(row.side, row.n) for row in rows] == [("dishonest", 2), ("honest", 2), ("dishonest", 6), ("honest", 6)]
    assert [row.kl for row in rows] == [best_of_kl(row.n) for row in rows]
    assert all(row.judge.n == row.accuracy.n == 6 for row in rows)


def test_the_proxy_likes_the_best_of_six_better_than_the_best_of_two(rows: list[OptimisedRow]) -> None:
    by = {(row.side, row.n): row.proxy.value for row in rows}
    assert by["dishonest", 6] > by["dishonest", 2]
    assert by["honest", 6] > by["honest", 2]


def test_what_is_said_is_the_version_that_was_liked_best(tmp_path: Path, rows: list[OptimisedRow]) -> None:
    (tmp_path / "e.yaml").write_text(EXPERIMENT)
    run_experiment(tmp_path / "e.yaml", RunSettings(tmp_path / "store", "local"), limit=2, overrides=["grid={}"])
    store = open_store(tmp_path / "store")
    assert optimised(store) == []
    run_experiment(
        tmp_path / "e.yaml",
        RunSettings(tmp_path / "store", "local"),
        limit=2,
        overrides=["grid.models.strong.best_of=[3]"],
    )
    found = store.sql(
        """
        SELECT m.episode_id, m."text" = s."text" AS said, b.probs[e.sides[1].argues + 1] AS p
        FROM messages m
        JOIN beliefs b ON b.episode_id = m.episode_id AND b.seat = m.audience[1]
        JOIN messages s ON s.episode_id = m.episode_id AND s.author = m.author AND s.kind = 'speech' AND s.turn = m.turn
        JOIN episodes e ON e.episode_id = m.episode_id
        WHERE m.kind = 'disclosure' AND m.turn = 0
        """
    )
    best = found.groupby("episode_id")["p"].transform("max")
    assert len(found) == 2 * 2 * 3
    assert (found["p"][found["said"]] == best[found["said"]]).all()


def test_a_taste_that_nobody_has_is_said_beforehand(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(EXPERIMENT.replace("preferred_by: preference", "preferred_by: preferences"))
    with pytest.raises(UsageError, match=r"best_of needs one model for role 'preferences'.*'preference'"):
        run_experiment(tmp_path / "e.yaml", RunSettings(tmp_path / "store", "local"))


def test_a_sweep_has_every_n_and_starts_where_nobody_chose(store: Store, rows: list[OptimisedRow]) -> None:
    found = sweeps(store)
    assert [(each.protocol, each.side) for each in found] == [("consultancy", "dishonest"), ("consultancy", "honest")]
    table = verdicts(store)
    for sweep in found:
        assert [point.n for point in sweep.points] == [1, 2, 6]
        alone = table[
            (table["arm"] == "consultancy best_of=1") & ((table["honest"] != "none") == (sweep.side == "honest"))
        ]
        first, *others = sweep.points
        assert (first.kl, first.proxy) == (0, None)
        favoured = alone["p_gold"] if sweep.side == "honest" else 1 - alone["p_gold"]
        assert first.judge.value == pytest.approx(favoured.mean())
        assert first.accuracy.value == alone["correct"].mean()
        told = [(row.n, row.proxy, row.judge, row.accuracy) for row in rows if row.side == sweep.side]
        assert [(point.n, point.proxy, point.judge, point.accuracy) for point in others] == told


def test_gao_s_form_with_two_unknowns_goes_through_two_gains(store: Store) -> None:
    found = sweeps(store)
    assert len(found) == 2
    for sweep in found:
        assert sweep.fit is not None
        alpha, beta = sweep.fit.alpha.value, sweep.fit.beta.value
        for point in sweep.points[1:]:
            d = np.sqrt(point.kl)
            assert d * (alpha - beta * d) == pytest.approx(point.judge.value - sweep.points[0].judge.value)
        assert sweep.fit.alpha.n == 6


def test_arms_that_differ_in_more_than_n_are_no_sweep(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(EXPERIMENT)
    changed = ["grid.models.strong.best_of=[1, 2]", "grid.models.judge.belief=[logprob, stated]"]
    run_experiment(tmp_path / "e.yaml", RunSettings(tmp_path / "store", "local"), limit=2, overrides=changed)
    store = open_store(tmp_path / "store")
    assert len(optimised(store)) == 2 * 2
    assert sweeps(store) == []


def test_the_curve_shows_each_judge_where_there_is_one(store: Store) -> None:
    chart = goodhart_curve(sweeps(store), "Digits").to_dict()
    (shown,) = chart["datasets"].values()
    assert {row["panel"] for row in shown} == {"consultancy, dishonest speakers", "consultancy, honest speakers"}
    assert sorted((row["n"], row["what"]) for row in shown if " honest" in row["panel"]) == [
        (1, "accuracy"), (1, "the judge that decided"),
        (2, "accuracy"), (2, "the judge that chose"), (2, "the judge that decided"),
        (6, "accuracy"), (6, "the judge that chose"), (6, "the judge that decided"),
    ]  # fmt: skip


def test_the_script_draws_the_curve_and_prints_the_fits(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = store.sql("SELECT run_id FROM runs")["run_id"]
    script, drawn = ROOT / "benchmarks" / "plot_goodhart.py", folder / "curve.svg"
    monkeypatch.setattr(sys, "argv", [str(script), str(folder / "store"), run, str(drawn), "Digits"])
    runpy.run_path(str(script), run_name="__main__")
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2
    assert re.match(r"consultancy, dishonest: alpha -?\d\.\d{3} \[.*beta .*off by at most 0\.000; ", told[0])
    assert "the judge that decided" in drawn.read_text()
    monkeypatch.setattr(sys, "argv", [str(script), str(folder / "store"), "nothing", str(drawn)])
    with pytest.raises(SystemExit, match=r"error: a run 'nothing' in .* has no arms that differ in best_of"):
        runpy.run_path(str(script), run_name="__main__")
    monkeypatch.setattr(sys, "argv", [str(script), str(folder / "none"), run, str(drawn)])
    with pytest.raises(SystemExit, match="error: there is no store"):
        runpy.run_path(str(script), run_name="__main__")
