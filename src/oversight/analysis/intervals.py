"""Intervals that say what they are: Wilson for independent outcomes, a cluster bootstrap otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

__all__ = ["Interval", "mean_difference", "proportion", "resampled"]

LEVEL = 0.95
_RESAMPLES = 2000
_SEED = 0
_AT_ONCE = 4_000_000
"""How many draws are held in memory at a time."""

Floats = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """A 95 % interval and the method that gave it."""

    low: float
    high: float
    method: str


def proportion(correct: Sequence[bool] | npt.NDArray[np.bool_], clusters: Sequence[object]) -> Interval:
    """An interval for the share of ``correct`` outcomes, of which those in one cluster may depend on each other.

    Outcomes that each have a cluster to themselves are independent: Wilson's score interval (1927). Otherwise
    whole clusters are resampled, and the interval is the percentile one of the ratio estimator (Davison and
    Hinkley 1997, 3.8). Where every cluster has the same share, resampling shows no spread although a few
    clusters prove little; then it is Wilson's interval with the clusters as observations.
    """
    sums, sizes = _by_cluster(np.asarray(correct, dtype=np.float64), clusters)
    share = float(sums.sum() / sizes.sum())
    if sizes.max() == 1:
        return Interval(*_wilson(share, len(sizes)), "wilson")
    if np.ptp(sums / sizes) == 0:
        return Interval(*_wilson(share, len(sizes)), f"wilson on {len(sizes)} clusters")
    return Interval(*_bootstrap(sums, sizes), f"cluster bootstrap, {len(sizes)} clusters")


def mean_difference(differences: Sequence[float], clusters: Sequence[object]) -> Interval:
    """An interval for a mean of per-question differences, each within -1..1, resampling clusters of questions.

    Where every cluster has the same mean there is nothing to resample; then it is Wilson's interval with the
    clusters as observations, for the mean mapped to 0..1: as wide as if each had been all or nothing.
    """
    sums, sizes = _by_cluster(np.asarray(differences, dtype=np.float64), clusters)
    mean = float(sums.sum() / sizes.sum())
    if np.ptp(sums / sizes) == 0:
        low, high = _wilson((mean + 1) / 2, len(sizes))
        return Interval(2 * low - 1, 2 * high - 1, f"wilson on {len(sizes)} clusters")
    return Interval(*_bootstrap(sums, sizes), f"paired cluster bootstrap, {len(sizes)} clusters")


def resampled(counts: Floats, clusters: Sequence[object], of: Callable[[Floats], Floats]) -> Interval:
    """An interval for a number within 0..1 that is worked out from sums over clusters, such as an F1.

    Whole clusters are resampled, and the interval is the percentile one (Davison and Hinkley 1997, 5.3.1);
    resamples in which the number is not defined are left out. Where there is no spread, it is Wilson's interval
    with the clusters as observations, as in `proportion`.

    Args:
        counts: one row for each observation.
        clusters: the cluster of each.
        of: from sums of rows, the last axis running over their columns, to the number, or NaN.
    """
    _, place = np.unique(np.asarray([str(c) for c in clusters]), return_inverse=True)
    sums = np.column_stack([np.bincount(place, weights=column) for column in counts.T]).astype(np.float64)
    rng, found, n = np.random.default_rng(_SEED), [], len(sums)
    for start in range(0, _RESAMPLES, batch := max(1, _AT_ONCE // n)):
        drawn = rng.integers(0, n, (min(batch, _RESAMPLES - start), n))
        found.append(of(sums[drawn].sum(axis=1)))
    values = np.concatenate(found)
    values = values[~np.isnan(values)]
    if np.ptp(values) == 0:
        return Interval(*_wilson(float(of(sums.sum(axis=0))), n), f"wilson on {n} clusters")
    low, high = np.percentile(values, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(low), float(high), f"cluster bootstrap, {n} clusters")


def _wilson(share: float, n: int) -> tuple[float, float]:
    low, high = proportion_confint(share * n, n, alpha=1 - LEVEL, method="wilson")
    return float(low), float(high)


def _by_cluster(values: Floats, clusters: Sequence[object]) -> tuple[Floats, Floats]:
    """Sum and size of each cluster."""
    _, place = np.unique(np.asarray([str(c) for c in clusters]), return_inverse=True)
    sums: Floats = np.bincount(place, weights=values).astype(np.float64)
    return sums, np.bincount(place).astype(np.float64)


def _bootstrap(sums: Floats, sizes: Floats) -> tuple[float, float]:
    found = stats.bootstrap(
        (sums, sizes),
        lambda s, n, axis: s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=_RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
