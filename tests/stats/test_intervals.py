"""Intervals against published numbers, other software, and simulated truth."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from oversight.stats.intervals import (
    Interval,
    jackknife,
    mean_difference,
    mean_ratio,
    percentiles,
    proportion,
    resampled,
    spread,
    within,
)


def outcomes(right: int, n: int) -> list[bool]:
    return [True] * right + [False] * (n - right)


def correlated(rng: np.random.Generator, clusters: int, size: int, share: float) -> tuple[np.ndarray, list[int]]:
    """Outcomes of clusters whose own shares vary a lot around ``share``."""
    own = rng.beta(share * 1.5, (1 - share) * 1.5, clusters)
    return (rng.random((clusters, size)) < own[:, None]).ravel(), np.repeat(np.arange(clusters), size).tolist()


# --- independent outcomes


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_independent_outcomes_get_the_published_wilson_interval(right: int, n: int, low: float, high: float) -> None:
    found = proportion(outcomes(right, n), range(n))
    assert (round(found.low, 4), round(found.high, 4), found.method) == (low, high, "wilson")


@given(st.integers(1, 300), st.data())
def test_independent_outcomes_get_scipys_wilson_interval(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert proportion(outcomes(right, n), range(n))[:2] == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("right", [0, 20])
def test_all_wrong_or_all_right_still_leaves_doubt(right: int) -> None:
    found = proportion(outcomes(right, 20), range(20))
    assert 0 <= found.low < found.high <= 1


# --- clustered outcomes


def test_two_opposite_clusters_say_nothing() -> None:
    assert proportion([True, True, False, False], ["a", "a", "b", "b"])[:2] == pytest.approx((0.0, 1.0), abs=0.01)


def test_the_clustered_interval_says_its_method_and_the_number_of_clusters() -> None:
    assert proportion([True, True, False, True], [1, 1, 2, 2]).method == "cluster jackknife wilson, 2 clusters"


def test_the_clustered_interval_is_about_the_analytic_one() -> None:
    rng = np.random.default_rng(1)
    right, clusters = correlated(rng, clusters=250, size=4, share=0.6)
    sums = right.reshape(250, 4).sum(axis=1)
    share = right.mean()
    # Liang and Zeger (1986): residuals are summed within clusters before they are squared.
    error = np.sqrt(250 / 249 * ((sums - share * 4) ** 2).sum()) / right.size
    found = proportion(right, clusters)
    assert found[:2] == pytest.approx((share - 1.96 * error, share + 1.96 * error), abs=0.1 * error)


def test_the_clustered_interval_weighs_clusters_by_their_size() -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 12, 250)
    own = rng.random(250)
    right = np.concatenate([rng.random(n) < p for n, p in zip(sizes, own, strict=True)])
    sums = np.array([part.sum() for part in np.split(right, np.cumsum(sizes)[:-1])])
    share = right.mean()
    error = np.sqrt(250 / 249 * ((sums - share * sizes) ** 2).sum()) / right.size
    found = proportion(right, np.repeat(np.arange(250), sizes).tolist())
    assert found[:2] == pytest.approx((share - 1.96 * error, share + 1.96 * error), abs=0.15 * error)


def test_correlated_outcomes_get_a_wider_interval_than_independent_ones() -> None:
    right, clusters = correlated(np.random.default_rng(3), clusters=60, size=6, share=0.6)
    clustered, naive = proportion(right, clusters), proportion(right, range(right.size))
    assert clustered.high - clustered.low > 1.5 * (naive.high - naive.low)


def test_repeating_every_outcome_proves_nothing_more() -> None:
    right = np.random.default_rng(4).random(80) < 0.6
    once = proportion(right, range(80))
    thrice = proportion(np.repeat(right, 3), np.repeat(np.arange(80), 3).tolist())
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.1)


def test_clusters_without_spread_count_as_one_observation_each() -> None:
    found = proportion([True] * 12, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4])
    expected = binomtest(4, 4).proportion_ci(method="wilson")
    assert found[:2] == pytest.approx((expected.low, expected.high))
    assert found.method == "wilson on 4 clusters"


def test_the_same_data_gives_the_same_interval() -> None:
    right, clusters = correlated(np.random.default_rng(5), clusters=20, size=3, share=0.5)
    assert proportion(right, clusters) == proportion(right, clusters)


def test_the_order_of_outcomes_does_not_matter() -> None:
    right, clusters = correlated(np.random.default_rng(6), clusters=20, size=3, share=0.5)
    shuffled = np.random.default_rng(7).permutation(right.size)
    assert proportion(right[shuffled], [clusters[place] for place in shuffled]) == proportion(right, clusters)


# --- coverage: a study of 1500 has a standard error of 0.006 at 0.95; benchmarks/coverage.py is the long form

STUDIES = 1500


def coverage(found: Iterable[Interval | None], truth: float) -> float:
    """The share of intervals that hold the truth."""
    return float(np.mean([each is not None and each.low <= truth <= each.high for each in found]))


@pytest.mark.parametrize(
    ("clusters", "sizes"), [(20, (1, 12)), (40, (1, 12)), (120, (1, 12)), (20, (4, 5)), (60, (2, 3)), (100, (1, 2))]
)
def test_95_percent_intervals_cover_so_often_and_naive_ones_do_not(clusters: int, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(8)
    shares, naive, differences = [], [], []
    for _ in range(STUDIES):
        n = rng.integers(*sizes, clusters)
        at = np.repeat(np.arange(clusters), n)
        right = rng.random(n.sum()) < rng.beta(0.6 * 4, 0.4 * 4, clusters)[at]
        other = rng.random(n.sum()) < rng.beta(0.5 * 4, 0.5 * 4, clusters)[at]
        shares.append(proportion(right, at.tolist()))
        naive.append(proportion(right, range(right.size)))
        differences.append(mean_difference(right.astype(float) - other, at.tolist()))
    assert 0.935 <= coverage(shares, 0.6) <= 0.965 + 0.006
    assert 0.935 <= coverage(differences, 0.1) <= 0.965 + 0.006
    if sizes[1] > 3:
        assert coverage(naive, 0.6) < 0.92


@pytest.mark.parametrize("sizes", [(1, 2), (1, 12)])
def test_intervals_of_skewed_means_cover_where_students_do_not(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(9)
    found, student = [], []
    for _ in range(600):
        at = np.repeat(np.arange(25), rng.integers(*sizes, 25))
        counts = np.column_stack([-rng.exponential(1, 25)[at] * rng.exponential(1, at.size), np.ones(at.size)])
        found.append(mean_ratio(counts, at.tolist()))
        student.append(spread(counts, at.tolist(), lambda sums: sums[..., 0] / sums[..., 1]))
    assert coverage(student, -1) < coverage(found, -1) - 0.01
    assert coverage(found, -1) > 0.9


# --- the jackknife


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(3).normal(size=30)
    found = jackknife(np.column_stack([values, np.ones(30)]), range(30), lambda sums: sums[..., 0] / sums[..., 1])
    assert found.variance == pytest.approx(values.var(ddof=1) / 30)
    assert (found.freedom, found.clusters) == (pytest.approx(29), 30)


def test_a_cluster_that_weighs_most_leaves_few_degrees_of_freedom() -> None:
    counts = np.ones((1019, 2))
    clusters = [*range(19), *[19] * 1000]
    assert jackknife(counts, clusters, lambda sums: sums[..., 0] / sums[..., 1]).freedom < 0.1


def test_with_one_outcome_a_cluster_both_ways_agree() -> None:
    right = np.random.default_rng(4).random(200) < 0.7
    by_jackknife = within(
        np.column_stack([right, np.ones(200)]).astype(float), range(200), lambda s: s[..., 0] / s[..., 1]
    )
    assert by_jackknife[:2] == pytest.approx(proportion(right, range(200))[:2], abs=0.001)


def test_bootstrap_t_agrees_with_student_where_nothing_is_skewed() -> None:
    values = np.random.default_rng(5).normal(size=400)
    counts = np.column_stack([values, np.ones(400)])
    boot, student = mean_ratio(counts, range(400)), spread(counts, range(400), lambda s: s[..., 0] / s[..., 1])
    assert boot is not None
    assert student is not None
    assert boot[:2] == pytest.approx(student[:2], abs=0.1 * (student.high - student.low))
    assert mean_ratio(np.ones((4, 2)), range(4)) is None


@pytest.mark.parametrize("clusters", [3, 4, 5])
def test_skewed_means_of_a_few_clusters_are_no_wider_than_students(clusters: int) -> None:
    """Three images once had a score difference whose interval was 250,000 bits wide."""
    values = np.array([9.0, 9.001, 7.5, 8.999, 9.0005])[:clusters]
    counts = np.column_stack([values, np.ones(clusters)])
    found, student = (
        mean_ratio(counts, range(clusters)),
        spread(counts, range(clusters), lambda s: s[..., 0] / s[..., 1]),
    )
    assert found == student


def test_percentiles_are_widened_for_few_clusters() -> None:
    values = np.random.default_rng(6).normal(size=20_000)
    few, many = percentiles(values, 10), percentiles(values, 10_000)
    assert many[:2] == pytest.approx((-1.96, 1.96), abs=0.06)
    # sqrt(10 / 9) times Student's quantile with 9 degrees of freedom
    assert few[:2] == pytest.approx((-2.384, 2.384), abs=0.12)


def test_whole_clusters_are_drawn() -> None:
    drawn = list(resampled(["a", "b", "a", "c"], 50))
    assert all((rows == 0).sum() == (rows == 2).sum() for rows in drawn)
    assert {len(rows) for rows in drawn} <= {3, 4, 5, 6}


# --- paired differences


def test_the_difference_of_two_opposite_clusters_says_nothing() -> None:
    found = mean_difference([1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"])
    assert found == (-1.0, 1.0, "paired cluster jackknife t, 2 clusters")


def test_differences_without_spread_say_so() -> None:
    found = mean_difference([0.5, 0.5, 0.5], "abc")
    assert found.method == "wilson on 3 clusters"
    # Wilson's interval for 3/4 of 3, mapped from 0..1 to -1..1.
    low, high = proportion_confint(0.75 * 3, 3, method="wilson")
    assert (found.low, found.high) == pytest.approx((2 * low - 1, 2 * high - 1))


def test_the_interval_of_a_mean_difference_is_about_students() -> None:
    differences = np.random.default_rng(9).normal(0.1, 0.5, 400)
    error = differences.std(ddof=1) / 20
    found = mean_difference(differences.tolist(), range(400))
    centre = differences.mean()
    assert found[:2] == pytest.approx((centre - 1.96 * error, centre + 1.96 * error), abs=0.1 * error)


def test_repeating_every_difference_proves_nothing_more() -> None:
    differences = np.random.default_rng(10).normal(0.1, 0.5, 60)
    once = mean_difference(differences.tolist(), range(60))
    twice = mean_difference(np.repeat(differences, 2).tolist(), np.repeat(np.arange(60), 2).tolist())
    assert twice[:2] == pytest.approx(once[:2])


def test_the_difference_keeps_its_sign() -> None:
    differences = np.random.default_rng(11).normal(0.5, 0.2, 50)
    found = mean_difference((-differences).tolist(), range(50))
    assert found.high < 0


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
def test_a_mean_difference_lies_in_its_interval(differences: list[float]) -> None:
    found = mean_difference(differences, range(len(differences)))
    assert found.low - 1e-9 <= np.mean(differences) <= found.high + 1e-9
