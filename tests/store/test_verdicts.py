"""The verdicts table against episodes written by hand, and every measure on a real run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import samples

from oversight.core.belief import Belief
from oversight.core.chat import CallRecord
from oversight.core.message import Kind, Message
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec, Judgement
from oversight.reports.report_measures import measured
from oversight.reports.verdicts import judgements, verdicts
from oversight.stats.scores import bits_per_round
from oversight.store import Store, StoreWriter, open_store

TWO = samples.item(2, answers=2, gold=0)
THREE = samples.item(3, answers=3, gold=2)


def speech(author: str, turn: int, text: str, audience: tuple[str, ...] | None = None) -> Message:
    return Message(author=author, audience=audience, kind=Kind.SPEECH, text=text, turn=turn)


def held(probs: tuple[float, ...] | None, turn: int | None = None) -> Message:
    return Message(author="judge", audience=(), kind=Kind.BELIEF, text="", turn=turn, belief=samples.belief(probs))


def call(number: int, seat: str, model: str) -> CallRecord:
    return samples.call(number).model_copy(update={"seat": seat, "model": model})


def spoken(spec: EpisodeSpec, probs: tuple[float, ...] | None, *said: Message) -> EpisodeOutcome:
    """The sample episode with other words in it."""
    last = Message(author="judge", audience=None, kind=Kind.VERDICT, text="", belief=samples.belief(probs), call=3)
    made = (call(0, "a", "big"), call(1, "b", "big2"), call(2, "judge", "tiny"))
    return samples.judged(spec, probs, made).model_copy(update={"messages": (*said, last)})


def stored(directory: Path, *episodes: tuple[EpisodeSpec, EpisodeOutcome]) -> Store:
    with StoreWriter.open(directory) as writer:
        writer.begin(samples.run())
        writer.plan("r1", [(0, spec) for spec, _ in episodes], [("cats", TWO), ("cats", THREE)])
        writer.write("r1", list(episodes))
    return open_store(directory)


def test_a_debate_by_hand(tmp_path: Path) -> None:
    # The gold answer, stored first, is presented second, as B; seat b argues it.
    spec = samples.spec(TWO, order=(1, 0), assignment=(0, 1))
    outcome = spoken(
        spec,
        (0.2, 0.8),
        held((0.6, 0.4)),
        speech("a", 0, "The answer is A."),
        speech("b", 0, "They say the answer is not B. Answer: B"),
        speech("judge", 0, "Why?"),
        held((0.5, 0.5), 0),
        speech("a", 1, "1234567890"),
        speech("b", 1, "whispered", ("judge",)),
        held(None, 1),
    )
    (row,) = verdicts(stored(tmp_path, (spec, outcome))).to_dict("records")
    assert (row["run"], row["arm"], row["question"], row["cluster"]) == ("r1", "debate", TWO.key, "story")
    assert (row["gold"], row["chosen"], row["p_gold"], row["correct"], row["honest"]) == (1, 1, 0.8, True, "b")
    assert row["probs"] == [0.2, 0.8]
    assert (row["seats"], row["argues"], row["defends"]) == (["a", "b"], [0, 1], [1, 0])
    assert row["models"] == ["big", "big2"]
    assert (row["chars"], row["named"]) == ([26, 39], [0, 1])
    assert np.isnan(row["assigned"])
    assert (row["rounds"], row["prior"], row["beliefs"]) == (2, 0.4, [0.4, 0.5, None])
    assert (row["calls"], row["cost_usd"], row["counts"]) == (3, 1.5, True)
    found = bits_per_round(verdicts(open_store(tmp_path)))
    assert found is not None
    assert found.value == pytest.approx(1 / 2)  # from 0.4 to 0.8 in two rounds


def test_what_is_void_tied_abstained_or_alone(tmp_path: Path) -> None:
    tied, abstained, lone = (
        samples.spec(TWO, name, assignment=assignment)
        for name, assignment in (("tied", ()), ("abstained", (0, 1)), ("lone", (1,)))
    )
    void = samples.spec(THREE, "void", assignment=(0, 1))
    free = samples.spec(THREE, "free", assignment=(2, None))
    store = stored(
        tmp_path,
        (tied, spoken(tied, (0.5, 0.5))),
        (abstained, spoken(abstained, None)),
        (lone, spoken(lone, (0.3, 0.7), speech("a", 0, "It is so."))),
        (void, spoken(void, (0.2, 0.3, 0.5))),
        (free, spoken(free, (0.2, 0.4, 0.4))),
    )
    rows = {row["episode"]: row for row in verdicts(store).to_dict("records")}
    assert (rows["tied"]["tie"], rows["tied"]["correct"], rows["tied"]["counts"]) == (True, False, True)
    assert (rows["tied"]["seats"], rows["tied"]["rounds"], rows["tied"]["beliefs"]) == ([], 0, [])
    assert (rows["abstained"]["abstained"], rows["abstained"]["counts"]) == (True, False)
    assert rows["abstained"]["probs"] is None
    assert np.isnan([rows["abstained"]["p_gold"], rows["abstained"]["chosen"], rows["tied"]["chosen"]]).all()
    assert (rows["lone"]["assigned"], rows["lone"]["honest"], rows["lone"]["named"]) == (1, "none", [None])
    assert (rows["void"]["void"], rows["void"]["counts"]) == (True, False)
    assert (rows["free"]["argues"], rows["free"]["tie"]) == ([2, None], True)


def test_failed_and_pending_episodes_are_not_in_it_and_runs_can_be_named(tmp_path: Path) -> None:
    judged, failed = samples.spec(TWO, "judged"), samples.spec(TWO, "failed")
    store = stored(tmp_path, (judged, samples.judged(judged, (0.9, 0.1))), (failed, samples.failed(failed)))
    assert verdicts(store, ["r1"])["episode"].tolist() == ["judged"]
    empty = verdicts(store, ["other"])
    assert (len(empty), "probs" in empty.columns) == (0, True)
    assert measured(store, ["other"]) == []


def test_judgements_of_others_stand_beside_the_first(tmp_path: Path) -> None:
    spec = samples.spec(TWO, "e1")
    store = stored(tmp_path, (spec, samples.judged(spec, (0.9, 0.1))))
    other = Judgement(
        judgement_id="x",
        episode_id="e1",
        attempt=0,
        judge="other",
        settings={"model": "other"},
        judged_at=samples.judged(spec, (1, 0)).started_at,
        status="judged",
        belief=Belief(probs=(0.2, 0.8), source="stated"),
        seconds=1.0,
        calls=(),
    )
    with StoreWriter.open(tmp_path) as writer:
        writer.judge([other])
    rows = judgements(store)[["judge", "first", "chosen", "p_gold"]].values.tolist()
    assert rows == [["tiny", True, 0.0, 0.9], ["other", False, 1.0, 0.2]]


def test_every_measure_of_a_small_run_is_json(tmp_path: Path) -> None:
    episodes = []
    for n, probs in enumerate([(0.9, 0.1), (0.3, 0.7), (0.6, 0.4)]):
        spec = samples.spec(TWO, f"e{n}", assignment=(n % 2, 1 - n % 2))
        episodes.append((spec, samples.judged(spec, probs)))
    (row,) = measured(stored(tmp_path, *episodes))
    json.dumps(row.model_dump(), allow_nan=False)
    assert (row.n, row.brier and row.brier.n) == (3, 3)
    assert row.persuasion is None
    assert row.pgr is None
