"""Performance gap recovered: how much of the way from a weak judge to a strong ceiling a protocol makes good."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from oversight.stats.estimate import Estimate, safe_divide
from oversight.stats.intervals import Floats, mean_difference, percentiles, places
from oversight.stats.verdict_columns import accuracy_by_question

__all__ = ["Recovery", "gap_recovered"]

_RESAMPLES = 2000
_AT_ONCE = 4_000_000
"""How many draws are held in memory at a time."""


class Recovery(NamedTuple):
    """The share of a gap that was recovered.

    Attributes:
        pgr: (arm - weak) / (strong - weak): 0 as good as the weak judge, 1 as the ceiling; it may be below or above.
            None where the ceilings are equal on the questions in common.
        arm, weak, strong: the three accuracies on those questions.
        n: how many questions that is.
    """

    pgr: Estimate | None
    arm: float
    weak: float
    strong: float
    n: int


def gap_recovered(arm: pd.DataFrame, weak: pd.DataFrame, strong: pd.DataFrame) -> Recovery | None:
    """PGR (Burns et al. 2023) of judge accuracy, on the questions that all three judged; None without any.

    Episodes of one question are averaged first. The interval resamples clusters of questions, all three arms of a
    question together. It is left open (None) where the ceilings cannot be told apart: where the 95 % interval of
    their own difference reaches 0, a ratio over that difference has no bounds (Fieller 1954).
    """
    both = accuracy_by_question(arm, weak, strong)
    if both.empty:
        return None
    found = both.to_numpy(np.float64)
    clusters = both.index.get_level_values("cluster").tolist()
    own, low, high = (float(each) for each in found.mean(axis=0))
    if np.isclose(high, low):
        return Recovery(None, own, low, high, len(both))
    value = (own - low) / (high - low)
    gap = mean_difference(found[:, 2] - found[:, 1], clusters)
    if gap is not None and gap.low <= 0 <= gap.high:
        return Recovery(_open(value, len(both), "the ceilings do not differ"), own, low, high, len(both))
    at = places(clusters)
    sums = np.column_stack([np.bincount(at, weights=column) for column in found.T]).astype(np.float64)
    if len(sums) == 1:
        return Recovery(_open(value, len(both), "one cluster"), own, low, high, len(both))
    interval = percentiles(_drawn(sums), len(sums))
    measured = Estimate(value=value, n=len(both), low=interval.low, high=interval.high, interval=interval.method)
    return Recovery(measured, own, low, high, len(both))


def _open(value: float, n: int, why: str) -> Estimate:
    return Estimate(value=value, n=n, low=None, high=None, interval=f"none: {why}")


def _drawn(sums: Floats) -> Floats:
    rng, n, found = np.random.default_rng(0), len(sums), []
    for start in range(0, _RESAMPLES, batch := max(1, _AT_ONCE // n)):
        often = rng.multinomial(n, np.full(n, 1 / n), min(batch, _RESAMPLES - start))
        drawn = often @ sums
        found.append(safe_divide(drawn[:, 0] - drawn[:, 1], drawn[:, 2] - drawn[:, 1]))
    return np.concatenate(found)
