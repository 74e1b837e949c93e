"""Intervals against published numbers, other software, and simulated truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from oversight.stats import intervals
from oversight.stats.cluster_score import freedom
from oversight.stats.estimate import difference_of, evenly, harmonic, mean_of, share_of, statistic
from oversight.stats.intervals import (
    Interval,
    jackknife,
    mean_ratio,
    percentiles,
    ratio,
    resampled,
    score_test,
    within,
)


def proportion(correct: Sequence[bool] | np.ndarray, clusters: Sequence[object]) -> Interval:
    """The interval of a share, where there is one."""
    found = intervals.proportion(correct, clusters)
    assert found is not None
    return found


def mean_difference(values: Sequence[float] | np.ndarray, clusters: Sequence[object]) -> Interval:
    """The interval of a mean of differences, where there is one."""
    found = intervals.mean_difference(values, clusters)
    assert found is not None
    return found


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
    assert proportion([True, True, False, True], [1, 1, 2, 2]).method == "cluster score, 2 clusters"


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


@pytest.mark.parametrize("size", [2, 3, 10])
def test_clusters_that_are_all_right_count_as_one_observation_each(size: int) -> None:
    found = proportion([True] * 30 * size, np.repeat(np.arange(30), size).tolist())
    # Wilson's interval for 30 of 30, with Student's quantile: n / (n + t^2).
    assert found[:2] == pytest.approx((30 / (30 + t.ppf(0.975, 29) ** 2), 1.0))
    assert found.method == "cluster score, 30 clusters"


@given(st.integers(2, 60), st.integers(2, 5), st.data())
def test_clusters_of_equal_outcomes_get_wilsons_interval_for_clusters(n: int, size: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    found = proportion(np.repeat(outcomes(right, n), size), np.repeat(np.arange(n), size).tolist())
    quantile = t.ppf(0.975, n - 1)
    alpha = 2 * norm.sf(quantile)
    assert found[:2] == pytest.approx(proportion_confint(right, n, alpha=alpha, method="wilson"), abs=1e-6)


def test_the_same_data_gives_the_same_interval() -> None:
    right, clusters = correlated(np.random.default_rng(5), clusters=20, size=3, share=0.5)
    assert proportion(right, clusters) == proportion(right, clusters)


def test_the_order_of_outcomes_does_not_matter() -> None:
    right, clusters = correlated(np.random.default_rng(6), clusters=20, size=3, share=0.5)
    shuffled = np.random.default_rng(7).permutation(right.size)
    assert proportion(right[shuffled], [clusters[place] for place in shuffled]) == proportion(right, clusters)


# --- coverage: 1000 studies have a standard error of 0.007 at 0.95; benchmarks/coverage.py is the long form

STUDIES = 1000


def coverage(found: Iterable[Interval | None], truth: float) -> float:
    """The share of intervals that hold the truth."""
    return float(np.mean([each is not None and each.low <= truth <= each.high for each in found]))


@pytest.mark.parametrize(
    ("clusters", "sizes"),
    [
        (20, (1, 12)),
        pytest.param(40, (1, 12), marks=pytest.mark.long),
        pytest.param(120, (1, 12), marks=pytest.mark.long),
        (20, (4, 5)),
        pytest.param(60, (2, 3), marks=pytest.mark.long),
        (100, (1, 2)),
    ],
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
    assert 0.935 <= coverage(shares, 0.6) <= 0.965 + 0.007
    assert 0.935 <= coverage(differences, 0.1) <= 0.965 + 0.007
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
        held = jackknife(counts, at.tolist(), ratio)
        half = held.quantile * np.sqrt(held.variance)
        student.append(Interval(held.value - half, held.value + half, ""))
    assert coverage(student, -1) < coverage(found, -1) - 0.01
    assert coverage(found, -1) > 0.9


def matched(clusters: int, seen: int) -> Interval:
    """Both assignments of each image: the consultant is always believed, but seen through in some images."""
    outcomes = [True, False] * (clusters - seen) + [True, True] * seen
    return proportion(outcomes, np.repeat(np.arange(clusters), 2).tolist())


@pytest.mark.parametrize(("clusters", "seen"), [(300, 0.01), (100, 0.05), (1000, 0.005), (50, 0.1)])
def test_pairs_that_are_nearly_all_alike_are_covered(clusters: int, seen: float) -> None:
    """The cluster jackknife's interval covered in 0.834 to 0.911 of such studies."""
    exceptions = np.random.default_rng(12).binomial(clusters, seen, 4000)
    held = {each: matched(clusters, each) for each in set(exceptions.tolist())}
    assert coverage([held[each] for each in exceptions.tolist()], 0.5 + seen / 2) >= 0.93


