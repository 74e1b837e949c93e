"""Whether stated confidence can be believed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["expected_calibration_error"]

_BINS = 10


def expected_calibration_error(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = _BINS) -> float:
    """The mean gap between confidence and accuracy, weighted by how many judgements fall into each bin.

    Args:
        confidence: the largest probability of each belief, shape (n,).
        correct: 1 if that answer is right, 0 if not, 0.5 where the largest probability is shared by the right
            answer and one other (Michael et al. 2023); shape (n,).
        bins: equally wide bins on [0, 1], closed on the left; the last one is closed on both sides.

    Returns:
        The error, from 0 to 1; NaN for no judgements.
    """
    held = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    if held.size == 0:
        return float("nan")
    place = np.minimum((held * bins).astype(int), bins - 1)
    gaps = np.abs(np.bincount(place, weights=right - held, minlength=bins))
    return float(gaps.sum() / held.size)
