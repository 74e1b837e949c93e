"""Two one-sided tests and the test of no difference, against the intervals that they invert and simulated arms."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.weightstats import DescrStatsW

from oversight.stats.compare import difference_test
from oversight.stats.equivalence import Equivalence, crossed_equivalence, equivalence
from oversight.stats.intervals import Floats, mean_difference


def known(found: Equivalence | None) -> Equivalence:
    assert found is not None
    return found


def paired(rng: np.random.Generator, questions: int, one: float, other: float) -> Floats:
    """Right less right of two arms on questions that are easy or hard for both."""
    ease = rng.normal(0, 0.1, questions)
    return (rng.random(questions) < one + ease).astype(float) - (rng.random(questions) < other + ease)


def test_it_is_about_the_libraries_two_one_sided_tests() -> None:
    values = paired(np.random.default_rng(1), 800, 0.7, 0.68)
    expected, lower, _ = DescrStatsW(values).ttost_mean(-0.08, 0.08)
    found = known(equivalence(values, range(800), 0.08))
    assert found.p == pytest.approx(expected, abs=0.005)
    assert found.p_noninferior == pytest.approx(lower[1], abs=0.005)
    assert (found.low, found.high) == pytest.approx(DescrStatsW(values).tconfint_mean(alpha=0.1), abs=0.003)
    assert (found.margin, found.n, found.method) == (0.08, 800, "paired cluster score, 800 clusters")


@pytest.mark.parametrize("margin", [0.02, 0.05, 0.1, 0.2])
def test_p_is_small_exactly_where_the_90_percent_interval_lies_within_the_margin(margin: float) -> None:
    rng = np.random.default_rng(2)
    for number in range(25):
        values, clusters = paired(rng, 120, 0.8, 0.75), [question // (1 + number % 3) for question in range(120)]
        found = known(equivalence(values, clusters, margin))
        assert (found.p < 0.05) == (-margin < found.low and found.high < margin)
        assert (found.p_noninferior < 0.05) == (-margin < found.low)
        assert found.p >= found.p_noninferior
        whole = mean_difference(values, clusters)
        assert whole is not None
        assert whole.low <= found.low <= values.mean() <= found.high <= whole.high


def test_arms_at_the_margin_are_called_equivalent_no_more_often_than_5_percent() -> None:
    rng = np.random.default_rng(3)
    wrongly = sum(known(equivalence(paired(rng, 200, 0.7, 0.6), range(200), 0.1)).p < 0.05 for _ in range(300))
    rightly = sum(known(equivalence(paired(rng, 400, 0.7, 0.7), range(400), 0.15)).p < 0.05 for _ in range(100))
    assert wrongly / 300 < 0.085
    assert rightly > 90


def test_no_discordant_question_at_all_shows_equivalence_in_many_questions_only() -> None:
    assert known(equivalence(np.zeros(300), range(300), 0.05)).p < 0.05
    assert known(equivalence(np.zeros(10), range(10), 0.05)).p > 0.05


def test_the_ends_of_what_can_be() -> None:
    found = known(equivalence(np.ones(20), range(20), 0.1))
    assert found.p == pytest.approx(1, abs=0.01)
    assert found.high == 1
    assert 0.5 < found.low < 1


def test_what_says_nothing_of_others_has_no_test() -> None:
    assert equivalence([], [], 0.1) is None
    assert equivalence([0.0, 1.0], ["a", "a"], 0.1) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        equivalence([0.0, 1.0], "ab", 1.5)


def test_the_test_of_no_difference_rejects_exactly_where_the_interval_leaves_0_out() -> None:
    rng, rejected = np.random.default_rng(4), 0
    for number in range(200):
        questions = int(rng.integers(5, 80))
        values = paired(rng, questions, 0.9, (0.9, 0.75, 0.5)[number % 3])
        clusters = [question // (1 + number % 4) for question in range(questions)]
        found, test = mean_difference(values, clusters), difference_test(values, clusters)
        assert found is not None
        assert (test.p < 0.05) == (found.low > 0 or found.high < 0)
        rejected += test.p < 0.05
    assert 30 < rejected < 170


def test_no_discordant_question_is_no_evidence_of_a_difference() -> None:
    found = difference_test(np.zeros(50), range(50))
    assert (found.p, found.n, found.test) == (1.0, 50, "paired cluster score, 50 clusters")
    assert np.isnan(difference_test([0.0, 1.0], ["a", "a"]).p)


@pytest.mark.parametrize("margin", [0.1, 0.3, 0.6])
def test_under_crossed_effects_too_p_is_small_exactly_where_the_90_percent_interval_lies_within(margin: float) -> None:
    rng = np.random.default_rng(3)
    questions, judges = np.tile(np.arange(40), 5), np.repeat(np.arange(5), 40)
    seen = set()
    for _ in range(15):
        lean = rng.normal(0, 0.15, 5)[judges]
        values = (rng.random(200) < 0.7 + lean).astype(float) - (rng.random(200) < 0.7)
        found = known(crossed_equivalence(values, {"question": questions.tolist(), "judge": judges.tolist()}, margin))
        within = found.low > -margin and found.high < margin
        assert (found.p < 0.05, found.p_noninferior < 0.05) == (within, found.low > -margin)
        # Judges are few: the questions alone would leave much less open.
        alone = known(equivalence(values, questions.tolist(), margin))
        assert found.p > alone.p or found.p > 0.4
        seen.add(within)
    assert seen == {0.1: {False}, 0.3: {True, False}, 0.6: {True}}[margin]
