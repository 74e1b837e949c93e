"""The cluster score interval: the values that lie within Student's quantile of what the clusters of a study show.

Wilson (1927) inverts the test whose variance is the one that the null value implies: the interval holds every mu with
(value - mu)^2 <= t^2 V(mu) / G. For independent outcomes V(mu) = mu (1 - mu). For clusters V(mu) comes from their own
deviations d_1 … d_G, in the direction of mu:

    V(mu) = min(V + |mu - value| b - (mu - value)^2 k,  s (mu - low) (high - mu))

V is G times the variance CR2 (Bell and McCaffrey 2002), k = V / ((value - low) (high - value)), and s = G sum h^2, with
h the clusters' shares of the rows, is 1 where clusters have one size.

With b = k (low + high - 2 value), signed by the direction, the first part is V in proportion to (mu - low) (high - mu),
which is the interval of Korn and Graubard (1998). It holds where clusters are skewed as a binomial is, and they need
not be: where one outcome of two is right in nearly every cluster and both are in a few, the share is near 1/2 and yet
as skewed as that of a rare event. So b is at least sum d^3 / sum d^2, by which variance grows with the mean where what
was seen becomes more frequent. For outcomes of 0 and 1 both agree and give Wilson's.

What was not seen counts by its plausibility. About e = (sum d^2)^2 / sum d^4 clusters deviate; a kind of cluster that
is as frequent as those is missing from a study with probability exp(-e) (Poisson). With that weight b is the distance
to the limit instead, s times: the slope if unseen clusters lie there. Without any spread it is that alone, much as in
the score interval of a paired difference (Tango 1998), so that the first cluster that deviates moves a bound by
O(1 / G). The second part of V(mu) is the largest variance that a mean within the limits can have (Bhatia and Davis
2000). A number that is no mean, such as the harmonic mean of two shares, can have more and goes without it; there k is
s for what was not seen.

Student's degrees of freedom are Satterthwaite's for CR2 where outcomes within clusters are independent,
1 / (sum h^2 + (sum w)^2 - sum w^2) with w = h^2 / (1 - h); that is G - 1 where clusters have one size.

Arrays have one value for each study; clusters are on the last axis.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

__all__ = ["NOTHING", "Floats", "Limits", "Moments", "bounds", "freedom", "moments", "null_variance"]

Floats = npt.NDArray[np.float64]
Limits = tuple[float, float]
"""The least and the greatest value that a number can have; infinite where there is none."""

NOTHING = 1e-20
"""A variance below this is rounding."""


class Moments(NamedTuple):
    """What the clusters of each study say of its number.

    Attributes:
        value: the number.
        variance: CR2, the variance of ``value``.
        skew: sum d^3 / sum d^2; 0 without spread.
        unseen: exp(-e), the weight of what clusters could be and none is; 1 without spread.
        clusters: G.
        unevenness: G sum h^2, 1 where clusters have one size.
        freedom: degrees of freedom of the variance, at least 1.
        mean: whether the number is a mean over clusters, weighted by their shares.
    """

    value: Floats
    variance: Floats
    skew: Floats
    unseen: Floats
    clusters: int
    unevenness: float
    freedom: float
    mean: bool


def freedom(share: Floats) -> float:
    """Return Satterthwaite's degrees of freedom of CR2, for clusters with these shares of the rows; at least 1."""
    if (share == 1).any():
        return 1.0
    weight = share**2 / (1 - share)
    return max(1 / float((share**2).sum() + weight.sum() ** 2 - (weight**2).sum()), 1.0)


def moments(value: Floats, influence: Floats, share: Floats, *, mean: bool = True) -> Moments:
    """Return the moments of studies with two clusters or more.

    Args:
        value: each study's number.
        influence: how much each cluster adds to it, summing to 0 in each study: h (y - value) for a mean, with y the
            cluster's own.
        share: h, each cluster's share of the rows; the same in all studies.
        mean: whether the number is the mean of the clusters' own, weighted by h.
    """
    clusters = share.size
    variance = np.asarray((influence**2 / (1 - share)).sum(axis=-1), dtype=np.float64)
    second, third, fourth = ((clusters * influence) ** 2, (clusters * influence) ** 3, (clusters * influence) ** 4)
    flat = variance <= NOTHING
    with np.errstate(invalid="ignore", divide="ignore"):
        skew = np.where(flat, 0.0, third.sum(axis=-1) / second.sum(axis=-1))
        unseen = np.where(flat, 1.0, np.exp(-(second.sum(axis=-1) ** 2) / fourth.sum(axis=-1)))
    return Moments(
        np.asarray(value, dtype=np.float64),
        np.where(flat, 0.0, variance),
        skew,
        unseen,
        clusters,
        clusters * float((share**2).sum()),
        freedom(share),
        mean,
    )


