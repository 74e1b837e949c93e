from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import samples

from oversight.core.belief import BeliefSource
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.verdict import Verdict
from oversight.reports.report import report
from oversight.store import Store, StoreWriter, open_store

TWO = samples.item(2, answers=2, gold=0)
TEN = samples.item(10, answers=10, gold=7)
# Ten answers presented so that place 2 shows the stored answer 7, the gold one.
TEN_ORDER = (9, 8, 7, 6, 5, 4, 3, 2, 1, 0)


def scored(directory: Path, *episodes: tuple[EpisodeSpec, EpisodeOutcome | None]) -> Store:
    """A store of one run that planned every episode, with None for those not run yet."""
    with StoreWriter.open(directory) as writer:
        writer.begin(samples.run())
        writer.plan("r1", [(4, spec) for spec, _ in episodes], [("cats", TWO), ("cats", TEN)])
        writer.write("r1", [(spec, outcome) for spec, outcome in episodes if outcome])
    return open_store(directory)


def result(
    directory: Path,
    probs: tuple[float, ...] | None,
    *,
    order: tuple[int, ...],
    assignment: tuple[int | None, ...],
) -> dict[str, Any]:
    item = TWO if len(order) == 2 else TEN
    spec = samples.spec(item, order=order, assignment=assignment)
    row: dict[str, Any]
    (row,) = scored(directory, (spec, samples.judged(spec, probs))).arrow("SELECT * FROM results").to_pylist()
    return row


def test_two_answers_shuffled(tmp_path: Path) -> None:
    # The gold answer, stored first, is presented second; seat b argues it.
    row = result(tmp_path, (0.25, 0.75), order=(1, 0), assignment=(0, 1))
    assert (row["honest"], row["void"], row["abstained"], row["correct"], row["tie"]) == (
        "b",
        False,
        False,
        True,
        False,
    )
    assert row["p_gold"] == row["confidence"] == 0.75
    assert row["brier"] == pytest.approx(0.0625)
    assert row["log_score"] == pytest.approx(math.log2(0.75))
    assert (row["run_id"], row["arm_no"], row["cluster"], row["belief_source"]) == ("r1", 4, "story", "stated")
    assert (row["n_calls"], row["prompt_tokens"], row["completion_tokens"], row["cached_tokens"]) == (3, 300, 30, 180)
    assert (row["cost_usd"], row["duration_s"]) == (1.5, 1.25)


def test_ten_answers_shuffled(tmp_path: Path) -> None:
    probs = (0.0, 0.1, 0.3, 0.4, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0)
    row = result(tmp_path, probs, order=TEN_ORDER, assignment=(2, None))
    assert (row["honest"], row["void"], row["correct"], row["tie"]) == ("a", False, False, False)
    assert (row["p_gold"], row["confidence"]) == (0.3, 0.4)
    # (0.01 + 0.49 + 0.16 + 0.04) / 2
    assert row["brier"] == pytest.approx(0.35)
    assert row["log_score"] == pytest.approx(math.log2(0.3))


def test_a_tie_with_the_gold_answer_is_not_correct(tmp_path: Path) -> None:
    row = result(tmp_path, (0.5, 0.5), order=(0, 1), assignment=(0, 1))
    assert (row["correct"], row["tie"], row["brier"]) == (False, True, 0.25)


def test_a_tie_between_wrong_answers_is_no_tie(tmp_path: Path) -> None:
    row = result(tmp_path, (0.4, 0.4, 0.2, *[0.0] * 7), order=TEN_ORDER, assignment=(2, 0))
    assert (row["correct"], row["tie"]) == (False, False)


def test_a_certain_error_has_a_finite_log_score(tmp_path: Path) -> None:
    row = result(tmp_path, (0.0, 1.0), order=(0, 1), assignment=(0, 1))
    assert (row["brier"], row["log_score"]) == (1, pytest.approx(math.log2(1e-6)))


def test_an_abstention_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    row = result(tmp_path, None, order=(0, 1), assignment=(0, 1))
    assert row["abstained"]
    assert not row["void"]
    empty = ("p_gold", "correct", "tie", "confidence", "brier", "log_score")
    assert [row[name] for name in empty] == [None] * len(empty)


@pytest.mark.parametrize(
    ("assignment", "void", "honest"),
    [
        ((2, 5), False, "a"),
        ((5, 2), False, "b"),
        ((0, 5), True, None),
        ((0, None), True, None),
        ((0,), False, None),
        ((2,), False, "a"),
        ((), False, None),
    ],
)
def test_a_contest_in_which_nobody_argues_the_gold_answer_is_void(
    tmp_path: Path, assignment: tuple[int | None, ...], void: bool, honest: str | None
) -> None:
    row = result(tmp_path, (0.1,) * 10, order=TEN_ORDER, assignment=assignment)
    assert (row["void"], row["honest"]) == (void, honest)


