"""Token counts that are not known, texts that a token limit cut off, and stores from before either had a place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import samples
from conftest import Spawn

from oversight.core.chat import CacheStatus
from oversight.core.message import Kind, Message
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.errors import StoreError
from oversight.store import Store, StoreWriter, open_store
from oversight.store.access import DATABASE

ITEM = samples.item(answers=2, gold=1)
TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens")


def stored(directory: Path, *batch: tuple[EpisodeSpec, EpisodeOutcome]) -> Store:
    with StoreWriter.open(directory) as writer:
        writer.begin(samples.run())
        writer.plan("r1", [(0, spec) for spec, _ in batch], [("cats", ITEM)])
        writer.write("r1", batch)
    return open_store(directory)


def rows(store: Store, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.arrow(query).to_pylist()
    return found


def unknown(number: int, **counts: int | None) -> Any:
    return samples.call(number).model_copy(update=dict.fromkeys(TOKENS) | counts)


def test_unknown_counts_and_marks_come_back_as_they_were_written(tmp_path: Path) -> None:
    spec = samples.spec(ITEM)
    outcome = samples.judged(spec, (0.25, 0.75), (unknown(0), unknown(1, prompt_tokens=7), samples.call(2)))
    thought = Message(author="a", audience=(), kind=Kind.REASONING, text="let me see", turn=0, branch=(0, 0), call=1)
    cut = outcome.messages[5].model_copy(update={"truncated": True})
    outcome = outcome.model_copy(update={"messages": (*outcome.messages[:5], thought, cut, *outcome.messages[6:])})
    assert stored(tmp_path, (spec, outcome)).transcript("e1").outcome == outcome


@pytest.mark.long
def test_a_sum_of_tokens_is_unknown_if_one_count_is_and_nothing_if_no_call_was_made(tmp_path: Path) -> None:
    known, partly, none, much = (samples.spec(ITEM, name) for name in ("known", "partly", "none", "much"))
    vast = [unknown(number, prompt_tokens=2**62, completion_tokens=1, cached_tokens=0) for number in range(3)]
    store = stored(
        tmp_path,
        (known, samples.judged(known, (0.25, 0.75))),
        (partly, samples.judged(partly, (0.25, 0.75), (samples.call(0), unknown(1, completion_tokens=5)))),
        (none, samples.judged(none, (0.25, 0.75), ())),
        (much, samples.judged(much, (0.25, 0.75), tuple(vast))),
    )
    expected = {"known": (300, 30, 180), "partly": (None, 15, None), "none": (0, 0, 0), "much": (None, 3, 0)}
    for view in ("results", "tally"):
        found = rows(store, f"SELECT episode_id, {', '.join(TOKENS)} FROM {view}")
        assert {row.pop("episode_id"): tuple(row.values()) for row in found} == expected, view
    spent = rows(store, "SELECT * FROM spending")
    assert {row["episode_id"]: row["prompt_tokens"] for row in spent} == {"known": 300, "partly": None, "much": None}


@pytest.mark.long
def test_calls_that_a_later_attempt_kept_leave_its_sum_known(tmp_path: Path) -> None:
    spec = samples.spec(ITEM)
    kept = unknown(0).model_copy(update={"origin": CacheStatus.RESUMED})
    store = stored(tmp_path, (spec, samples.judged(spec, (0.25, 0.75), (kept, samples.call(1)))))
    assert rows(store, "SELECT prompt_tokens, calls FROM tally") == [{"prompt_tokens": 100, "calls": 1}]
    assert rows(store, "SELECT prompt_tokens, n_calls FROM results") == [{"prompt_tokens": None, "n_calls": 2}]


@pytest.mark.long
def test_texts_that_were_cut_off_are_counted_by_the_side_of_who_wrote_them(tmp_path: Path) -> None:
    def told(spec: EpisodeSpec, *authors: str) -> tuple[EpisodeSpec, EpisodeOutcome]:
        """An episode in which each of these seats says one more thing, cut off."""
        outcome = samples.judged(spec, (0.25, 0.75))
        said = [
            Message(author=author, audience=None, kind=Kind.SPEECH, text="It was", truncated=True, words_cut=1)
            for author in authors
        ]
        part = Message(author="a", audience=("judge",), kind=Kind.DISCLOSURE, text="It was", truncated=True)
        thought = Message(author="a", audience=(), kind=Kind.REASONING, text="Was it", truncated=True)
        return spec, outcome.model_copy(update={"messages": (*outcome.messages, *said, part, thought)})

    # Seat b argues the right answer of the first two; of the third, in which answers are swapped, seat a does.
    first, second = samples.spec(ITEM, "e1"), samples.spec(ITEM, "e2")
    swapped = samples.spec(ITEM, "e3", order=(1, 0))
    again = first.model_copy(update={"attempt": 1})
    lost = told(first, "a", "a", "judge")[1].model_copy(
        update={"status": "failed", "verdict": None, "failure": "refused"}
    )
    store = stored(
        tmp_path, (first, lost), told(again, "a", "a", "b", "judge"), told(second, "a"), told(swapped, "a", "stranger")
    )
    found = rows(store, "SELECT side, messages, episodes FROM truncations ORDER BY side")
    assert [tuple(row.values()) for row in found] == [
        ("dishonest", 3, 2),
        ("honest", 2, 2),
        ("judge", 1, 1),
        ("stranger", 1, 1),
    ]
    (row,) = rows(store, "SELECT * FROM truncated_texts WHERE author = 'judge'")
    assert (row["episode_id"], row["attempt"], row["kind"], row["words_cut"]) == ("e1", 1, "speech", 1)


# --- stores from before

OLD_ROWS = """
import os, sys
from pathlib import Path
import duckdb
con = duckdb.connect(Path(sys.argv[1]) / "oversight.duckdb")
con.execute("PRAGMA disable_checkpoint_on_shutdown")
con.execute("PRAGMA wal_autocheckpoint = '1TB'")
for table in ("plan", "episodes", "messages", "beliefs", "calls", "annotations"):
    con.execute(f"INSERT INTO {table} SELECT * REPLACE ('e2' AS episode_id) FROM {table} WHERE episode_id = 'e1'")
