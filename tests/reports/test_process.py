"""Measures of overseers by hand, by enumerating every subset, and by scikit-learn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from oversight import Answer, Item, Question, Worked
from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.chat import CallRecord
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.verdict import Annotation, Verdict
from oversight.reports.process_report import accepted, process, read_checks
from oversight.stats.estimate import Estimate, f1_of, mean_share, share_of
from oversight.stats.intervals import proportion, within
from oversight.stats.solution_choice import best_of_curve, best_of_n, chosen, majority_of_n
from oversight.stats.step_labels import first_errors, step_accuracy, step_f1
from oversight.store import RunRow, Store, StoreWriter, open_store

LABELS = {"c": "correct", "n": "neutral", "i": "incorrect", "u": "unparsable"}
NOTHING = math.nan


def frames(*solutions: tuple[str, int | None], known: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Solutions of an episode and a cluster each, from the labels of their steps and their first mistakes."""
    whole = pd.DataFrame(
        {
            "episode_id": f"e{number}",
            "question_key": f"q{number}",
            "cluster": f"c{number}",
            "solution": 0,
            "labelled": float(len(labels)),
            "known": known,
            "mistake": NOTHING if mistake is None else float(mistake),
        }
        for number, (labels, mistake) in enumerate(solutions)
    )
    steps = pd.DataFrame(
        {"step": step, "label": LABELS[label]} | whole.iloc[number].drop(["question_key", "labelled"]).to_dict()
        for number, (labels, _) in enumerate(solutions)
        for step, label in enumerate(labels)
    )
    return whole, steps


def choices(*episodes: Sequence[tuple[float | None, float | None]], gold: int = 0, **more: Any) -> pd.DataFrame:
    """Solutions as (score, answer), by episodes of a question each; answer 0 is right."""
    return pd.DataFrame(
        {
            "episode_id": f"e{number}",
            "question_key": f"q{number}",
            "cluster": f"c{number}",
            "solution": place,
            "score": NOTHING if score is None else score,
            "answer": NOTHING if answer is None else answer,
            "right": answer == gold,
            "labelled": NOTHING,
            "known": False,
            "mistake": NOTHING,
        }
        | {name: values[number][place] for name, values in more.items()}
        for number, candidates in enumerate(episodes)
        for place, (score, answer) in enumerate(candidates)
    )


def values(*shares: Estimate | None) -> list[float | None]:
    return [share and pytest.approx(share.value) for share in shares]


# --- steps


def test_steps_by_hand() -> None:
    # Known truth: the first mistake and what comes before it; the fourth step of the first solution has none.
    _, steps = frames(("cnci", 2), ("ci", 1), ("cui", None))
    accuracy = step_accuracy(steps)
    assert accuracy is not None
    # c and n are right, the third (the mistake) was missed; c and i are right; c is right, u and i are not.
    assert (accuracy.n, accuracy.value, accuracy.interval) == (8, 5 / 8, "cluster score, 3 clusters")
    # Said to be right: 5 steps, 4 of them are; 2 right steps were not said to be.
    assert values(step_f1(steps)) == [2 * 4 / (2 * 4 + 1 + 2)]
    # Said to be wrong: 2 steps, 1 of them is; 1 wrong step was not said to be.
    assert values(step_f1(steps, wrong=True)) == [2 * 1 / (2 * 1 + 1 + 1)]


def test_steps_without_known_truth_are_not_judged() -> None:
    whole, steps = frames(("cnci", 2), ("cc", None), known=False)
    assert step_accuracy(steps) is None
    assert step_f1(steps) is None
    assert first_errors(whole, steps) == (None, None, None, 0)


def test_f1_of_what_never_is_nor_is_said_to_be_is_not_defined() -> None:
    _, steps = frames(("cc", None), ("nc", None))
    assert values(step_f1(steps), step_f1(steps, wrong=True)) == [1.0, None]


