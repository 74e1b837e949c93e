"""Whether two arms are as good as each other: two one-sided tests against a margin.

A difference that is not significant shows no equality: a study too small to see anything shows the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from oversight.stats.compare import Test
from oversight.stats.crossed import crossed_difference, crossed_test
from oversight.stats.intervals import DIFFERENCE, Floats, Interval, ScoreTest, ratio, score_test, within

__all__ = ["Equivalence", "crossed_equivalence", "equivalence"]


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
    _check(margin)
    held = np.asarray(values, dtype=np.float64)
    counts = np.column_stack([held, np.ones(len(held))])
    if not len(held):
        return None
    below, above = (score_test(counts, clusters, null=null, limits=DIFFERENCE) for null in (-margin, margin))
    found = within(counts, clusters, ratio, DIFFERENCE, level=_LEVEL)
    if below is None or above is None or found is None:
        return None
    found = found._replace(method=f"paired {found.method}")
    return _two_one_sided(margin, below, above, found, len(held))


def crossed_equivalence(
    differences: Sequence[float] | Floats, factors: Mapping[str, Sequence[object]], margin: float
) -> Equivalence | None:
    """Test the same of the population mean under crossed random effects: `oversight.stats.crossed.crossed_test`.

    Arguments, errors and None are those of `oversight.stats.crossed.crossed_difference`, and the margin's as above.
    """
    _check(margin)
    below, above = (crossed_test(differences, factors, null=null) for null in (-margin, margin))
    found = crossed_difference(differences, factors, level=_LEVEL)
    if below is None or above is None or found is None:
        return None
    return _two_one_sided(margin, below, above, found, len(differences))


_LEVEL = 0.9
"""Two one-sided tests at 5 % leave out what this interval leaves out."""


def _check(margin: float) -> None:
    if not 0 < margin < 1:
        raise ValueError(f"an equivalence margin lies between 0 and 1, not {margin:g}")


def _two_one_sided(
    margin: float, below: ScoreTest | Test, above: ScoreTest | Test, found: Interval, n: int
) -> Equivalence:
    """Put two-sided tests at both ends of the margin together."""
    noninferior, nonsuperior = _greater(below), 1 - _greater(above)
    return Equivalence(margin, max(noninferior, nonsuperior), noninferior, found.low, found.high, found.method, n)


def _greater(found: ScoreTest | Test) -> float:
    """Return the one-sided p of "the number is at most the null value"."""
    return found.p / 2 if found.statistic > 0 else 1 - found.p / 2
