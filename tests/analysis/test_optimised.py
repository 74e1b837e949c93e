"""Best of n against a proxy, played out on the digits game: what each judge gives, and what that proves."""

from __future__ import annotations

from pathlib import Path

import pytest

from oversight import RunSettings, open_store, run_experiment
from oversight.analysis.optimised import OptimisedRow, optimised
from oversight.errors import UsageError
from oversight.measures.goodhart import best_of_kl

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
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[OptimisedRow]:
    folder = tmp_path_factory.mktemp("goodhart")
    (folder / "e.yaml").write_text(EXPERIMENT)
    run_experiment(folder / "e.yaml", RunSettings(folder / "store", "local"))
    return optimised(open_store(folder / "store"))


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