labelled = st.text("cniu", min_size=1, max_size=6)
solutions = st.lists(
    labelled.flatmap(lambda said: st.tuples(st.just(said), st.none() | st.integers(0, len(said) - 1))), min_size=1
)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(solutions)
def test_step_f1_is_scikit_learns(drawn: list[tuple[str, int | None]]) -> None:
    truth, said = [], []
    for labels, mistake in drawn:
        for step, label in enumerate(labels[: len(labels) if mistake is None else mistake + 1]):
            truth.append("wrong" if step == mistake else "right")
            said.append({"c": "right", "n": "right", "i": "wrong", "u": "neither"}[label])
    _, steps = frames(*drawn)
    for name in ("right", "wrong"):
        found = step_f1(steps, wrong=name == "wrong")
        if name not in {*truth, *said}:
            assert found is None
        else:
            (expected,) = f1_score(truth, said, labels=[name], average=None, zero_division=0)
            assert found is not None
            assert (found.value, found.n) == (pytest.approx(expected), len(truth))
    accuracy = step_accuracy(steps)
    assert accuracy is not None
    assert accuracy.value == pytest.approx(np.mean([t == s for t, s in zip(truth, said, strict=True)]))


# --- first errors


def test_first_errors_by_hand() -> None:
    found = first_errors(
        *frames(
            ("cci", 2),  # found
            ("ci", 2),  # too early
            ("ccc", 1),  # missed
            ("ni", 1),  # found: neutral is not wrong
            ("cc", None),  # rightly cleared
            ("cn", None),  # rightly cleared
            ("ic", None),  # wrongly accused
        )
    )
    assert values(found.on_erroneous, found.on_correct) == [2 / 4, 2 / 3]
    assert values(found.f1) == [2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3)]
    assert found.on_erroneous is not None
    assert found.on_correct is not None
    assert found.f1 is not None
    assert (found.on_erroneous.n, found.on_correct.n, found.f1.n, found.unparsable) == (4, 3, 7, 0)
    assert (found.on_erroneous.interval, found.f1.interval) == ("wilson", "cluster score, 7 clusters")


@pytest.mark.parametrize(
    ("labels", "mistake", "lost"),
    [
        ("ui", 1, True),  # the first step may have been rejected
        ("cuc", None, True),
        ("iu", 0, False),  # whatever the second would have been called, the first is the first
        ("u", 0, True),
    ],
)
def test_an_unreadable_label_counts_as_wrong_where_it_matters(labels: str, mistake: int | None, lost: bool) -> None:
    found = first_errors(*frames((labels, mistake)))
    share = found.on_correct if mistake is None else found.on_erroneous
    assert share is not None
    assert (share.value, found.unparsable) == (0.0 if lost else 1.0, int(lost))


def test_one_kind_of_solution_alone_has_no_f1() -> None:
    found = first_errors(*frames(("cc", None), ("cc", None)))
    assert (found.on_erroneous, found.f1) == (None, None)
    assert values(found.on_correct) == [1.0]


def test_solutions_judged_as_wholes_have_no_first_errors() -> None:
    whole, steps = frames(("cc", 1), ("cc", None))
    assert first_errors(whole.assign(labelled=NOTHING), steps.iloc[:0]) == (None, None, None, 0)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(solutions)
def test_first_errors_are_processbenchs(drawn: list[tuple[str, int | None]]) -> None:
    """As ProcessBench's own script does it: labels and predictions are -1 where no step is wrong."""
    right: dict[bool, list[bool]] = {True: [], False: []}
    for labels, mistake in drawn:
        marked = [step for step, label in enumerate(labels) if label in "iu"]
        prediction = None if marked and labels[marked[0]] == "u" else marked[0] if marked else -1
        truth = -1 if mistake is None else mistake
        right[truth != -1].append(prediction == truth)
    found = first_errors(*frames(*drawn))
    for share, hits in ((found.on_erroneous, right[True]), (found.on_correct, right[False])):
        assert values(share) == [np.mean(hits) if hits else None]
    if all(right.values()):
        one, other = (float(np.mean(hits)) for hits in right.values())
        assert values(found.f1) == [2 * one * other / (one + other) if one + other else 0.0]


