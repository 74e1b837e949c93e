"""Each phase of a round is stored once, and a store from before there were rounds is brought up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import samples

from oversight.errors import StoreError
from oversight.store import StoreWriter, open_store
from oversight.store.access import DATABASE
from oversight.store.schema import VERSION

SCORES = [
    {"who": "alone", "part": "overall", "correct": 3, "n": 4},
    {"who": "ceiling", "part": "2", "correct": 1, "n": 2},
]


def found(store: Path, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = open_store(store).arrow(query).to_pylist()
    return rows


def test_a_phase_is_stored_once_and_stays_as_it_was(tmp_path: Path) -> None:
    data = {"model": {"model": "m", "n": [1, None]}, "rows": 3, "left_out": {"undecided": 1}, "words": "é\x00“"}
    with StoreWriter.open(tmp_path) as writer:
        writer.begin(samples.run())
        assert writer.rounds("r1") == {}
        writer.round("r1", 1, "distilled", data)
        writer.round("r1", 1, "distilled", {"rows": 4})
        writer.round("r1", 1, "amplified", {})
        writer.round("r2", 1, "distilled", {"rows": 5})
        held = writer.rounds("r1")
        assert held.keys() == {(1, "distilled"), (1, "amplified")}
        assert held[1, "distilled"] | {"words": ""} == data | {"words": ""}
        assert writer.rounds("r2") == {(1, "distilled"): {"rows": 5}}
        assert writer.rounds("r3") == {}
    (row,) = found(tmp_path, "SELECT count(*) AS n, count(DISTINCT ended_at) AS times FROM rounds")
    assert row == {"n": 3, "times": 3}
    with StoreWriter.open(tmp_path) as writer:
        writer.round("r1", 1, "distilled", {"rows": 6})
        assert writer.rounds("r1")[1, "distilled"]["rows"] == 3


def test_there_are_three_phases(tmp_path: Path) -> None:
    with StoreWriter.open(tmp_path) as writer:
        with pytest.raises(StoreError, match="phase"):
            writer.round("r1", 1, "polished", {})
        assert writer.rounds("r1") == {}
        writer.round("r1", 0, "evaluated", {})  # it goes on


def test_scores_are_rows_of_evaluated_phases(tmp_path: Path) -> None:
    with StoreWriter.open(tmp_path) as writer:
        writer.round("r1", 0, "evaluated", {"scores": SCORES, "episodes": 6})
        writer.round("r1", 1, "evaluated", {"scores": []})
        writer.round("r1", 2, "evaluated", {})
        writer.round("r1", 1, "distilled", {"scores": SCORES})
    rows = found(tmp_path, "SELECT run_id, round, who, part, correct, n FROM round_scores ORDER BY who")
    assert rows == [{"run_id": "r1", "round": 0, **score} for score in SCORES]


@pytest.fixture
def of_schema_3(tmp_path: Path) -> Path:
    """A store with a judged episode, as the release before left it."""
    old, new = tmp_path / "old", tmp_path / "new"
    item = samples.item()
    spec = samples.spec(item)
    with StoreWriter.open(new) as writer:
        writer.begin(samples.run())
        writer.plan("r1", [(0, spec)], [("cats", item)])
        writer.write("r1", [(spec, samples.judged(spec, (0.75, 0.25)))])
    samples.copy_as_version(3, new, old)
    return old


def test_a_store_of_schema_3_is_brought_up_to_date(of_schema_3: Path) -> None:
    assert VERSION >= 4
    with pytest.raises(StoreError, match=r"schema version 3.*any `oversight run`"):
        open_store(of_schema_3).transcript("e1")
    with StoreWriter.open(of_schema_3) as writer:
        assert writer.judged(["e1"]) == {"e1"}
        assert writer.rounds("r1") == {}
        writer.round("r1", 0, "evaluated", {"scores": SCORES})
    assert len(found(of_schema_3, "SELECT * FROM round_scores")) == 2
    assert open_store(of_schema_3).transcript("e1") == open_store(of_schema_3.with_name("new")).transcript("e1")


def test_an_upgrade_that_fails_leaves_schema_3(of_schema_3: Path) -> None:
    with duckdb.connect(of_schema_3 / DATABASE) as con:
        con.execute("CREATE VIEW round_scores AS SELECT 1 AS somebodys_own")
    with pytest.raises(StoreError, match="round_scores"):
        StoreWriter.open(of_schema_3)
    with duckdb.connect(of_schema_3 / DATABASE) as con:
        assert con.execute("SELECT max(version) FROM schema_version").fetchall() == [(3,)]
        assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'rounds'").fetchall() == [(0,)]
