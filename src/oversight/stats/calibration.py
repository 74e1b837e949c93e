"""Whether stated confidence can be believed."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from oversight.stats.estimate import Estimate, mean_share
from oversight.stats.intervals import Floats, Places
from oversight.stats.verdict_columns import counting

__all__ = ["Binning", "ReliabilityBin", "ece", "expected_calibration_error", "reliability"]

_BINS = 10

Binning = Literal["equal width", "equal mass"]
"""Equal width: equally wide bins on [0, 1], closed on the left; the last one is closed on both sides (Michael et al.
2023). Equal mass: as many judgements in each bin as can be, equal confidences never being parted (Nixon et al. 2019).
"""


class ReliabilityBin(NamedTuple):
    """One point of a reliability curve.

    Attributes:
        low, high: the least and the greatest confidence in the bin.
        confidence: its mean confidence.
        accuracy: the share that is right, ties counting half; ``n`` counts judgements.
    """

    low: float
    high: float
    confidence: float
    accuracy: Estimate


def expected_calibration_error(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = _BINS, binning: Binning = "equal width"
) -> float:
    """The mean gap between confidence and accuracy, weighted by how many judgements fall into each bin.

    sum over bins of n_b / n |accuracy_b - confidence_b|. It is biased upwards where bins hold few judgements.

    Args:
        confidence: the largest probability of each belief, shape (n,).
        correct: 1 if that answer is right, 0 if not, 0.5 where the largest probability is shared by the right
            answer and one other (Michael et al. 2023); shape (n,).
        bins: how many.
        binning: which; see `Binning`.

    Returns:
        The error, from 0 to 1; NaN for no judgements.
    """
    held = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    if held.size == 0:
        return float("nan")
    gaps = np.abs(np.bincount(_binned(held, bins, binning), weights=right - held, minlength=bins))
    return float(gaps.sum() / held.size)


def ece(verdicts: pd.DataFrame, bins: int = _BINS, binning: Binning = "equal width") -> float | None:
    """The expected calibration error of the counting verdicts; None without any."""
    held = counting(verdicts)
    if held.empty:
        return None
    return expected_calibration_error(held["confidence"].to_numpy(float), _half(held), bins, binning)


def reliability(verdicts: pd.DataFrame, bins: int = _BINS, binning: Binning = "equal width") -> list[ReliabilityBin]:
    """Accuracy by confidence, with an interval for each bin that holds anything; nothing without counting verdicts."""
    held = counting(verdicts)
    confidence, right = held["confidence"].to_numpy(np.float64), _half(held)
    clusters = held["cluster"].to_numpy(object)
    found = []
    for place in np.unique(within := _binned(confidence, bins, binning)):
        inside = within == place
        share = mean_share(right[inside], clusters[inside].tolist())
        assert share is not None, "no bin without a judgement was numbered"
        part = confidence[inside]
        found.append(ReliabilityBin(float(part.min()), float(part.max()), float(part.mean()), share))
    return found


def _half(held: pd.DataFrame) -> Floats:
    """Whether each is right, ties counting half."""
    return np.where(held["tie"], 0.5, held["correct"].to_numpy(np.float64))


def _binned(held: Floats, bins: int, binning: Binning) -> Places:
    """The bin of each confidence."""
    if binning == "equal width":
        return np.minimum((held * bins).astype(np.intp), bins - 1)
    # Equal confidences share the bin of the first of them.
    first = np.searchsorted(np.sort(held), held, side="left")
    return np.asarray(first * bins // max(held.size, 1), dtype=np.intp)