# --- best of n


def best_by_enumeration(scores: Sequence[float | None], right: Sequence[bool], n: int) -> float:
    total = []
    for subset in combinations(range(len(scores)), n):
        scored = [(score, right[i]) for i in subset if (score := scores[i]) is not None]
        top = [good for score, good in scored if score == max(scored)[0]]
        total.append(sum(top) / len(top) if top else 0.0)
    return float(np.mean(total))


def majority_by_enumeration(votes: Sequence[int | None], gold: int, n: int) -> float:
    total = []
    for subset in combinations(votes, n):
        counts = Counter(vote for vote in subset if vote is not None)
        top = [vote for vote, count in counts.items() if count == max(counts.values())]
        total.append((gold in top) / len(top) if top else 0.0)
    return float(np.mean(total))


def test_best_of_n_by_hand() -> None:
    # Of the pairs of .9 (wrong), .5 (right), .5 (wrong): .9 wins two, and the two of .5 share the third.
    assert best_of_n([0.9, 0.5, 0.5], [False, True, False], 2) == pytest.approx(1 / 6)
    # What has no score is taken never, and a subset of nothing else is not right.
    assert best_of_n([None, 0.1, None], [True, True, True], 2) == pytest.approx(2 / 3)


def test_majority_of_n_by_hand() -> None:
    # Of the triples of aab, c: aab has a majority twice (either way to leave one a out is a tie of three).
    assert majority_of_n(["a", "a", "b", "c"], "a", 3) == pytest.approx((1 + 1 + 1 / 3 + 1 / 3) / 4)
    assert majority_of_n([None, None, "a"], "a", 2) == pytest.approx(2 / 3)
    assert majority_of_n(["b", "b"], "a", 1) == 0


candidates = st.lists(
    st.tuples(st.none() | st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.booleans()), min_size=1, max_size=8
)


@settings(deadline=None)
@given(candidates, st.data())
def test_best_of_n_is_the_mean_over_all_subsets(drawn: list[tuple[float | None, bool]], data: st.DataObject) -> None:
    scores, right = [score for score, _ in drawn], [good for _, good in drawn]
    n = data.draw(st.integers(1, len(drawn)))
    assert best_of_n(scores, right, n) == pytest.approx(best_by_enumeration(scores, right, n), abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=9), st.data())
def test_majority_of_n_is_the_mean_over_all_subsets(votes: list[int | None], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(votes)))
    assert majority_of_n(votes, 0, n) == pytest.approx(majority_by_enumeration(votes, 0, n), abs=1e-12)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3)), min_size=1, max_size=40))
def test_one_candidate_is_any_and_all_are_the_best(drawn: list[tuple[float, int]]) -> None:
    scores, right = [score for score, _ in drawn], [answer == 0 for _, answer in drawn]
    votes = [answer for _, answer in drawn]
    assert best_of_n(scores, right, 1) == pytest.approx(np.mean(right))
    assert majority_of_n(votes, 0, 1) == pytest.approx(np.mean(right))
    top = [good for score, good in zip(scores, right, strict=True) if score == max(scores)]
    assert best_of_n(scores, right, len(drawn)) == pytest.approx(np.mean(top))
    counts = Counter(votes)
    leading = [vote for vote, count in counts.items() if count == max(counts.values())]
    assert majority_of_n(votes, 0, len(votes)) == pytest.approx((0 in leading) / len(leading))


def test_thousands_of_candidates_neither_overflow_nor_underflow() -> None:
    # Lightman et al. (2023) have 1860 for each problem: far too many subsets for any float.
    votes = [0] * 930 + [1] * 930
    for n in (1, 3, 1000, 1859, 1860):
        assert majority_of_n(votes, 0, n) == pytest.approx(0.5, abs=1e-9)
    assert best_of_n(range(1860), [i >= 930 for i in range(1860)], 3) == pytest.approx(
        1 - math.comb(930, 3) / math.comb(1860, 3)
    )


