"""Intervals that say what they are, for outcomes of which those in one cluster may depend on each other.

Independent outcomes get Wilson's interval. What rests on clusters gets the cluster score interval, which is Wilson's
with the clusters' own variance (`oversight.stats.cluster_score` has the formula); benchmarks/coverage.py prints how
often it covers. Numbers that are no sums over clusters get the percentiles of a cluster bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from oversight.stats.cluster_score import NOTHING, Floats, Limits, Moments, bounds, moments, null_variance

__all__ = [
    "ANYWHERE",
    "DIFFERENCE",
    "LEVEL",
    "UNIT",
    "Floats",
    "Interval",
    "Jackknife",
    "Limits",
    "Places",
    "ScoreTest",
    "jackknife",
    "mean_difference",
    "mean_ratio",
    "percentiles",
    "places",
    "proportion",
    "ratio",
    "resampled",
    "score_test",
    "within",
]

LEVEL = 0.95

UNIT: Limits = (0.0, 1.0)
"""The limits of a share."""
DIFFERENCE: Limits = (-1.0, 1.0)
"""The limits of a difference of shares."""
ANYWHERE: Limits = (-np.inf, np.inf)
"""No limits."""

Places = npt.NDArray[np.intp]


class Interval(NamedTuple):
    """A 95 % interval and the method that gave it."""

    low: float
    high: float
    method: str


class ScoreTest(NamedTuple):
    """A test of "the number is ``null``".

    Attributes:
        statistic: value less null, in standard errors at the null; its sign is that of the difference.
        p: two-sided, by Student's t with ``freedom`` degrees of freedom.
        clusters: how many clusters it rests on.
    """

    statistic: float
    p: float
    freedom: float
    clusters: int


class Jackknife(NamedTuple):
    """A number, its variance over clusters, and how many clusters that rests on.

    Attributes:
        value: the number, worked out from all clusters.
        variance: CR2, sum (1 - h) (value - left out)^2 over the G values that leave one cluster out, h being that
            cluster's share of the rows: for clusters of one size the jackknife's (Efron and Stein 1981), for a mean
            unbiased under independence (Bell and McCaffrey 2002). NaN where it cannot be had.
        freedom: Satterthwaite's degrees of freedom; see `oversight.stats.cluster_score`. 1 for one cluster.
        clusters: G.
        moments: what the interval is made of; None for one cluster.
    """

    value: float
    variance: float
    freedom: float
    clusters: int
    moments: Moments | None

    @property
    def quantile(self) -> float:
        """Student's, two-sided, for the 95 % interval."""
        return float(stats.t.ppf((1 + LEVEL) / 2, self.freedom))


def proportion(correct: Sequence[bool] | npt.NDArray[np.bool_], clusters: Sequence[object]) -> Interval | None:
    """Return an interval for the share of ``correct`` outcomes; those in one cluster may depend on each other.

    Outcomes that each have a cluster to themselves are independent: Wilson's score interval (1927). Otherwise it is
    the cluster score interval. None for one cluster of several outcomes, which says nothing of others.
    """
    right = np.asarray(correct, dtype=np.float64)
    if len(set(map(str, clusters))) == len(right):
        low, high = proportion_confint(right.sum(), len(right), alpha=1 - LEVEL, method="wilson")
        return Interval(float(low), float(high), "wilson")
    return within(np.column_stack([right, np.ones(len(right))]), clusters, ratio)


def mean_difference(differences: Sequence[float] | Floats, clusters: Sequence[object]) -> Interval | None:
    """Return a cluster score interval for a mean of per-question differences, each within -1..1; None for one cluster.

    `score_test` of the same differences has p < 0.05 exactly where it leaves the null value out.
    """
    values = np.asarray(differences, dtype=np.float64)
    found = within(np.column_stack([values, np.ones(len(values))]), clusters, ratio, DIFFERENCE)
    return found and found._replace(method=f"paired {found.method}")


def mean_ratio(counts: Floats, clusters: Sequence[object], limits: Limits = ANYWHERE) -> Interval | None:
    """Return a cluster score interval for a ratio of sums, first column for one of second, such as a mean of scores.

    The clusters' shares are those of the second column. None as for `within`.
    """
    return within(counts, clusters, ratio, limits)


def within(
    counts: Floats,
    clusters: Sequence[object],
    of: Callable[[Floats], Floats],
    limits: Limits = UNIT,
    *,
    level: float = LEVEL,
    sizes: Floats | None = None,
) -> Interval | None:
    """Return a cluster score interval for a number that is worked out from sums over clusters, such as an F1.

    Args:
        counts: one row for each observation.
        clusters: the cluster of each.
        of: from sums of rows, the last axis running over their columns, to the number, or NaN.
        limits: between which the number, and so the interval, lies.
        level: how often the interval is to hold the number; other than 0.95 where a test needs it.
        sizes: how much each row weighs in the number, about; by default alike, and in a ratio as its second column.

    Returns:
        None where nothing is known of how sure the number is: for one cluster, where the number is not defined
        without one of the clusters, or where there is no spread and no limit.
    """
    return _interval(jackknife(counts, clusters, of, sizes), limits, level)


