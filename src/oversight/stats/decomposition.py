"""What a Brier score is made of: reliability, resolution and uncertainty (Murphy 1973)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from oversight.stats.estimate import Estimate, safe_divide, statistic, unit_statistic
from oversight.stats.intervals import Floats
from oversight.stats.verdict_columns import counting

__all__ = ["BrierParts", "brier_decomposition", "brier_parts"]


class BrierParts(NamedTuple):
    """A mean Brier score and its parts: brier = reliability - resolution + uncertainty + within_bins.

    Attributes:
        brier: the mean squared error of the probabilities.
        reliability: the mean over bins, weighted by their rows, of (mean probability - share that came true)^2: 0 for
            calibrated probabilities. Bins with few rows make it too large.
        resolution: of (share that came true - that of all rows)^2: the larger, the more the probabilities tell events
            from others.
        uncertainty: s (1 - s), with s the share of all rows that came true; what a constant forecast of s scores.
        within_bins: the variance of probabilities within bins less twice their covariance with the outcomes
            (Stephenson, Coelho and Jolliffe 2008); 0 where all probabilities of a bin are equal.
    """

    brier: Estimate
    reliability: Estimate
    resolution: Estimate
    uncertainty: Estimate
    within_bins: float


def brier_decomposition(
    probabilities: npt.ArrayLike,
    came_true: npt.ArrayLike,
    clusters: Sequence[object],
    bins: int = 10,
    weight: float = 1.0,
) -> BrierParts | None:
    """Split the mean Brier score of probabilities of events into its parts.

    Bins are equally wide on [0, 1], closed on the left and the last one on both sides. Intervals are those of
    `oversight.stats.intervals.within`; reliability and resolution are too large in small bins, and so are theirs.

    Args:
        probabilities: of one event each; shape (n,).
        came_true: 1 if it did, 0 if not; shape (n,).
        clusters: the cluster of each row.
        bins: how many.
        weight: what every row counts, for all parts alike; 1 gives means over rows.

    Returns:
        The parts; None without rows.

    Raises:
        ValueError: a probability is outside 0..1 or not known, there is no bin, or columns differ in length.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(came_true, dtype=np.float64)
    if not len(p) == len(y) == len(clusters):
        raise ValueError("probabilities, came_true and clusters need one row each")
    if bins < 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("probabilities must lie within 0..1 and be known, and bins be at least 1")
    if not len(p):
        return None
    # 0.1 and 1 - 0.9 are one probability: rounding keeps them in one bin.
    inside = np.minimum(np.round(p * bins, 9).astype(np.intp), bins - 1)[:, None] == np.arange(bins)
    # Column by column: squared errors, then each bin's probabilities, outcomes and rows.
    counts = np.column_stack([(p - y) ** 2, inside * p[:, None], inside * y[:, None], inside.astype(np.float64)])

    def part(of: Callable[[_Sums], Floats]) -> Callable[[Floats], Floats]:
        return lambda sums: weight * of(_sums(sums, bins))

    brier, reliability, resolution = (
        unit_statistic(counts, clusters, part(of)) for of in (_brier, _reliability, _resolution)
    )
    # Where as many answers are right in every cluster, its uncertainty is known and has no interval.
    uncertainty = statistic(counts, clusters, part(_uncertainty))
    assert brier is not None, "there are rows"
    assert reliability is not None, "there are rows"
    assert resolution is not None, "there are rows"
    assert uncertainty is not None, "there are rows"
    rest = brier.value - reliability.value + resolution.value - uncertainty.value
    return BrierParts(brier, reliability, resolution, uncertainty, rest)


def brier_parts(verdicts: pd.DataFrame, bins: int = 10) -> BrierParts | None:
    """Split the mean Brier score of the counting verdicts, `oversight.stats.scores.mean_brier`, into its parts.

    Events are "this answer is right", one for each verdict and answer, with the probability that the judge gives it.
    All answers of a verdict are used, so that the order in which they were presented does not matter, and rows count
    half of the number of answers, which makes the whole half the summed squared error. With two answers uncertainty is
    1/4, with k (k - 1) / 2k. ``n`` counts verdicts. None without any.

    Raises:
        ValueError: verdicts differ in their number of answers.
    """
    held = counting(verdicts)
    if held.empty:
        return None
    answers = held["answers"].unique()
    if len(answers) > 1:
        raise ValueError("the parts of a Brier score need one number of answers; split the verdicts by `answers` first")
    p = np.array(held["probs"].tolist(), dtype=np.float64)
    right = np.arange(p.shape[1]) == held["gold"].to_numpy()[:, None]
    clusters = np.repeat(held["cluster"].to_numpy(object), p.shape[1]).tolist()
    found = brier_decomposition(p.ravel(), right.ravel(), clusters, bins, weight=p.shape[1] / 2)
    assert found is not None, "there are verdicts"
    brier, reliability, resolution, uncertainty = (part.model_copy(update={"n": len(held)}) for part in found[:4])
    return BrierParts(brier, reliability, resolution, uncertainty, found.within_bins)


class _Sums(NamedTuple):
    """Sums over rows, the last axis of all but the first running over bins."""

    squared: Floats
    p: Floats
    y: Floats
    n: Floats


def _sums(sums: Floats, bins: int) -> _Sums:
    parts = sums[..., 1:].reshape(*sums.shape[:-1], 3, bins)
    return _Sums(sums[..., 0], parts[..., 0, :], parts[..., 1, :], parts[..., 2, :])


def _brier(sums: _Sums) -> Floats:
    return safe_divide(sums.squared, sums.n.sum(axis=-1))


def _reliability(sums: _Sums) -> Floats:
    each = np.nan_to_num(safe_divide((sums.p - sums.y) ** 2, sums.n))
    return safe_divide(each.sum(axis=-1), sums.n.sum(axis=-1))


def _resolution(sums: _Sums) -> Floats:
    whole = safe_divide(sums.y.sum(axis=-1), sums.n.sum(axis=-1))[..., None]
    each = np.nan_to_num(safe_divide((sums.y - whole * sums.n) ** 2, sums.n))
    return safe_divide(each.sum(axis=-1), sums.n.sum(axis=-1))


def _uncertainty(sums: _Sums) -> Floats:
    whole = safe_divide(sums.y.sum(axis=-1), sums.n.sum(axis=-1))
    return np.asarray(whole * (1 - whole), dtype=np.float64)
