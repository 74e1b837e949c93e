"""Accuracy with failures counted, its bounds, and the test of whether failures differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, hypergeom

from oversight.stats.failures import WithFailures, accuracy_with_failures, failure_test, failures_by_group


def known(found: WithFailures | None) -> WithFailures:
    assert found is not None
    return found


def test_errors_that_fail_are_counted() -> None:
    # 100 episodes, 40 of them wrong, 30 of which end truncated.
    correct = [True] * 60 + [False] * 10 + [None] * 30
    found = known(accuracy_with_failures(correct, [False] * 70 + [True] * 30, range(100)))
    assert found.answered is not None
    assert round(found.answered.value, 3) == 0.857
    assert (found.worst.value, found.best.value, found.failed.value) == pytest.approx((0.6, 0.9, 0.3))
    assert found.worst.n == found.best.n == found.failed.n == 100
    assert found.low == found.worst.low
    assert found.high == found.best.high


def test_the_numbers_of_the_issue() -> None:
    # 60 right and 4 wrong are shown as 0.938 where 36 further errors were truncated: the truth is 0.600.
    correct = [1.0] * 60 + [0.0] * 4 + [float("nan")] * 36
    found = known(accuracy_with_failures(correct, [False] * 64 + [True] * 36, range(100)))
    assert found.answered is not None
    assert (round(found.answered.value, 3), found.worst.value) == (0.938, 0.6)


def test_the_bounds_hold_whatever_the_failures_would_have_been() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        right, failed = rng.random(40) < 0.7, rng.random(40) < 0.3
        seen = [None if lost else bool(each) for each, lost in zip(right, failed, strict=True)]
        found = known(accuracy_with_failures(seen, failed.tolist(), range(40)))
        assert found.worst.value <= right.mean() <= found.best.value


def test_abstentions_are_neither_failures_nor_verdicts() -> None:
    found = known(accuracy_with_failures([True, None, None], [False, False, True], "abc"))
    assert (found.worst.n, found.worst.value, found.best.value) == (2, 0.5, 1.0)
    assert accuracy_with_failures([None], [False], "a") is None


def test_all_failures_leave_everything_open() -> None:
    found = known(accuracy_with_failures([None] * 20, [True] * 20, range(20)))
    assert (found.answered, found.worst.value, found.best.value) == (None, 0.0, 1.0)


def test_a_failed_episode_has_no_verdict() -> None:
    with pytest.raises(ValueError, match="cannot have a verdict"):
        accuracy_with_failures([True], [True], "a")
    with pytest.raises(ValueError, match="one row for each"):
        accuracy_with_failures([True], [False], "ab")


def test_by_side() -> None:
    sides = failures_by_group([True, None, None, False], [False, True, True, False], "abcd", ["b", "b", "a", "a"])
    assert {side: (each.worst.value, each.best.value) for side, each in sides.items()} == {"a": (0, 0.5), "b": (0.5, 1)}


def test_two_groups_get_fishers_p() -> None:
    # 8 of 10 failures in one arm, 1 of 10 in the other: the tables with these margins, no likelier than this one.
    failed = [True] * 8 + [False] * 2 + [True] + [False] * 9
    chances = hypergeom(20, 9, 10).pmf(range(10))
    expected = chances[chances <= chances[8] * (1 + 1e-9)].sum()
    found = failure_test(failed, ["x"] * 10 + ["y"] * 10)
    assert (found.test, found.n) == ("Fisher's exact", 20)
    assert found.p == pytest.approx(expected)
    assert found.statistic == pytest.approx(8 * 9 / (2 * 1))


def test_more_groups_get_about_the_chi_square_where_numbers_are_large() -> None:
    table = np.array([[40, 160], [55, 145], [60, 140]])
    failed = [outcome == 0 for row in table for outcome, times in enumerate(row) for _ in range(times)]
    groups = np.repeat(["a", "b", "c"], table.sum(axis=1)).tolist()
    found = failure_test(failed, groups)
    assert found.p == pytest.approx(chi2_contingency(table).pvalue, abs=0.01)
    assert failure_test(failed, groups).p == found.p


def test_where_nothing_fails_nothing_differs() -> None:
    assert failure_test([False] * 4, "aabb").p == 1
    assert failure_test([True] * 4, "aabb").p == 1
    assert np.isnan(failure_test([True, False], "aa").p)


def test_one_failure_among_three_groups_tells_nothing() -> None:
    assert failure_test([True, False, False], ["a", "b", "c"]).p == 1.0