def test_a_good_score_gains_and_a_bad_one_loses_with_n() -> None:
    good = choices([(0.9, 0), (0.8, 1), (0.3, 1)], [(0.7, 0), (0.6, 1), (0.5, 0)])
    curve = best_of_curve(good)
    assert [each.n for each in curve] == [1, 2, 3]
    assert values(*(each.by_score for each in curve)) == [(1 / 3 + 2 / 3) / 2, (2 / 3 + 2 / 3) / 2, 1.0]
    bad = best_of_curve(good.assign(score=-good["score"]))
    assert values(*(each.by_score for each in bad)) == [(1 / 3 + 2 / 3) / 2, (0 + 2 / 3) / 2, 0.5]
    assert values(*(each.by_majority for each in bad)) == values(*(each.by_majority for each in curve))


def test_episodes_of_a_question_are_averaged_before_questions() -> None:
    frame = choices([(0.9, 0), (0.1, 1)], [(0.9, 0), (0.1, 1)], [(0.9, 1), (0.1, 0)])
    frame["question_key"] = frame["question_key"].replace("q1", "q0")
    frame["cluster"] = frame["cluster"].replace("c1", "c0")
    (_, both) = best_of_curve(frame)
    assert both.by_score is not None
    assert (both.by_score.value, both.by_score.n, both.by_score.interval) == (0.5, 2, "wilson")


def test_only_episodes_with_enough_candidates_count() -> None:
    curve = best_of_curve(choices([(0.9, 0), (0.1, 1)], [(0.9, 1)]))
    assert [(each.n, each.by_majority and each.by_majority.n) for each in curve] == [(1, 2), (2, 1)]


def test_a_single_candidate_is_no_choice_and_no_scores_leave_the_majority() -> None:
    assert best_of_curve(choices([(0.9, 0)], [(0.4, 1)])) == []
    assert [each.by_score for each in best_of_curve(choices([(None, 0), (None, 1)]))] == [None, None]


# --- what is chosen


def test_errors_of_what_is_chosen_by_hand() -> None:
    frame = choices(
        [(0.9, 0), (0.2, 1)],  # right, and flawed
        [(0.9, 0), (0.2, 1)],  # right
        [(0.2, 0), (0.9, 1)],  # not right
        [(0.5, 0), (0.5, 1)],  # both are best
        [(None, 0), (0.9, None)],  # nothing can be chosen
        known=[[True] * 2] * 3 + [[False] * 2] * 2,
        mistake=[[2, 0]] + [[NOTHING, 0]] * 4,
    )
    found = chosen(frame)
    assert found.final_error is not None
    assert (found.final_error.value, found.final_error.n) == (pytest.approx((1 + 0.5 + 1) / 5), 5)
    assert found.trace_error is not None
    assert (found.trace_error.value, found.trace_error.n, found.trace_error.interval) == (0.5, 2, "wilson")
    assert found.nothing == 1
    assert chosen(choices([(None, 0)])) == (None, None, 0)


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.none() | st.sampled_from([0.1, 0.5]), st.none() | st.integers(0, 2)), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_final_error_is_what_best_of_all_leaves(drawn: list[list[tuple[float | None, int | None]]]) -> None:
    frame = choices(*drawn)
    error, best = chosen(frame).final_error, best_of_curve(frame)[-1].by_score
    assert (error is None) == (best is None)
    if error is not None and best is not None:
        assert error.value == pytest.approx(1 - best.value)


def test_cost_of_a_right_accept_by_hand() -> None:
    frame = choices([(0.5, 0), (0.49, 0)], [(0.9, 1), (None, 0)])
    assert accepted(frame, 3.0) == (2, 1, 3.0)
    assert accepted(frame, 3.0, threshold=0.4) == (3, 2, 1.5)
    assert accepted(frame, 3.0, threshold=0.8) == (1, 0, None)
    assert accepted(frame, None) == (2, 1, None)


