"""Numbers that say what they rest on (rule 8): each with n, its 95 % interval and the interval's method."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from oversight.analysis.intervals import Interval, proportion, resampled

__all__ = ["Floats", "Share", "f1_of", "harmonic", "mean_share", "ratio", "share_of", "statistic"]

Floats = npt.NDArray[np.float64]


class Share(BaseModel):
    """A number from 0 to 1.

    Attributes:
        value: the number.
        n: how many observations it is about; what those are, the field that holds it says.
        low, high, interval: its 95 % interval, and the method.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    n: int
    low: float
    high: float
    interval: str


def share_of(outcomes: Sequence[bool] | npt.NDArray[np.bool_], clusters: Sequence[object]) -> Share | None:
    """The share of outcomes that are true; None without any."""
    if not len(outcomes):
        return None
    values = np.asarray(outcomes, dtype=bool)
    return _share(float(values.mean()), len(values), proportion(values, clusters))


def mean_share(values: Sequence[float] | Floats, clusters: Sequence[object]) -> Share | None:
    """The mean of shares, each of which is itself an expectation; None without any.

    Where each of them is 0 or 1 it is a share of outcomes, and gets the interval of one.
    """
    found = np.asarray(values, dtype=np.float64)
    if np.isin(found, (0.0, 1.0)).all():
        return share_of(found.astype(bool), clusters)
    return statistic(np.column_stack([found, np.ones(len(found))]), clusters, ratio)


def statistic(counts: Floats, clusters: Sequence[object], of: Callable[[Floats], Floats]) -> Share | None:
    """A number that ``of`` works out from the sums of ``counts``; None where it is not defined.

    Args:
        counts: one row for each observation.
        clusters: the cluster of each.
        of: from sums, the last axis running over the columns, to the number; NaN where it is not defined.
    """
    if not len(counts) or np.isnan(value := float(of(counts.sum(axis=0)))):
        return None
    return _share(value, len(counts), resampled(counts, clusters, of))


def f1_of(counts: Floats) -> Floats:
    """F1 from true positives, false positives and false negatives: 2 tp / (2 tp + fp + fn)."""
    twice = 2 * counts[..., 0]
    return _divided(twice, twice + counts[..., 1] + counts[..., 2])


def harmonic(counts: Floats) -> Floats:
    """The harmonic mean of two shares, from the hits and the size of each; 0 where both are 0."""
    one, other = (_divided(counts[..., i], counts[..., i + 1]) for i in (0, 2))
    found = _divided(2 * one * other, one + other)
    return np.where(one + other == 0, 0.0, found)


def ratio(counts: Floats) -> Floats:
    """The sum of the first column for one of the second."""
    return _divided(counts[..., 0], counts[..., 1])


def _divided(above: Floats, below: Floats) -> Floats:
    """A quotient; NaN where the divisor is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below == 0, np.nan, above / below)


def _share(value: float, n: int, found: Interval) -> Share:
    return Share(value=value, n=n, low=found.low, high=found.high, interval=found.method)
