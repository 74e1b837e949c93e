"""Ratings out of a store, and what is printed of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from importers.writing import brought, line

from oversight.cli.output import Format
from oversight.cli.ratings_table import print_ratings
from oversight.errors import UsageError
from oversight.reports.ratings_report import RatingRow, ratings
from oversight.reports.verdicts import verdicts
from oversight.stats.ratings import debates, rate

WEAK, STRONG = "weak", "strong"


def game(number: int, right: str, wrong: str, *, won: bool, **changes: Any) -> dict[str, Any]:
    """A debate in which the seat bob, who is ``right``, argues for the truth."""
    p = 0.8 if won else 0.3
    calls = [{"seat": "alice", "model": wrong}, {"seat": "bob", "model": right}]
    verdict = {"probs": [1 - p, p], "source": "logprob"}
    return line(number, question=f"Question {number // 4}?", calls=calls, verdict=verdict, beliefs=None, **changes)


def even() -> list[dict[str, Any]]:
    """Games of each against each: every result occurs, the strong player wins more."""
    pairs = [(right, wrong) for right in (STRONG, WEAK) for wrong in (STRONG, WEAK)]
    wins = {(STRONG, STRONG): 6, (STRONG, WEAK): 7, (WEAK, STRONG): 3, (WEAK, WEAK): 5}
    played = [(pair, nth % 8 < wins[pair]) for nth in range(24) for pair in pairs]
    return [game(number, *pair, won=won) for number, (pair, won) in enumerate(played)]


def test_ratings_of_a_store_are_those_of_its_verdicts(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, *even())
    rows = ratings(store, times=50)
    expected = rate(debates(verdicts(store)), times=50).ratings
    assert {f"{row.player} ({row.side})": row.rating for row in rows} == {k: v.value for k, v in expected.items()}
    assert [(row.player, row.side, row.n) for row in rows] == [
        (STRONG, "right", 48), (WEAK, "right", 48), (STRONG, "wrong", 48), (WEAK, "wrong", 48),
    ]  # fmt: skip
    assert all(row.low is not None and row.low < (row.rating or 0) < (row.high or 0) for row in rows)
    assert {row.interval for row in rows} == {"cluster bootstrap, 24 clusters"}
    together = ratings(store, sided=False, times=50)
    assert [(row.player, row.side) for row in together] == [(STRONG, None), (WEAK, None)]


def test_games_that_went_one_way_have_rows_that_say_so(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, *(game(number, STRONG, WEAK, won=True) for number in range(6)))
    rows = ratings(store)
    assert [(row.player, row.side, row.n, row.rating) for row in rows] == [
        (STRONG, "right", 6, None), (WEAK, "wrong", 6, None),
    ]  # fmt: skip
    assert all("went one way only" in str(row.problem) for row in rows)
    finite = ratings(store, prior=1, times=20)
    assert [row.problem for row in finite] == [None, None]
    assert "1 draws" in finite[0].method


def test_a_seat_without_a_call_makes_no_game_and_the_row_says_why(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, line(calls=[{"seat": "alice", "model": "x"}]))
    (row,) = ratings(store)
    assert (row.player, row.rating, row.n) == (None, None, 0)
    assert "1 of 1 two-sided verdicts lack the model of a seat" in str(row.problem)
    store, _ = brought(tmp_path / "alone", line(sides=None, protocol="direct"))
    (row,) = ratings(store)
    assert row.problem == "no game: no verdict counts in which two seats argue"


def test_groups_are_rated_by_themselves(tmp_path: Path) -> None:
    one_way = [game(number, STRONG, WEAK, won=True, judge="other") for number in range(100, 104)]
    store, _ = brought(tmp_path, *even(), *one_way)
    rows = ratings(store, by=["judge"], times=20)
    assert {(row.group["judge"], row.problem is None) for row in rows} == {("gpt-4", True), ("other", False)}
    with pytest.raises(UsageError, match=r"ratings by juge: no such column.*judge"):
        ratings(store, by=["juge"])
    with pytest.raises(UsageError, match="not -1"):
        ratings(store, prior=-1)


ROWS = [
    RatingRow(
        run="r", group={"judge": "j"}, player="m", side="right", rating=1040.4, n=9, low=1000.0, high=1090.0,
        interval="cluster bootstrap, 24 clusters", method="maximum likelihood", problem=None,
    ),
    RatingRow(
        run="r", group={"judge": "k"}, player="m", side="wrong", rating=None, n=2, low=None, high=None,
        interval="none: no rating", method="", problem="no finite ratings: x",
    ),
    RatingRow(
        run="s", group={"judge": "k"}, player=None, side=None, rating=None, n=0, low=None, high=None,
        interval="none: no rating", method="", problem="no game: y",
    ),
]  # fmt: skip


def test_ratings_are_printed_in_four_forms(capsys: pytest.CaptureFixture[str]) -> None:
    print_ratings(ROWS, Format.JSON)
    found = json.loads(capsys.readouterr().out)
    assert [row["rating"] for row in found] == [1040.4, None, None]
    assert found[2] | {"problem": "no game: y", "judge": "k", "player": None} == found[2]
    print_ratings(ROWS, Format.CSV)
    read = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["player"], row["judge"], row["problem"]) for row in read][:2] == [
        ("m", "j", ""), ("m", "k", "no finite ratings: x"),
    ]  # fmt: skip
    print_ratings(ROWS, Format.MARKDOWN)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| run | judge | player | argues for | games | rating [95 %] |"
    assert lines[2:] == [
        "| r | j | m | the right answer | 9 | 1040 [1000, 1090] |", "| r | k | m | a wrong answer | 2 |  |",
    ]  # fmt: skip
    print_ratings(ROWS, Format.TABLE)
    shown = capsys.readouterr().out
    assert "mean over the players of a run and group is 1000" in shown
    assert "Ratings: maximum likelihood. Intervals: cluster bootstrap, 24 clusters." in shown
    assert "r / k: no finite ratings: x." in shown
    assert "s / k: no game: y." in shown