# --- intervals


def test_shares_of_outcomes_get_the_packages_intervals() -> None:
    found = share_of([True, False, True], "abc")
    assert found is not None
    assert (found.low, found.high, found.interval) == tuple(proportion([True, False, True], "abc"))
    assert mean_share([1.0, 0.0, 1.0], "abc") == found
    assert share_of([], []) is None


def test_a_share_worked_out_from_sums_has_the_interval_of_a_share() -> None:
    rng = np.random.default_rng(0)
    right, clusters = rng.random(600) < 0.7, np.repeat(np.arange(120), 5).tolist()
    counts = np.column_stack([right, np.ones(600)]).astype(float)
    found = within(counts, clusters, lambda sums: sums[..., 0] / sums[..., 1])
    expected = proportion(right, clusters)
    assert found[:2] == pytest.approx(expected[:2], abs=0.01)
    assert found.method == expected.method


def test_the_interval_of_an_f1_covers_it() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        # 80 independent clusters; the expected F1 is 2 * .6 / (2 * .6 + .2 + .2) = .75.
        kind = rng.choice(3, size=80, p=[0.6, 0.2, 0.2])
        found = within(np.eye(3)[kind], range(80), f1_of)
        covered += found.low <= 0.75 <= found.high
    assert 180 <= covered <= 199


def test_an_f1_that_rests_on_one_solution_has_no_interval() -> None:
    # Without the only erroneous solution there is no F1, so that nothing can be said of its spread.
    found = first_errors(*frames(("ci", 1), ("cc", None), ("ic", None), ("cc", None))).f1
    assert found is not None
    assert (found.value, found.interval) == (pytest.approx(0.8), "none: rests on one cluster")


def test_a_perfect_f1_still_leaves_doubt() -> None:
    _, steps = frames(*[("ci", 1)] * 10)
    found = step_f1(steps)
    assert found is not None
    assert (found.value, found.high, found.interval) == (1.0, pytest.approx(1.0), "cluster score, 10 clusters")
    assert found.low == pytest.approx(
        10 / (10 + 2.262**2), abs=1e-3
    )  # as the lower end of Wilson's, by Student's quantile


# --- from the store


def item(number: int, mistakes: tuple[int | None, ...] = (None, 1)) -> Item:
    worked = tuple(Worked(answer=place, steps=("one", "two", "three")) for place in (0, 1))
    answers = (Answer(text="yes"), Answer(text="no"))
    return Item(
        question=Question(id=f"q{number}", prompt="?", answers=answers, worked=worked), gold=0, mistakes=mistakes
    )


def spec(of: Item, episode: str, order: tuple[int, ...], arm: str = "process") -> EpisodeSpec:
    return EpisodeSpec(
        episode_id=episode,
        arm=arm,
        task="t",
        protocol="p",
        protocol_version="1",
        protocol_key="p",
        options={},
        cast={},
        judge="j",
        strong=None,
        question=of.question.presented(order),
        question_key=of.key,
        answer_order=order,
        assignment=(),
        seed=0,
        repeat=0,
    )


def outcome(of: EpisodeSpec, *notes: Annotation, cost: float | None = 0.25) -> EpisodeOutcome:
    call = CallRecord(number=0, seat="o", role="overseer", purpose="fill", attempt=0, model="m", cost_usd=cost)
    belief = Belief(probs=None, source=BeliefSource.COMPUTED, status=BeliefStatus.ABSTAINED)
    return EpisodeOutcome(
        episode_id=of.episode_id,
        attempt=0,
        status="judged",
        started_at=pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime(),
        duration_s=1.0,
        messages=(),
        calls=(call,),
        sides=(),
        verdict=Verdict(belief=belief, annotations=notes),
    )


