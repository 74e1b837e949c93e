"""What a store says of rounds: accuracies, their intervals, and how much of the gap to the ceiling is won."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

from oversight.reports.rounds_report import RoundAccuracy, RoundRow, accuracies, rounds
from oversight.store import RunRow, Store, StoreWriter, open_store

Scores = dict[str, tuple[int, int]]


def begin(writer: StoreWriter, run_id: str) -> None:
    writer.begin(RunRow(run_id, run_id, {"name": run_id}, {}, 0, datetime.now(UTC), "0"))


def evaluated(writer: StoreWriter, run_id: str, round: int, *parts: tuple[str, Scores], **more: Any) -> None:
    listed = [
        {"who": who, "part": part, "correct": correct, "n": n}
        for part, scores in parts
        for who, (correct, n) in scores.items()
    ]
    writer.round(run_id, round, "evaluated", {**more, "scores": listed})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with StoreWriter.open(tmp_path) as writer:
        for run_id in ("b", "a"):
            begin(writer, run_id)
        # Written out of order, as nobody promises any.
        writer.round("a", 2, "amplified", {"difficulty": 3, "agreement": 0.25, "model": {}})
        writer.round("a", 2, "distilled", {"rows": 70, "difficulty": 9, "model": "m"})
        evaluated(writer, "a", 2, ("overall", {"alone": (18, 20), "amplified": (19, 20)}))
        writer.round("a", 1, "distilled", {"rows": 60})
        easy, hard = {"alone": (8, 10), "ceiling": (9, 10)}, {"alone": (4, 10), "ceiling": (7, 10)}
        overall: Scores = {"alone": (12, 20), "amplified": (15, 20), "ceiling": (16, 20)}
        evaluated(writer, "a", 1, ("3", hard), ("1", easy), ("overall", overall))
        evaluated(writer, "a", 0, ("overall", {"alone": (8, 20), "amplified": (10, 20)}))
        evaluated(writer, "b", 0, ("overall", {"alone": (5, 5), "ceiling": (4, 5)}))
        writer.round("b", 1, "amplified", {"episodes": 3})
    return open_store(tmp_path)


def test_each_round_by_hand(store: Store) -> None:
    first, second, third, other = rounds(store)
    # Nothing was known of a ceiling when X_0 was tested; from round 1 on it is 0.8, and X_0 had 0.4.
    assert first == RoundRow("a", 0, 20, 0.4, 0.5, None, None, None, None, None)
    assert second == RoundRow("a", 1, 20, 0.6, 0.75, 0.8, pytest.approx(0.5), None, None, 60)
    assert third == RoundRow("a", 2, 20, 0.9, 0.95, 0.8, pytest.approx(1.25), 3, 0.25, 70)
    # A ceiling below X_0 leaves no gap to recover.
    assert other == RoundRow("b", 0, 5, 1.0, None, 0.8, None, None, None, None)


def test_only_the_runs_that_are_asked_for(store: Store) -> None:
    assert {row.run for row in rounds(store, ["b"])} == {row.run for row in accuracies(store, ["b"])} == {"b"}
    assert {row.run for row in accuracies(store, ["a", "b"])} == {"a", "b"}
    assert rounds(store, ["none"]) == accuracies(store, ["none"]) == []


def test_intervals_are_wilson_s(store: Store) -> None:
    found = accuracies(store)
    assert len(found) == 2 + 2 + 3 + 4 + 2
    for row in found:
        low, high = proportion_confint(row.correct, row.n, method="wilson")
        assert row.accuracy == row.correct / row.n
        assert (row.low, row.high) == (pytest.approx(low), pytest.approx(high))
    of_second = [(row.who, row.part) for row in found if (row.run, row.round) == ("a", 1)]
    assert of_second == [
        *(("alone", "overall"), ("alone", "1"), ("alone", "3"), ("amplified", "overall")),
        *(("ceiling", "overall"), ("ceiling", "1"), ("ceiling", "3")),
    ]


@pytest.mark.parametrize(
    ("scores", "pgr"),
    [
        pytest.param({"alone": (5, 10), "ceiling": (5, 10)}, None, id="no gap"),
        pytest.param({"alone": (5, 10), "ceiling": (0, 0)}, None, id="a ceiling of nothing"),
        pytest.param({"alone": (0, 0), "ceiling": (5, 10)}, None, id="X_0 of nothing"),
        pytest.param({"ceiling": (5, 10)}, None, id="no X_0"),
        pytest.param({"alone": (5, 10)}, None, id="no ceiling"),
        pytest.param({"alone": (2, 10), "ceiling": (6, 10)}, 0.5, id="a gap"),
        pytest.param({"alone": (6, 10), "ceiling": (8, 10)}, -1.0, id="lost"),
    ],
)
def test_there_is_no_share_of_a_gap_that_is_none(tmp_path: Path, scores: Scores, pgr: float | None) -> None:
    with StoreWriter.open(tmp_path) as writer:
        begin(writer, "r")
        evaluated(writer, "r", 0, ("overall", scores))
        evaluated(writer, "r", 1, ("overall", {"alone": (4, 10), "amplified": (0, 0)}))
    _, last = rounds(open_store(tmp_path))
    assert last.pgr == (None if pgr is None else pytest.approx(pgr))
    assert (last.alone, last.amplified, last.n) == (0.4, None, 10)


def test_x_0_has_recovered_nothing_of_a_gap(tmp_path: Path) -> None:
    with StoreWriter.open(tmp_path) as writer:
        begin(writer, "r")
        evaluated(writer, "r", 0, ("overall", {"alone": (2, 10), "ceiling": (6, 10)}))
    (row,) = rounds(open_store(tmp_path))
    assert row.pgr == 0.0


def test_nothing_asked_has_no_share_and_no_interval(tmp_path: Path) -> None:
    with StoreWriter.open(tmp_path) as writer:
        begin(writer, "r")
        evaluated(writer, "r", 0, ("overall", {"alone": (0, 0)}))
    assert accuracies(open_store(tmp_path)) == [RoundAccuracy("r", 0, "alone", "overall", 0, 0, None, None, None)]


def test_a_store_without_rounds_has_none(tmp_path: Path) -> None:
    with StoreWriter.open(tmp_path) as writer:
        begin(writer, "r")
        writer.round("r", 0, "evaluated", {"episodes": 3})
        writer.round("r", 1, "distilled", {"scores": [{"who": "alone", "part": "overall", "correct": 1, "n": 1}]})
    assert rounds(open_store(tmp_path)) == accuracies(open_store(tmp_path)) == []
