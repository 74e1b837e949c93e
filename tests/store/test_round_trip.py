from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import samples

from oversight.core.message import Kind, Message, chat_history
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.question import Item
from oversight.core.verdict import Verdict
from oversight.errors import StoreError
from oversight.store import StoreWriter, open_store

ITEM = samples.item(answers=2, gold=1)
SPEC = samples.spec(ITEM, order=(1, 0), assignment=(1, None))


def stored(directory: Path, *batch: tuple[EpisodeSpec, EpisodeOutcome], item: Item = ITEM, run_id: str = "r1") -> None:
    with StoreWriter.open(directory) as writer:
        writer.begin(samples.run(run_id))
        writer.plan(run_id, [(0, spec) for spec, _ in batch], [("cats", item)])
        writer.write(run_id, batch)


def counts(directory: Path) -> dict[str, int]:
    with duckdb.connect(directory / "oversight.duckdb", read_only=True) as con:
        tables = [name for (name,) in con.sql("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {name: con.table(name).count("*").fetchall()[0][0] for name in tables}


@pytest.mark.parametrize("live", [True, False], ids=["socket", "file"])
def test_an_episode_comes_back_exactly_as_it_was_written(tmp_path: Path, live: bool) -> None:
    outcome = samples.judged(SPEC, (0.3, 0.7))
    stored(tmp_path, (SPEC, outcome))
    writer = StoreWriter.open(tmp_path) if live else None
    transcript = open_store(tmp_path).transcript("e1")
    if writer:
        writer.close()

    assert transcript.spec == SPEC
    assert transcript.outcome == outcome
    assert (transcript.run_id, transcript.gold) == ("r1", 0)
    for seat in ("judge", "a", "b"):
        assert chat_history(seat, transcript.messages) == chat_history(seat, outcome.messages)


def test_a_failed_attempt_comes_back_too_and_the_judged_one_is_preferred(tmp_path: Path) -> None:
    again = SPEC.model_copy(update={"attempt": 1})
    first, second = samples.failed(SPEC, (samples.call(0, failure="refused"),)), samples.judged(again, None)
    stored(tmp_path, (SPEC, first), (again, second))

    store = open_store(tmp_path)
    assert store.transcript("e1").outcome == second
    assert store.transcript("e1", attempt=0).outcome == first
    with pytest.raises(StoreError, match="holds no episode e1, attempt 2"):
        store.transcript("e1", attempt=2)


def test_the_material_is_stored_once(tmp_path: Path) -> None:
    stored(tmp_path, (SPEC, samples.judged(SPEC, (0.3, 0.7))))
    texts = open_store(tmp_path).arrow("SELECT text FROM messages WHERE kind = 'material' ORDER BY idx")
    assert texts.column("text").to_pylist() == [None, "The cat sat"]


def test_a_belief_that_no_message_holds_is_still_the_final_one(tmp_path: Path) -> None:
    outcome = samples.judged(SPEC, (0.3, 0.7))
    pooled = outcome.model_copy(update={"verdict": Verdict(belief=samples.belief((0.9, 0.1)))})
    stored(tmp_path, (SPEC, pooled))
    store = open_store(tmp_path)
    assert store.transcript("e1").outcome == pooled
    assert store.sql("SELECT p_gold FROM results")["p_gold"].tolist() == [0.9]


def test_half_a_surrogate_pair_costs_one_character_and_not_the_batch(tmp_path: Path) -> None:
    outcome = samples.judged(SPEC, (0.3, 0.7))
    broken = Message(author="a", audience=None, kind=Kind.SPEECH, text="x\ud83dy")
    stored(tmp_path, (SPEC, outcome.model_copy(update={"messages": (broken, *outcome.messages)})))
    assert open_store(tmp_path).transcript("e1").messages[0].text == "x?y"


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    outcome = samples.judged(SPEC, (0.3, 0.7))
    stored(tmp_path, (SPEC, outcome), (SPEC, outcome))
    once = counts(tmp_path)
    stored(tmp_path, (SPEC, outcome))
    assert counts(tmp_path) == once
    assert once["episodes"] == once["plan"] == once["questions"] == once["runs"] == 1
    assert once["messages"] == 10

    stored(tmp_path, (SPEC, outcome), run_id="r2")
    twice = counts(tmp_path)
    assert (twice["runs"], twice["plan"], twice["episodes"], twice["messages"]) == (2, 2, 1, 10)


def test_the_writer_knows_what_is_judged_and_how_often_each_was_tried(tmp_path: Path) -> None:
    other = samples.spec(ITEM, "e2")
    again = other.model_copy(update={"attempt": 1})
    stored(tmp_path, (SPEC, samples.judged(SPEC, None)), (other, samples.failed(other)), (again, samples.failed(again)))
    with StoreWriter.open(tmp_path) as writer:
        assert writer.judged({"e1", "e2", "e3"}) == {"e1"}
        assert writer.attempts(["e1", "e2", "e3"]) == {"e1": 1, "e2": 2}
        assert writer.judged([]) == set()


def test_a_runs_status_is_its_latest_event(tmp_path: Path) -> None:
    with StoreWriter.open(tmp_path) as writer:
        writer.begin(samples.run())
        writer.event("r1", "started")
        writer.event("r1", "finished", {"episodes": 3})
    latest = "SELECT arg_max(event, event_at) AS status FROM run_events WHERE run_id = ?"
    assert open_store(tmp_path).sql(latest, ["r1"])["status"].tolist() == ["finished"]


def test_a_judged_outcome_without_verdict_is_refused_whole(tmp_path: Path) -> None:
    bad = samples.judged(SPEC, (0.3, 0.7)).model_copy(update={"verdict": None})
    other = samples.spec(ITEM, "e2")
    with StoreWriter.open(tmp_path) as writer:
        with pytest.raises(StoreError, match="e1: exactly a judged outcome has a verdict"):
            writer.write("r1", [(other, samples.failed(other)), (SPEC, bad)])
        assert writer.attempts(["e1", "e2"]) == {}
