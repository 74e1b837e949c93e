"""Whether two arms are as good as each other: two one-sided tests against a margin.

A difference that is not significant shows no equality: a study too small to see anything shows the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oversight.stats.intervals import DIFFERENCE, Floats, ScoreTest, ratio, score_test, within

__all__ = ["Equivalence", "equivalence"]


class Equivalence(NamedTuple):
    """The outcome of two one-sided tests against a margin.

    Attributes:
        margin: the largest difference that counts as none.
        p: of "the difference is at least the margin, up or down": the larger one-sided p. Below 0.05 exactly where the
            90 % interval lies between -margin and margin (Schuirmann 1987).
        p_noninferior: of "the first arm is worse by at least the margin": below 0.05 exactly where ``low`` is above
            -margin.
        low, high: the 90 % interval of the difference.
        method: how test and interval were made, with the number of clusters.
        n: differences that it rests on.
    """

    margin: float
    p: float
    p_noninferior: float
    low: float
    high: float
    method: str
    n: int


def equivalence(values: Sequence[float] | Floats, clusters: Sequence[object], margin: float) -> Equivalence | None:
    """Test whether a mean of differences within -1..1 lies between -margin and margin.

    Both one-sided tests are those of `oversight.stats.intervals.score_test` at -margin and at margin, and the 90 %
    interval holds all differences that it does not reject at 10 % two-sided: the method of `mean_difference`.

    Args:
        values: one arm's share right less the other's, for each question.
        clusters: the cluster of each question.
        margin: within 0..1, to be fixed before the data are seen.

    Returns:
        The tests; None without values or with a single cluster.

    Raises:
        ValueError: the margin is not between 0 and 1.
    """
    if not 0 < margin < 1:
        raise ValueError(f"an equivalence margin lies between 0 and 1, not {margin:g}")
    held = np.asarray(values, dtype=np.float64)
    counts = np.column_stack([held, np.ones(len(held))])
    if not len(held):
        return None
    below, above = (score_test(counts, clusters, null=null, limits=DIFFERENCE) for null in (-margin, margin))
    if below is None or above is None:
        return None
    found = within(counts, clusters, ratio, DIFFERENCE, level=1 - 2 * _ONE_SIDED)
    assert found is not None, "there is a test"
    noninferior, nonsuperior = _greater(below), 1 - _greater(above)
    return Equivalence(
        margin, max(noninferior, nonsuperior), noninferior, found.low, found.high, f"paired {found.method}", len(held)
    )


_ONE_SIDED = 0.05


def _greater(found: ScoreTest) -> float:
    """Return the one-sided p of "the number is at most the null value"."""
    return found.p / 2 if found.statistic > 0 else 1 - found.p / 2
