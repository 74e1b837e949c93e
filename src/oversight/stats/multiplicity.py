"""Adjust p values for the number of tests made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from statsmodels.stats.multitest import multipletests

__all__ = ["holm"]


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Adjust p values so that all tests together reject some true hypothesis with at most the level of one (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1 and raised to the greatest of those before it, at most 1. It holds
    whatever the dependence between the tests.

    Args:
        ps: p values in any order; None and NaN stand for tests that gave none.

    Returns:
        The adjusted p values in the same order. None and NaN stay as they are and do not count among the m.

    Raises:
        ValueError: a p value lies outside 0..1.
    """
    held = np.array([np.nan if p is None else p for p in ps], dtype=np.float64)
    known = ~np.isnan(held)
    if ((held[known] < 0) | (held[known] > 1)).any():
        raise ValueError("p values must lie within 0..1")
    if known.any():
        held[known] = multipletests(held[known], method="holm")[1]
    return [None if p is None else float(adjusted) for p, adjusted in zip(ps, held, strict=True)]