@pytest.mark.parametrize(
    ("questions", "up", "down"), [(300, 0.01, 0.0), (100, 0.05, 0.0), (300, 0.01, 0.01), (100, 0.05, 0.05)]
)
def test_differences_that_are_nearly_all_0_are_covered(questions: int, up: float, down: float) -> None:
    drawn = np.random.default_rng(13).multinomial(questions, [up, down, 1 - up - down], 2000)
    held = {
        (better, worse): mean_difference(
            [1.0] * better + [-1.0] * worse + [0.0] * (questions - better - worse), range(questions)
        )
        for better, worse, _ in set(map(tuple, drawn.tolist()))
    }
    found = coverage([held[better, worse] for better, worse, _ in drawn.tolist()], up - down)
    assert found >= 0.93


def test_one_big_cluster_among_small_ones_is_covered_and_not_absurdly_wide() -> None:
    """The big cluster holds half of the outcomes; with one degree of freedom the mean width was 0.8 to 0.9."""
    rng, found = np.random.default_rng(14), []
    at = np.repeat(np.arange(20), [2] * 19 + [38])
    for _ in range(STUDIES):
        own = rng.beta(0.8 * 9, 0.2 * 9, 20)
        found.append(proportion(rng.random(at.size) < own[at], at.tolist()))
    assert coverage(found, 0.8) >= 0.93
    assert np.mean([each.high - each.low for each in found]) < 0.5


# --- smooth in the data


def test_the_first_exceptions_move_a_share_a_little() -> None:
    """Zero, one, two, … of 100 images seen through; the interval once went from +-0.096 to +-0.010 at the first."""
    ends = np.array([matched(100, seen)[:2] for seen in range(0, 101)])
    assert np.abs(np.diff(ends, axis=0)).max() < 2.2 / 100
    assert ends[0] == pytest.approx([0.4803, 0.5197], abs=1e-4)
    assert ends[1] == pytest.approx([0.4909, 0.5285], abs=1e-4)


def test_the_first_exceptions_move_a_difference_a_little() -> None:
    ends = np.array([mean_difference([1.0] * up + [0.0] * (100 - up), range(100))[:2] for up in range(101)])
    assert np.abs(np.diff(ends, axis=0)).max() < 4.4 / 100
    assert ends[0] == pytest.approx([-0.0394, 0.0394], abs=1e-4)
    assert ends[1] == pytest.approx([-0.0183, 0.0571], abs=1e-4)


@given(st.lists(st.integers(1, 4), min_size=8, max_size=40), st.data())
def test_one_outcome_moves_no_bound_by_more_than_a_few_nths(sizes: list[int], data: st.DataObject) -> None:
    at = np.repeat(np.arange(len(sizes)), sizes).tolist()
    usual = data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    right = np.random.default_rng(data.draw(st.integers(0, 99))).random(len(at)) < usual
    changed = right.copy()
    place = data.draw(st.integers(0, len(at) - 1))
    changed[place] = not changed[place]
    moved = np.abs(np.array(proportion(right, at)[:2]) - np.array(proportion(changed, at)[:2]))
    assert moved.max() <= 8 * max(sizes) / len(at)