os._exit(9)
"""

NEW_ROWS = """
import os, sys
from pathlib import Path
import samples, test_unknown_counts as here
from oversight.store import StoreWriter
spec = samples.spec(here.ITEM, "e3")
writer = StoreWriter.open(Path(sys.argv[1]))
writer.plan("r1", [(0, spec)], [])
writer.write("r1", [(spec, samples.judged(spec, (0.25, 0.75), (here.unknown(0),)))])
os._exit(9)
"""


@pytest.fixture
def of_schema_5(tmp_path: Path) -> Path:
    """A store with a judged episode, as the release before left it, and the same in one of this release."""
    spec = samples.spec(ITEM)
    stored(tmp_path / "new", (spec, samples.judged(spec, (0.25, 0.75))))
    samples.copy_as_version(5, tmp_path / "new", tmp_path / "old")
    return tmp_path / "old"


@pytest.mark.long
def test_a_store_of_schema_5_is_brought_up_to_date(of_schema_5: Path) -> None:
    new = open_store(of_schema_5.with_name("new"))
    with pytest.raises(StoreError, match=r"schema version 5.*any `oversight run`"):
        open_store(of_schema_5).transcript("e1")
    StoreWriter.open(of_schema_5).close()
    old = open_store(of_schema_5)
    assert old.transcript("e1") == new.transcript("e1")
    for view in ("spending", "outcomes", "scored", "results", "tally", "accuracy", "faults", "truncations", "rejudged"):
        upgraded, fresh = (each.arrow(f"SELECT * FROM {view}") for each in (old, new))
        assert (upgraded.column_names, upgraded.to_pylist()) == (fresh.column_names, fresh.to_pylist()), view
    assert rows(old, "SELECT DISTINCT truncated FROM messages") == [{"truncated": False}]


@pytest.mark.long
def test_an_upgrade_loses_nothing_to_processes_that_are_killed_before_and_after_it(
    of_schema_5: Path, spawn: Spawn
) -> None:
    assert spawn(OLD_ROWS, of_schema_5).wait(60) == 9
    assert (of_schema_5 / f"{DATABASE}.wal").stat().st_size > 0
    process = spawn(NEW_ROWS, of_schema_5)
    assert process.wait(60) == 9, process.stderr and process.stderr.read()
    StoreWriter.open(of_schema_5).close()
    store = open_store(of_schema_5)
    assert store.transcript("e2").outcome.messages == store.transcript("e1").outcome.messages
    found = rows(store, "SELECT episode_id, prompt_tokens FROM results ORDER BY episode_id")
    assert [tuple(row.values()) for row in found] == [("e1", 300), ("e2", 300), ("e3", None)]


@pytest.mark.long
def test_an_upgrade_that_fails_leaves_schema_5(of_schema_5: Path) -> None:
    with duckdb.connect(of_schema_5 / DATABASE) as con:
        con.execute("CREATE VIEW truncations AS SELECT 1 AS somebodys_own")
    with pytest.raises(StoreError, match="truncations"):
        StoreWriter.open(of_schema_5)
    with duckdb.connect(of_schema_5 / DATABASE) as con:
        assert con.execute("SELECT max(version) FROM schema_version").fetchall() == [(5,)]
        assert con.execute("SELECT is_nullable FROM duckdb_columns() WHERE column_name = 'cached_tokens'").fetchall()[
            0
        ] == (False,)
