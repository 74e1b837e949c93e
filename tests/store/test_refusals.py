"""What a store refuses, and in which words."""

from __future__ import annotations

import datetime
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import samples

from oversight.errors import StoreError
from oversight.store import VERSION, Store, StoreWriter, open_store


@pytest.fixture(scope="module", params=["socket", "file"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with one run in it, read both ways; no test can change it."""
    directory = tmp_path_factory.mktemp("store")
    with StoreWriter.open(directory) as writer:
        writer.begin(samples.run())
        if request.param == "socket":
            yield open_store(directory)
    if request.param == "file":
        yield open_store(directory)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DELETE FROM runs", "exactly one SELECT, not DELETE"),
        ("CREATE TABLE x (a INTEGER)", "exactly one SELECT, not CREATE"),
        ("COPY runs TO '/tmp/x.csv'", "exactly one SELECT, not COPY"),
        ("ATTACH '/tmp/x.duckdb'", "exactly one SELECT, not ATTACH"),
        ("SET threads = 1", "exactly one SELECT, not SET"),
        ("SELECT 1; SELECT 2", "exactly one SELECT, not SELECT and SELECT"),
        ("SELECT 1; DELETE FROM runs", "exactly one SELECT, not SELECT and DELETE"),
        ("", "exactly one SELECT, not nothing"),
        ("WITH gone AS (DELETE FROM runs RETURNING *) SELECT * FROM gone", "read-only"),
        ("SELECT * FROM read_csv('/etc/passwd')", "file system operations are disabled"),
        ("SELECT * FROM read_text('/etc/passwd')", "file system operations are disabled"),
        ("SELECT * FROM glob('/etc/*')", "file system operations are disabled"),
        ("SELECT * FROM '/etc/passwd'", "does not exist"),
        ("SELECT nothing FROM runs", "nothing"),
        ("SELECT ?", "param"),
        ("SELEC 1", "syntax error"),
    ],
)
def test_only_one_select_that_stays_in_the_store(store: Store, sql: str, why: str) -> None:
    with pytest.raises(StoreError, match=why) as refusal:
        store.arrow(sql)
    assert "\n" not in str(refusal.value)
    assert store.sql("SELECT name FROM runs")["name"].tolist() == ["a test"]


def test_parameters_are_bound_and_never_read_as_sql(store: Store) -> None:
    nasty = "'; DROP TABLE runs; --"
    query = "SELECT ? AS text, ?::INTEGER AS number, ? AS nothing, list_contains(?, 'b') AS inside"
    assert store.arrow(query, (nasty, 3, None, ["a", "b"])).to_pylist() == [
        {"text": nasty, "number": 3, "nothing": None, "inside": True}
    ]


def test_both_ways_take_the_same_parameters(store: Store) -> None:
    moment: Any = datetime.date(2026, 11, 21)
    with pytest.raises(StoreError, match="texts, numbers"):
        store.arrow("SELECT ?", (moment,))


def test_an_empty_answer_keeps_its_columns(store: Store) -> None:
    table = store.arrow("SELECT run_id, seed FROM runs WHERE false")
    assert (table.num_rows, table.column_names) == (0, ["run_id", "seed"])


def test_a_missing_store_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"no store in {tmp_path}.*oversight run"):
        open_store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_reading_creates_nothing(tmp_path: Path) -> None:
    StoreWriter.open(tmp_path).close()
    open_store(tmp_path).arrow("SELECT * FROM results")
    assert [path.name for path in tmp_path.iterdir()] == ["oversight.duckdb"]


def test_a_newer_schema_is_refused_by_both(tmp_path: Path) -> None:
    StoreWriter.open(tmp_path).close()
    with duckdb.connect(tmp_path / "oversight.duckdb") as con:
        con.execute("INSERT INTO schema_version VALUES (?, now())", [VERSION + 1])
    with pytest.raises(StoreError, match=f"schema version {VERSION + 1}.*upgrade oversight"):
        StoreWriter.open(tmp_path)
    with pytest.raises(StoreError, match=f"schema version {VERSION + 1}.*upgrade oversight"):
        open_store(tmp_path).arrow("SELECT 1")


def test_a_database_without_the_schema_is_said_to_be_one(tmp_path: Path) -> None:
    duckdb.connect(tmp_path / "oversight.duckdb").close()
    with pytest.raises(StoreError, match="schema version 0"):
        open_store(tmp_path).arrow("SELECT 1")


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "oversight.duckdb").write_text("not a database" * 1000)
    for attempt in (lambda: StoreWriter.open(tmp_path), lambda: open_store(tmp_path).arrow("SELECT 1")):
        with pytest.raises(StoreError, match="not a valid DuckDB database file") as refusal:
            attempt()
        assert "\n" not in str(refusal.value)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=f"store {tmp_path}/file/store: "):
        StoreWriter.open(tmp_path / "file" / "store")


def test_a_full_disk_costs_the_batch_and_not_the_store(tmp_path: Path) -> None:
    item = samples.item(gold=1)
    specs = [samples.spec(item, f"e{n}") for n in range(40)]
    noise = os.urandom(40_000).hex()
    batch = [(spec, samples.failed(spec).model_copy(update={"detail": noise + spec.episode_id})) for spec in specs]
    was_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    was_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with StoreWriter.open(tmp_path) as writer:
        writer.write("r1", batch[:1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, was_limit[1]))
        try:
            with pytest.raises(StoreError, match=f"store {tmp_path}.*File too large") as refusal:
                writer.write("r1", batch[1:])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, was_limit)
            signal.signal(signal.SIGXFSZ, was_handler)
        assert "\n" not in str(refusal.value)
        assert writer.attempts([spec.episode_id for spec in specs]) == {"e0": 1}
        assert writer.write("r1", batch) == 39
    assert len(open_store(tmp_path).sql("SELECT * FROM episodes")) == 40