# --- the test that the interval inverts


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=3, max_size=60), st.data())
def test_p_is_below_5_percent_exactly_outside_the_interval(values: list[float], data: st.DataObject) -> None:
    clusters = np.random.default_rng(data.draw(st.integers(0, 9))).integers(0, 8, len(values)).tolist()
    null = data.draw(st.floats(-0.99, 0.99))
    counts = np.column_stack([values, np.ones(len(values))])
    interval = intervals.mean_difference(values, clusters)
    found = score_test(counts, clusters, null=null)
    if interval is None:
        assert found is None
        return
    assert found is not None
    for end in interval[:2]:
        if -1 < end < 1 and (at_end := score_test(counts, clusters, null=end)) and interval.high > interval.low:
            assert at_end.p == pytest.approx(0.05, abs=1e-6)
    if min(abs(null - end) for end in interval[:2]) > 1e-9:
        assert (found.p < 0.05) == (not interval.low <= null <= interval.high)
        assert np.sign(found.statistic) in (0, np.sign(np.mean(values) - null))


def test_the_test_of_a_share_of_equal_clusters_is_the_score_test() -> None:
    counts = np.column_stack([[1.0] * 30 + [0.0] * 20, np.ones(50)])
    found = score_test(counts, range(50), null=0.5, limits=(0.0, 1.0))
    assert found is not None
    assert found.statistic == pytest.approx(proportions_ztest(30, 50, 0.5, prop_var=0.5)[0])


def test_four_discordant_questions_of_a_hundred_are_told_from_none_as_by_mcnemar_without_correction() -> None:
    counts = np.column_stack([[1.0] * 4 + [0.0] * 96, np.ones(100)])
    found = score_test(counts, range(100))
    assert found is not None
    assert found.p == pytest.approx(mcnemar([[0, 4], [0, 96]], exact=False, correction=False).pvalue, abs=0.002)


# --- limits, and what is left open


@given(
    st.lists(st.tuples(st.sampled_from([-19.9, -1.0, -0.01, 0.0]), st.integers(0, 5)), min_size=2, max_size=40),
)
def test_intervals_keep_within_their_limits(drawn: list[tuple[float, int]]) -> None:
    values, clusters = zip(*drawn, strict=True)
    found = mean_of(values, clusters, (-19.94, 0.0))
    assert found is not None
    if len(set(clusters)) == 1:
        assert (found.low, found.high, found.interval) == (None, None, "none: one cluster")
    else:
        assert found.low is not None
        assert found.high is not None
        assert -19.94 <= found.low <= found.value + 1e-9
        assert found.value - 1e-9 <= found.high <= 0


def test_one_cluster_has_no_interval() -> None:
    shares, differences = share_of([True, False, True], "aaa"), difference_of([0.5, 0.0], "aa")
    for found in (shares, differences, mean_of([1.0, 2.0], "aa")):
        assert found is not None
        assert (found.low, found.high, found.interval) == (None, None, "none: one cluster")
    assert share_of([True], "a") is not None
    assert intervals.proportion([True], "a") is not None  # one outcome is independent of all others


def test_a_number_that_is_not_defined_without_one_cluster_has_no_interval() -> None:
    counts = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    found = statistic(counts, "abc", ratio, (0.0, 1.0))
    assert found is not None
    assert (found.low, found.interval) == (None, "none: rests on one cluster")


def test_without_spread_and_without_limits_nothing_is_known() -> None:
    found = mean_of([2.0, 2.0, 2.0], "abc")
    assert found is not None
    assert (found.value, found.low, found.interval) == (2.0, None, "none: no spread")


# --- the jackknife


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(3).normal(size=30)
    found = jackknife(np.column_stack([values, np.ones(30)]), range(30), lambda sums: sums[..., 0] / sums[..., 1])
    assert found.variance == pytest.approx(values.var(ddof=1) / 30)
    assert found.freedom == pytest.approx(29)
    assert found.clusters == 30


def test_a_cluster_that_weighs_most_leaves_few_degrees_of_freedom() -> None:
    sizes = np.array([1] * 19 + [1000])
    assert 1 <= freedom(sizes / sizes.sum()) < 1.5