def score_test(
    counts: Floats,
    clusters: Sequence[object],
    of: Callable[[Floats], Floats] | None = None,
    *,
    null: float = 0.0,
    limits: Limits = DIFFERENCE,
    sizes: Floats | None = None,
) -> ScoreTest | None:
    """Return the test that the interval of `within` inverts; None where that is None.

    Args:
        counts: as for `within`; for differences two columns, these and ones.
        clusters: the cluster of each row.
        of: as for `within`; by default the ratio of the two columns.
        null: the value that is tested.
        limits: as for `within`.
        sizes: as for `within`.
    """
    found = jackknife(counts, clusters, of or ratio, sizes)
    held = _known(found, limits)
    if held is None:
        return None
    away, variance = found.value - null, float(null_variance(held, null, limits))
    if variance > NOTHING:
        statistic = away / np.sqrt(variance)
    else:
        statistic = float("inf") * np.sign(away) if abs(away) > np.sqrt(NOTHING) else 0.0
    p = float(2 * stats.t.sf(abs(statistic), held.freedom))
    return ScoreTest(float(statistic), p, held.freedom, held.clusters)


def jackknife(
    counts: Floats, clusters: Sequence[object], of: Callable[[Floats], Floats], sizes: Floats | None = None
) -> Jackknife:
    """Return the number that ``of`` makes of summed rows, and its variance.

    Args:
        counts: one row for each observation.
        clusters: the cluster of each.
        of: as for `within`.
        sizes: what clusters' shares are shares of, a value for each row; as for `within`.
    """
    place = places(clusters)
    if sizes is None and of is ratio:
        sizes = counts[:, 1]
    sums = np.column_stack([np.bincount(place, weights=column) for column in counts.T]).astype(np.float64)
    total, rows = sums.sum(axis=0), np.bincount(place, weights=sizes).astype(np.float64)
    g, share, value = len(sums), rows / rows.sum(), float(of(total))
    if g == 1:
        return Jackknife(value, float("nan"), 1.0, 1, None)
    held = moments(np.asarray(value), (1 - share) * (value - of(total - sums)), share, mean=of is ratio)
    return Jackknife(value, float(held.variance), held.freedom, g, held)


def ratio(sums: Floats) -> Floats:
    """Return the first sum for one of the second; NaN where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 1] == 0, np.nan, sums[..., 0] / sums[..., 1])


def resampled(clusters: Sequence[object], times: int, seed: int = 0) -> Iterator[Places]:
    """The rows of data sets in which whole clusters were drawn with replacement, for numbers that are no sums."""
    place = places(clusters)
    order = np.argsort(place, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(place))[:-1])
    rng = np.random.default_rng(seed)
    for _ in range(times):
        yield np.concatenate([members[drawn] for drawn in rng.integers(0, len(members), len(members))])


def percentiles(values: Floats, clusters: int) -> Interval:
    """The percentile interval of a cluster bootstrap, with its tails widened for few clusters.

    The plain one is too narrow by a factor of about sqrt((G - 1) / G) and by the normal quantile in Student's
    place; taking the percentiles at Phi(-sqrt(G / (G - 1)) t) mends both (Hesterberg 2015, section 4.3).
    """
    known = values[~np.isnan(values)]
    tail = (1 - LEVEL) / 2
    if clusters > 1:
        tail = float(stats.norm.cdf(np.sqrt(clusters / (clusters - 1)) * stats.t.ppf(tail, clusters - 1)))
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high), f"cluster bootstrap, {clusters} clusters")


def places(clusters: Sequence[object]) -> Places:
    """The clusters numbered from 0, by their names."""
    return np.unique(np.asarray([str(c) for c in clusters]), return_inverse=True)[1].astype(np.intp)


def _interval(found: Jackknife, limits: Limits, level: float = LEVEL) -> Interval | None:
    held = _known(found, limits)
    if held is None:
        return None
    low, high = bounds(held, limits, level)
    return Interval(float(low), float(high), f"cluster score, {found.clusters} clusters")


def _known(found: Jackknife, limits: Limits) -> Moments | None:
    """Return the moments, if they say how sure the number is."""
    flat = not found.variance > NOTHING and not np.isfinite(limits).all()
    return None if np.isnan(found.variance) or flat else found.moments
