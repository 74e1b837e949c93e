"""Intervals that say what they are, for outcomes of which those in one cluster may depend on each other.

Independent outcomes get Wilson's interval. Most others rest on the cluster jackknife: each cluster is left out
once, and the spread of what comes out is the variance. A percentile bootstrap of clusters covers too seldom with
fewer than a hundred of them (benchmarks/coverage.py prints both).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

__all__ = [
    "NOTHING",
    "Floats",
    "Interval",
    "Jackknife",
    "Places",
    "jackknife",
    "mean_difference",
    "mean_ratio",
    "percentiles",
    "places",
    "proportion",
    "resampled",
    "spread",
    "within",
]

LEVEL = 0.95

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class Interval(NamedTuple):
    """A 95 % interval and the method that gave it."""

    low: float
    high: float
    method: str


class Jackknife(NamedTuple):
    """A number, its variance over clusters, and how many clusters that rests on.

    Attributes:
        value: the number, worked out from all clusters.
        variance: (G - 1) / G times the summed squared deviations of the G leave-one-out values from their mean
            (Efron and Stein 1981); NaN where it cannot be had.
        freedom: degrees of freedom, the effective number of clusters less one. With h a cluster's share of the
            rows that is (sum h^2)^2 / sum h^4: G where all are of one size, fewer where a few weigh most.
        clusters: G.
    """

    value: float
    variance: float
    freedom: float
    clusters: int

    @property
    def quantile(self) -> float:
        """Student's, two-sided, for the 95 % interval."""
        return float(stats.t.ppf((1 + LEVEL) / 2, max(self.freedom, 1)))


def proportion(correct: Sequence[bool] | npt.NDArray[np.bool_], clusters: Sequence[object]) -> Interval:
    """An interval for the share of ``correct`` outcomes, of which those in one cluster may depend on each other.

    Outcomes that each have a cluster to themselves are independent: Wilson's score interval (1927). Otherwise it
    is Wilson's with the effective number of outcomes p (1 - p) / v in place of their number, v being the cluster
    jackknife's variance, and Student's quantile for the effective number of clusters (after Korn and Graubard
    1998). Where every cluster has the same share there is no spread, although a few clusters prove little; then
    it is Wilson's interval with the clusters as observations.
    """
    right = np.asarray(correct, dtype=np.float64)
    if len(set(map(str, clusters))) == len(right):
        return Interval(*_wilson(float(right.mean()), len(right)), "wilson")
    return within(np.column_stack([right, np.ones(len(right))]), clusters, _ratio)


def within(counts: Floats, clusters: Sequence[object], of: Callable[[Floats], Floats]) -> Interval:
    """An interval for a number within 0..1 that is worked out from sums over clusters, such as an F1.

    As in `proportion`: Wilson's with the effective number of outcomes. Where the jackknife shows no spread, or the
    number is not defined without one of the clusters, it is Wilson's interval with the clusters as observations.

    Args:
        counts: one row for each observation.
        clusters: the cluster of each.
        of: from sums of rows, the last axis running over their columns, to the number, or NaN.
    """
    found = jackknife(counts, clusters, of)
    if not found.variance > NOTHING:
        return Interval(*_wilson(found.value, found.clusters), f"wilson on {found.clusters} clusters")
    effective = found.value * (1 - found.value) / found.variance
    low, high = _score(found.value, effective, found.quantile)
    return Interval(low, high, f"cluster jackknife wilson, {found.clusters} clusters")


def mean_difference(differences: Sequence[float] | Floats, clusters: Sequence[object]) -> Interval:
    """An interval for a mean of per-question differences, each within -1..1, clustered by what questions share.

    Student's t on the cluster jackknife's variance. Where every cluster has the same mean there is no spread;
    then it is Wilson's interval with the clusters as observations, for the mean mapped to 0..1: as wide as if
    each had been all or nothing.
    """
    values = np.asarray(differences, dtype=np.float64)
    found = jackknife(np.column_stack([values, np.ones(len(values))]), clusters, _ratio)
    if not found.variance > NOTHING:
        low, high = _wilson((found.value + 1) / 2, found.clusters)
        return Interval(2 * low - 1, 2 * high - 1, f"wilson on {found.clusters} clusters")
    low, high, method = _student(found)
    return Interval(max(low, -1.0), min(high, 1.0), f"paired {method}")