def test_with_one_outcome_a_cluster_both_ways_agree() -> None:
    right = np.random.default_rng(4).random(200) < 0.7
    by_clusters = within(np.column_stack([right, np.ones(200)]).astype(float), range(200), ratio)
    assert by_clusters is not None
    assert by_clusters[:2] == pytest.approx(proportion(right, range(200))[:2], abs=0.001)


def test_the_variance_of_unequal_clusters_is_cr2() -> None:
    rng = np.random.default_rng(16)
    sizes = np.array([1, 2, 3, 4, 9])
    at, values = np.repeat(np.arange(5), sizes), rng.normal(size=19)
    found = jackknife(np.column_stack([values, np.ones(19)]), at.tolist(), ratio)
    # Bell and McCaffrey (2002): residuals of each cluster times (I - H)^(-1/2), H = 1 1' / n.
    meat = 0.0
    for cluster, size in enumerate(sizes):
        hat = np.full((size, size), 1 / 19)
        scale, vectors = np.linalg.eigh(np.eye(size) - hat)
        adjusted = vectors @ np.diag(scale**-0.5) @ vectors.T @ (values[at == cluster] - values.mean())
        meat += adjusted.sum() ** 2
    assert found.variance == pytest.approx(meat / 19**2)


def test_the_degrees_of_freedom_are_satterthwaites() -> None:
    sizes = np.array([1, 2, 3, 4, 9])
    at = np.repeat(np.arange(5), sizes)
    residuals = np.eye(19) - 1 / 19
    # CR2 is a quadratic form in independent outcomes: sum of squares of g_c' y. Satterthwaite: (tr G'G)^2 / tr (G'G)^2.
    forms = np.stack([residuals[at == c].sum(axis=0) / np.sqrt(1 - size / 19) for c, size in enumerate(sizes)])
    gram = forms @ forms.T
    assert freedom(sizes / 19) == pytest.approx(np.trace(gram) ** 2 / np.trace(gram @ gram))


def test_an_unlimited_mean_of_what_is_not_skewed_has_about_students_interval() -> None:
    values = np.random.default_rng(5).normal(size=400)
    found = mean_ratio(np.column_stack([values, np.ones(400)]), range(400))
    assert found is not None
    half = t.ppf(0.975, 399) * values.std(ddof=1) / 20
    assert found[:2] == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


@pytest.mark.parametrize("clusters", [3, 4, 5])
def test_skewed_means_of_a_few_clusters_keep_to_what_a_few_can_show(clusters: int) -> None:
    """Three images once had a score difference whose interval was 250,000 bits wide."""
    values = np.array([9.0, 9.001, 7.5, 8.999, 9.0005])[:clusters]
    found = mean_ratio(np.column_stack([values, np.ones(clusters)]), range(clusters))
    assert found is not None
    assert found.high - found.low < 15


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
    assert found.low < -0.95
    assert found.high > 0.95
    assert found.method == "paired cluster score, 2 clusters"


@pytest.mark.parametrize("value", [-1.0, -0.5, 0.0, 0.25, 1.0])
def test_differences_without_spread_leave_room_for_what_was_not_seen(value: float) -> None:
    found = mean_difference([value] * 200, range(200))
    share = t.ppf(0.975, 199) ** 2 / 200  # of the way to either limit
    assert found.low == pytest.approx(value - share * (value + 1), abs=share / 20)
    assert found.high == pytest.approx(value + share * (1 - value), abs=share / 20)


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


def test_the_mean_of_two_shares_is_as_sure_as_the_smaller_group() -> None:
    """A number that is no mean can vary more than any mean of 150 outcomes; treated as one it covers in 0.80."""
    rng = np.random.default_rng(5)
    group = np.repeat([1.0, 0.0], [119, 31])
    truth = 2 * 0.98 * 0.84 / (0.98 + 0.84)
    covered = 0
    for _ in range(400):
        hit = rng.random(150) < np.where(group == 1, 0.98, 0.84)
        counts = np.column_stack([hit * group, group, hit * (1 - group), 1 - group])
        found = within(counts, range(150), harmonic, sizes=evenly(counts[:, [1, 3]]))
        assert found is not None
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / 400 <= 0.98