def notes(
    number: int, answer: int | None, labels: str, score: float | None, writer: str | None = None
) -> list[Annotation]:
    steps = [
        {"solution": number, "step": place, "label": LABELS[label], "p_correct": 0.5, "votes": 1, "text": "…"}
        for place, label in enumerate(labels)
    ]
    whole = {
        "solution": number,
        "answer": answer,
        "score": score,
        "steps": 3,
        "labelled": len(labels),
        "writer": writer,
    }
    return [Annotation(kind="step", data=step) for step in steps] + [Annotation(kind="solution", data=whole)]


def stored(folder: Path, *episodes: tuple[Item, EpisodeSpec, EpisodeOutcome | None]) -> Store:
    with StoreWriter.open(folder) as writer:
        writer.begin(RunRow("r", "r", {}, {}, 0, pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime(), "0"))
        writer.plan("r", [(0, of) for _, of, _ in episodes], [("t", each) for each, _, _ in episodes])
        writer.write("r", [(of, found) for _, of, found in episodes if found])
    return open_store(folder)


def test_answers_are_right_in_the_order_presented(tmp_path: Path) -> None:
    one, other = item(1), item(2)
    here, there = spec(one, "e1", (0, 1)), spec(other, "e2", (1, 0))
    store = stored(
        tmp_path,
        (one, here, outcome(here, *notes(0, 0, "ccc", 0.9), *notes(1, 1, "ci", 0.1))),
        # The right answer, stored first, was presented second.
        (other, there, outcome(there, *notes(0, 1, "ccu", 0.9), *notes(1, 0, "cc", 0.7))),
    )
    (row,) = process(store, ["r"])
    assert (row.run, row.arm, row.episodes, row.solutions, row.unscored) == ("r", "process", 2, 4, 0)
    assert (row.steps, row.unparsable, row.step_unparsable) == (10, 1, 1)
    assert values(row.step_accuracy, row.on_erroneous, row.on_correct) == [8 / 10, 1 / 2, 1 / 2]
    assert row.first_error_unparsable == 1
    assert values(row.final_error, row.trace_error) == [0.0, 0.0]
    assert (row.accepted, row.accepted_right, row.cost_per_correct_accept) == (3, 2, 0.25)
    assert [each.n for each in row.best_of] == [1, 2]
    assert process(store, ["another"]) == []


def test_nothing_is_known_of_what_was_written_or_has_no_truth(tmp_path: Path) -> None:
    one, bare = item(1), item(2, mistakes=())
    here, there = spec(one, "e1", (0, 1)), spec(bare, "e2", (0, 1))
    store = stored(
        tmp_path,
        (one, here, outcome(here, *notes(0, None, "ci", None, writer="solver_0"), cost=None)),
        (bare, there, outcome(there, *notes(0, 0, "ccc", 0.9))),
    )
    (row,) = process(store)
    assert (row.steps, row.step_accuracy, row.on_correct, row.on_erroneous, row.unscored) == (5, None, None, None, 1)
    assert (row.accepted, row.accepted_right, row.cost_per_correct_accept) == (1, 1, None)
    assert values(row.final_error) == [0.5]


def test_other_notes_of_the_same_kind_and_other_episodes_are_left_alone(tmp_path: Path) -> None:
    one = item(1)
    odd, idle = spec(one, "e1", (0, 1)), spec(one, "e2", (0, 1), arm="idle")
    strange = [{"label": "ok", "n": [1]}, {"solution": "x", "step": 0}, {"solution": 0, "step": 0, "label": "fine"}]
    store = stored(
        tmp_path,
        (one, odd, outcome(odd, *(Annotation(kind="step", data=data) for data in strange), *notes(0, 0, "c", 0.5))),
        (one, idle, None),
    )
    checks = read_checks(store)
    assert (len(checks.solutions), checks.steps["label"].tolist()) == (1, ["correct"])
    assert [row.arm for row in process(store)] == ["process"]


def test_a_run_without_checked_solutions_has_no_rows(tmp_path: Path) -> None:
    one = item(1)
    plain = spec(one, "e1", (0, 1))
    store = stored(tmp_path, (one, plain, outcome(plain)))
    assert process(store) == []
    assert read_checks(store).steps.empty