def spread(counts: Floats, clusters: Sequence[object], of: Callable[[Floats], Floats]) -> Interval | None:
    """An interval for any number that is worked out from sums over clusters: Student's t on the jackknife's variance.

    None where the jackknife shows no spread, or cannot be made: then nothing is known about how sure it is.
    The arguments are those of `within`.
    """
    found = jackknife(counts, clusters, of)
    return _student(found) if found.variance > NOTHING else None


def mean_ratio(counts: Floats, clusters: Sequence[object]) -> Interval | None:
    """An interval for a ratio of sums that may lie anywhere, such as a mean of scores: first column for one of second.

    Bootstrap-t (Efron 1981; Davison and Hinkley 1997, 5.2.1): clusters are resampled, and the quantiles of what comes
    out, in units of its own standard error, stand in Student's place. Scores are skewed, which Student's t does not
    see; with more than 1000 clusters the two are the same, and `spread` is used, as it is with five or fewer, which are
    too few to resample. None without spread.
    """
    found = jackknife(counts, clusters, _ratio)
    if not found.variance > NOTHING:
        return None
    place = places(clusters)
    sums, sizes = (np.bincount(place, weights=column).astype(np.float64) for column in counts.T)
    studentised = _studentised(sums, sizes) if _FEW < found.clusters <= _MANY else np.empty(0)
    if studentised.size < _RESAMPLES * _ENOUGH:
        return _student(found)
    low, high = np.quantile(studentised, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    error = float(np.sqrt(found.variance))
    method = f"cluster bootstrap-t, {found.clusters} clusters"
    return Interval(found.value - float(high) * error, found.value - float(low) * error, method)


def jackknife(counts: Floats, clusters: Sequence[object], of: Callable[[Floats], Floats]) -> Jackknife:
    """The number that ``of`` makes of summed rows, and its variance; the arguments are those of `within`."""
    place = places(clusters)
    sums = np.column_stack([np.bincount(place, weights=column) for column in counts.T]).astype(np.float64)
    total, rows = sums.sum(axis=0), np.bincount(place).astype(np.float64)
    g, share = len(sums), rows / rows.sum()
    left_out = of(total - sums) if g > 1 else np.array([np.nan])
    variance = (g - 1) / g * float(((left_out - left_out.mean()) ** 2).sum())
    freedom = float((share**2).sum() ** 2 / (share**4).sum()) - 1
    return Jackknife(float(of(total)), variance, freedom, g)


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


NOTHING = 1e-20
"""A variance below this is rounding."""
_RESAMPLES = 2000
_MANY = 1000
_FEW = 5
"""With so few clusters some resamples have next to no spread: intervals get a million wide, and cover no better."""
_ENOUGH = 0.9
"""What share of the resamples must show spread for their quantiles to be used."""


def _studentised(sums: Floats, sizes: Floats) -> Floats:
    """How far the ratios of resampled clusters lie from that of all, in their own standard errors."""
    often = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), _RESAMPLES)
    below = often @ sizes
    ratio = often @ sums / below
    variance = often @ sums**2 - 2 * ratio * (often @ (sums * sizes)) + ratio**2 * (often @ sizes**2)
    kept = variance > NOTHING * below**2
    # Leaving clusters out one by one gives about this variance; it is what can be had of all resamples at once.
    found: Floats = (ratio - sums.sum() / sizes.sum())[kept] * below[kept] / np.sqrt(variance[kept])
    return found


def _student(found: Jackknife) -> Interval:
    half = found.quantile * float(np.sqrt(found.variance))
    return Interval(found.value - half, found.value + half, f"cluster jackknife t, {found.clusters} clusters")


def _wilson(share: float, n: int) -> tuple[float, float]:
    low, high = proportion_confint(share * n, n, alpha=1 - LEVEL, method="wilson")
    return float(low), float(high)


def _score(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's interval for any number of outcomes and any quantile."""
    z = quantile**2 / n
    middle = (share + z / 2) / (1 + z)
    half = float(np.sqrt(z * share * (1 - share) + z**2 / 4)) / (1 + z)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _ratio(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1], dtype=np.float64)