def test_an_unknown_price_makes_the_cost_unknown_and_no_call_costs_nothing(tmp_path: Path) -> None:
    dear, free = samples.spec(TWO, "dear"), samples.spec(TWO, "free")
    store = scored(
        tmp_path,
        (dear, samples.judged(dear, (1, 0), (samples.call(0), samples.call(1, cost=None)))),
        (free, samples.judged(free, (1, 0), ())),
    )
    rows = store.arrow("SELECT episode_id, n_calls, cost_usd FROM results ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in rows] == [("dear", 2, None), ("free", 0, 0)]


def test_the_mass_on_the_labels_is_that_of_verdicts_from_token_probabilities(tmp_path: Path) -> None:
    episodes = []
    masses = {"a": 0.2, "b": 0.9, "c": 0.3, "stated": None, "failed": None}
    for name, mass in masses.items():
        spec = samples.spec(TWO, name)
        outcome = samples.failed(spec) if name == "failed" else samples.judged(spec, (0.75, 0.25), spoken=False)
        if mass is not None and outcome.verdict is not None:
            belief = outcome.verdict.belief.model_copy(update={"source": BeliefSource.LOGPROB, "mass": mass})
            outcome = outcome.model_copy(update={"verdict": Verdict(belief=belief)})
        episodes.append((spec, outcome))
    store = scored(tmp_path, *episodes)
    for view in ("tally", "results"):
        rows = store.arrow(f"SELECT episode_id, label_mass FROM {view}").to_pylist()
        assert {row["episode_id"]: row["label_mass"] for row in rows}.items() <= masses.items(), view
    (row,) = report(store)
    assert row.label_mass == 0.3


def test_a_failed_then_judged_episode_counts_once_and_its_failure_is_paid_for(tmp_path: Path) -> None:
    spec = samples.spec(TWO)
    again = spec.model_copy(update={"attempt": 1})
    store = scored(
        tmp_path,
        (spec, samples.failed(spec, (samples.call(0, failure="refused"),))),
        (again, samples.judged(again, (0.9, 0.1))),
    )
    (outcome,) = store.arrow("SELECT status, attempt, failure FROM outcomes").to_pylist()
    assert outcome == {"status": "judged", "attempt": 1, "failure": None}
    (arm,) = store.arrow("SELECT * FROM accuracy").to_pylist()
    assert (arm["n_asked"], arm["n_judged"], arm["n_failed"], arm["n"], arm["correct"]) == (1, 1, 0, 1, 1)
    assert (arm["calls"], arm["cost_usd"]) == (4, 2.0)
    assert store.sql("SELECT cost_usd FROM results")["cost_usd"].tolist() == [1.5]


def test_accuracy_tells_apart_what_it_leaves_out(tmp_path: Path) -> None:
    def ten(name: str, assignment: tuple[int, int] = (2, 0)) -> EpisodeSpec:
        return samples.spec(TEN, name, order=TEN_ORDER, assignment=assignment)

    sure = (0.0, 0.0, 1.0, *[0.0] * 7)
    right, wrong, abstained, failed, pending = map(ten, ("right", "wrong", "abstained", "failed", "pending"))
    void, void_abstained = ten("void", (0, 1)), ten("void_abstained", (0, 1))
    store = scored(
        tmp_path,
        (right, samples.judged(right, sure)),
        (wrong, samples.judged(wrong, (1.0, *[0.0] * 9))),
        (abstained, samples.judged(abstained, None)),
        (void, samples.judged(void, sure)),
        (void_abstained, samples.judged(void_abstained, None)),
        (failed, samples.failed(failed, (samples.call(0),))),
        (pending, None),
    )
    (arm,) = store.arrow("SELECT * FROM accuracy").to_pylist()
    assert (arm["run_id"], arm["arm"], arm["judge"], arm["strong"]) == ("r1", "debate", "tiny", None)
    assert arm["options"] == '{"rounds": 3, "turns": "simultaneous"}'
    names = ("n_asked", "n_judged", "n_failed", "n_pending", "n_abstained", "n_void", "n", "correct")
    assert [arm[name] for name in names] == [7, 5, 1, 1, 1, 2, 2, 1]
    assert (arm["accuracy"], arm["brier"]) == (0.5, 0.5)
    assert arm["log_score"] == pytest.approx(math.log2(1e-6) / 2)
    assert (arm["calls"], arm["cost_usd"]) == (16, 8.0)


def test_an_arm_without_any_verdict_has_no_accuracy(tmp_path: Path) -> None:
    spec = samples.spec(TWO)
    (arm,) = scored(tmp_path, (spec, None)).arrow("SELECT * FROM accuracy").to_pylist()
    assert (arm["n_asked"], arm["n_pending"], arm["n"], arm["accuracy"], arm["cost_usd"]) == (1, 1, 0, None, 0)


def test_runs_share_an_episode_and_each_scores_it(tmp_path: Path) -> None:
    spec = samples.spec(TWO)
    scored(tmp_path, (spec, samples.judged(spec, (0.9, 0.1))))
    with StoreWriter.open(tmp_path) as writer:
        writer.begin(samples.run("r2"))
        writer.plan("r2", [(0, spec)], [("cats", TWO)])
    rows = open_store(tmp_path).sql("SELECT run_id, n_judged, correct FROM accuracy ORDER BY run_id")
    assert rows.values.tolist() == [["r1", 1, 1], ["r2", 1, 1]]
