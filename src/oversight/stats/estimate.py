"""Numbers that say what they rest on (rule 8): each with n, its 95 % interval and the interval's method."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from oversight.stats.intervals import (
    ANYWHERE,
    UNIT,
    Floats,
    Interval,
    Limits,
    mean_difference,
    mean_ratio,
    places,
    proportion,
    ratio,
    within,
)

__all__ = [
    "Estimate",
    "difference_of",
    "evenly",
    "f1_of",
    "harmonic",
    "mean_of",
    "mean_share",
    "ratio",
    "ratio_of",
    "safe_divide",
    "share_of",
    "statistic",
    "unit_statistic",
]


class Estimate(BaseModel):
    """A number and what it rests on.

    Attributes:
        value: the number.
        n: how many observations it is about; what those are, the function that made it says.
        low, high, interval: its 95 % interval and the method. Both ends are None, and the method says why after
            "none: ", where the observations say nothing of how sure the number is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    n: int
    low: float | None
    high: float | None
    interval: str

    def text(self, form: str = ".3f") -> str:
        """The number with its interval, as tables show it."""
        if self.low is None or self.high is None:
            return f"{self.value:{form}}"
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"


def share_of(outcomes: Sequence[bool] | npt.NDArray[np.bool_], clusters: Sequence[object]) -> Estimate | None:
    """Return the share of outcomes that are true; None without any."""
    if not len(outcomes):
        return None
    values = np.asarray(outcomes, dtype=bool)
    return _measured(float(values.mean()), len(values), proportion(values, clusters), clusters)


def difference_of(differences: Sequence[float] | Floats, clusters: Sequence[object]) -> Estimate | None:
    """Return the mean of per-question differences, each within -1..1; None without any."""
    if not len(differences):
        return None
    values = np.asarray(differences, dtype=np.float64)
    return _measured(float(values.mean()), len(values), mean_difference(values, clusters), clusters)


def mean_share(values: Sequence[float] | Floats, clusters: Sequence[object]) -> Estimate | None:
    """Return the mean of shares, each of which is itself an expectation; None without any.

    Where each of them is 0 or 1 it is a share of outcomes, and gets the interval of one.
    """
    found = np.asarray(values, dtype=np.float64)
    if np.isin(found, (0.0, 1.0)).all():
        return share_of(found.astype(bool), clusters)
    return unit_statistic(np.column_stack([found, np.ones(len(found))]), clusters, ratio)


def mean_of(values: Sequence[float] | Floats, clusters: Sequence[object], limits: Limits = ANYWHERE) -> Estimate | None:
    """Return the mean of any numbers, each within ``limits``; None without any."""
    found = np.asarray(values, dtype=np.float64)
    return ratio_of(found, np.ones(len(found)), clusters, limits)


def ratio_of(above: Floats, below: Floats, clusters: Sequence[object], limits: Limits = ANYWHERE) -> Estimate | None:
    """Return the sum of ``above`` for one of ``below``, which is not negative; None where that sums to 0.

    Args:
        above: one value for each observation.
        below: one value for each observation.
        clusters: the cluster of each.
        limits: what every observation's own ratio lies within, and so the interval.
    """
    if not len(above) or not below.sum():
        return None
    found = mean_ratio(np.column_stack([above, below]), clusters, limits)
    return _measured(float(above.sum() / below.sum()), len(above), found, clusters, limits)


def unit_statistic(
    counts: Floats, clusters: Sequence[object], of: Callable[[Floats], Floats], sizes: Floats | None = None
) -> Estimate | None:
    """Return a number from 0 to 1 that ``of`` works out from the sums of ``counts``; None where it is not defined.

    Args:
        counts: one row for each observation.
        clusters: the cluster of each.
        of: from sums, the last axis running over the columns, to the number; NaN where it is not defined.
        sizes: how much each row weighs, as for `oversight.stats.intervals.within`; see `evenly`.
    """
    return statistic(counts, clusters, of, UNIT, sizes)


def evenly(groups: Floats) -> Floats:
    """Return how much each row weighs in a number that groups of rows make in equal parts.

    Args:
        groups: one column for each group, 1 in the rows that are in it.
    """
    found: Floats = safe_divide(groups, groups.sum(axis=0)).sum(axis=1)
    return found


def statistic(
    counts: Floats,
    clusters: Sequence[object],
    of: Callable[[Floats], Floats],
    limits: Limits = ANYWHERE,
    sizes: Floats | None = None,
) -> Estimate | None:
    """Return the same for a number that lies within ``limits``."""
    if not len(counts) or np.isnan(value := float(of(counts.sum(axis=0)))):
        return None
    return _measured(value, len(counts), within(counts, clusters, of, limits, sizes=sizes), clusters, limits)


def f1_of(counts: Floats) -> Floats:
    """F1 from true positives, false positives and false negatives: 2 tp / (2 tp + fp + fn)."""
    twice = 2 * counts[..., 0]
    return safe_divide(twice, twice + counts[..., 1] + counts[..., 2])


def harmonic(counts: Floats) -> Floats:
    """The harmonic mean of two shares, from the hits and the size of each; 0 where both are 0."""
    one, other = (safe_divide(counts[..., i], counts[..., i + 1]) for i in (0, 2))
    found = safe_divide(2 * one * other, one + other)
    return np.where(one + other == 0, 0.0, found)


def safe_divide(above: Floats, below: Floats) -> Floats:
    """A quotient; NaN where the divisor is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below == 0, np.nan, above / below)


def _measured(
    value: float, n: int, found: Interval | None, clusters: Sequence[object], limits: Limits = UNIT
) -> Estimate:
    if found is not None:
        return Estimate(value=value, n=n, low=found.low, high=found.high, interval=found.method)
    if not places(clusters).any():
        why = "one cluster"
    else:
        why = "rests on one cluster" if np.isfinite(limits).all() else "no spread"
    return Estimate(value=value, n=n, low=None, high=None, interval=f"none: {why}")