def null_variance(found: Moments, null: float, limits: Limits) -> Floats:
    """Return the variance that each study's number would have if its true value were ``null``: V(mu) / G."""
    away = null - found.value
    slope = np.where(away < 0, _slope(found, limits, -1), _slope(found, limits, 1))
    own = found.clusters * found.variance + np.abs(away) * slope - away**2 * _curvature(found, limits)
    if not found.mean:
        return np.asarray(own / found.clusters, dtype=np.float64)
    most = found.unevenness * _product(np.float64(null), limits)
    held: Floats = np.minimum(own, most) / found.clusters
    return held


def bounds(found: Moments, limits: Limits, level: float) -> tuple[Floats, Floats]:
    """Return the ends of each study's interval: between them `null_variance` accepts every value."""
    quantile = float(stdtrit(found.freedom, (1 + level) / 2))
    low, high = (found.value + sign * _reach(found, limits, sign, quantile**2 / found.clusters) for sign in (-1, 1))
    return np.maximum(low, limits[0]), np.minimum(high, limits[1])


def _reach(found: Moments, limits: Limits, sign: int, a: float) -> Floats:
    """Return how far the interval goes in one direction: the positive root of x^2 = a V(value + sign x)."""
    slope = _slope(found, limits, sign)
    square = 1 + a * _curvature(found, limits)
    own = (a * slope + np.sqrt((a * slope) ** 2 + 4 * square * a * found.clusters * found.variance)) / (2 * square)
    if not (found.mean and np.isfinite(limits).all()):
        return np.asarray(own, dtype=np.float64)
    # The same for the largest variance there can be: (1 + a s) x^2 - a s c x - a s (value - low) (high - value) = 0.
    most, centre = a * found.unevenness, sign * (limits[0] + limits[1] - 2 * found.value)
    room = np.maximum(_product(found.value, limits), 0)
    largest = (most * centre + np.sqrt((most * centre) ** 2 + 4 * (1 + most) * most * room)) / (2 * (1 + most))
    return np.minimum(own, largest)


def _slope(found: Moments, limits: Limits, sign: int) -> Floats:
    """Return b, how fast the variance grows as the mean moves in one direction."""
    if not np.isfinite(limits).all():
        return np.maximum(sign * found.skew, 0.0)
    binomial = _proportional(found, limits) * (limits[0] + limits[1] - 2 * found.value)
    seen = np.maximum(sign * found.skew, sign * binomial)
    room = np.maximum(limits[1] - found.value if sign > 0 else found.value - limits[0], 0) * found.unevenness
    slope: Floats = (1 - found.unseen) * seen + found.unseen * np.maximum(seen, room)
    return slope


def _curvature(found: Moments, limits: Limits) -> Floats:
    """Return how fast the variance falls off with the square of the distance: k, or s of what was not seen."""
    own = _proportional(found, limits)
    if found.mean or not np.isfinite(limits).all():
        return own
    # Where nothing deviates every such number moves like the mean of its groups, and Wilson's variance bounds it.
    return np.asarray((1 - found.unseen) * own + found.unseen * found.unevenness, dtype=np.float64)


def _proportional(found: Moments, limits: Limits) -> Floats:
    """Return k, 0 where there are no limits or the number lies on one."""
    room = _product(found.value, limits)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isfinite(room) & (room > 0), found.clusters * found.variance / room, 0.0)


def _product(value: Floats | np.float64, limits: Limits) -> Floats:
    if not np.isfinite(limits).all():
        return np.full(np.shape(value), np.inf)
    return np.asarray((value - limits[0]) * (limits[1] - value), dtype=np.float64)
