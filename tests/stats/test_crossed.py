"""Crossed random effects: closed forms, nesting, and simulated populations of judges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from oversight.stats.crossed import crossed_difference, crossed_proportion, crossed_test, generalises_to
from oversight.stats.intervals import Floats, Interval, proportion


def crossing(questions: int, judges: int) -> dict[str, list[int]]:
    at = np.indices((questions, judges)).reshape(2, -1)
    return {"question": at[0].tolist(), "judge": at[1].tolist()}


def outcomes(rng: np.random.Generator, questions: int, judges: int, sd: float) -> Floats:
    """Right or wrong, about 0.7 of them, with judges who differ by ``sd`` logits and questions by 1."""
    eta = 0.98 + rng.standard_normal((questions, 1)) + sd * rng.standard_normal((1, judges))
    return (rng.random((questions, judges)) < expit(eta)).astype(np.float64).ravel()


def known(found: Interval | None) -> Interval:
    assert found is not None
    return found


def test_the_variance_is_the_mean_squares_of_a_two_way_analysis() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.2, (30, 4)) + rng.normal(0, 0.1, (30, 1)) + rng.normal(0, 0.1, (1, 4))
    found = known(crossed_difference(values.ravel(), crossing(30, 4)))
    parts = [
        (stats.t.ppf(0.975, means.size - 1) ** 2 * means.var(ddof=1) / means.size)
        for means in (values.mean(1), values.mean(0))
    ]
    unseen = stats.t.ppf(0.975, 3) ** 2 / 31**2 / (1 + (values**2).sum())
    half = np.sqrt(sum(parts) + unseen)
    assert found[:2] == pytest.approx((values.mean() - half, values.mean() + half), abs=1e-6)
    assert found.method == "crossed jackknife t, 30 question x 4 judge"


def test_without_spread_it_is_wilsons_on_the_factor_of_most_levels() -> None:
    found = known(crossed_proportion(np.ones(300), crossing(100, 3)))
    squared = stats.t.ppf(0.975, 2) ** 2 / 100
    assert found[:2] == pytest.approx((1 / (1 + squared), 1.0))


def test_one_error_moves_the_interval_little() -> None:
    right = np.ones(300)
    before = known(crossed_proportion(right, crossing(100, 3)))
    right[17] = 0
    after = known(crossed_proportion(right, crossing(100, 3)))
    assert abs(after.low - before.low) < 0.05
    zeros = np.zeros(300)
    still = known(crossed_difference(zeros, crossing(100, 3)))
    zeros[5] = 1
    moved = known(crossed_difference(zeros, crossing(100, 3)))
    assert abs(moved.high - still.high) < 0.02
    assert still.low == pytest.approx(-still.high)


def test_one_level_cannot_be_generalised_over() -> None:
    with pytest.raises(ValueError, match="cannot generalise over judge: all rows have one and the same judge"):
        crossed_proportion([1.0, 0.0], {"question": ["a", "b"], "judge": ["j", "j"]})


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        crossed_proportion([1.0, float("nan")], {"question": "ab"})
    with pytest.raises(ValueError, match=r"within -1\.\.1"):
        crossed_difference([1.5, 0.0], {"question": "ab"})
    with pytest.raises(ValueError, match="one level for each value"):
        crossed_proportion([1.0, 0.0], {"question": "abc"})
    with pytest.raises(ValueError, match="at least one factor"):
        crossed_proportion([1.0, 0.0], {})
    assert crossed_proportion([], {"question": []}) is None


def test_seeds_within_a_judge_add_nothing_to_the_judge() -> None:
    rng = np.random.default_rng(2)
    at = np.indices((40, 4, 3)).reshape(3, -1)
    right = (rng.random(480) < expit(0.5 + rng.standard_normal(4)[at[1]])).astype(float)
    two = {"question": at[0].tolist(), "judge": at[1].tolist()}
    seeds = [f"{judge}.{seed}" for judge, seed in zip(at[1], at[2], strict=True)]
    assert crossed_proportion(right, two | {"seed": seeds}) == crossed_proportion(right, two)
    assert crossed_proportion(right, {"seed": seeds} | two)[:2] == crossed_proportion(right, two)[:2]  # type: ignore[index]
    crossed = known(crossed_proportion(right, two | {"seed": at[2].tolist()}))
    alone = known(crossed_proportion(right, two))
    assert crossed.high - crossed.low > alone.high - alone.low


def test_a_factor_named_twice_counts_once() -> None:
    right = outcomes(np.random.default_rng(3), 50, 4, 0.5)
    once = crossing(50, 4)
    assert crossed_proportion(right, once | {"model": once["judge"]}) == crossed_proportion(right, once)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.97, 1.0])
def test_intervals_lie_within_what_can_be_and_hold_the_estimate(share: float) -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        right = (rng.random(60) < share).astype(float)
        found = known(crossed_proportion(right, crossing(20, 3)))
        assert 0 <= found.low <= right.mean() <= found.high <= 1
        differences = right - (rng.random(60) < 0.5)
        pair = known(crossed_difference(differences, crossing(20, 3)))
        assert -1 <= pair.low <= differences.mean() <= pair.high <= 1


@pytest.mark.parametrize(("judges", "sd"), [(3, 0.6), (5, 1.0), (10, 0.0)])
def test_it_holds_the_mean_over_the_population_of_judges(judges: int, sd: float) -> None:
    rng = np.random.default_rng(5)
    truth = float(expit(0.98 + rng.standard_normal(400_000) * np.sqrt(1 + sd**2)).mean())
    factors, crossed, pooled = crossing(100, judges), 0, 0
    for _ in range(300):
        right = outcomes(rng, 100, judges, sd)
        wide, narrow = known(crossed_proportion(right, factors)), proportion(right > 0, factors["question"])
        assert narrow is not None
        crossed += wide.low <= truth <= wide.high
        pooled += narrow.low <= truth <= narrow.high
    assert crossed / 300 >= 0.93
    # What the crossed interval is for: clustering by question alone fails as soon as judges differ.
    assert sd == 0 or pooled / 300 < 0.7


def test_p_is_small_exactly_where_the_interval_leaves_nothing_out() -> None:
    rng = np.random.default_rng(6)
    factors, rejected = crossing(60, 6), 0
    for number in range(150):
        values = (
            rng.choice([-1.0, 0.0, 1.0], 360, p=[0.15, 0.6, 0.25]) if number % 2 else rng.integers(-1, 2, 360) * 1.0
        )
        found, test = known(crossed_difference(values, factors)), crossed_test(values, factors)
        assert test is not None
        assert (test.p < 0.05) == (found.low > 0 or found.high < 0)
        rejected += test.p < 0.05
    assert 10 < rejected < 140


def test_no_difference_at_all_has_a_p_of_1() -> None:
    test = crossed_test(np.zeros(60), crossing(20, 3))
    assert test is not None
    assert test.p == 1


def test_what_an_interval_generalises_to_in_words() -> None:
    assert generalises_to(["question"], ["judge", "seed"]) == "over questions, for these judges and seeds"
    assert generalises_to(["question", "judge", "seed"], []) == "over questions, judges and seeds"
