"""Tests between two arms. Each result names its test: Michael et al. (2023) get p = 0.043 or 0.063, by which it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency
from statsmodels.stats.contingency_tables import mcnemar as _mcnemar

from oversight.stats.estimate import Estimate, difference_of, ratio
from oversight.stats.intervals import DIFFERENCE, Floats, Limits, score_test
from oversight.stats.verdict_columns import accuracy_by_question, counting

__all__ = ["Test", "chi_square", "cluster_test", "difference_test", "mcnemar", "paired_difference"]


class Test(NamedTuple):
    """The outcome of one test of "there is no difference".

    Attributes:
        test: which test, with its options.
        p: two-sided.
        statistic: what it was read off; NaN where the test has none.
        n: observations it rests on; what they are, the test says.
    """

    test: str
    p: float
    statistic: float
    n: int


def paired_difference(one: pd.DataFrame, other: pd.DataFrame) -> tuple[Estimate, Test] | None:
    """Accuracy of ``one`` minus that of ``other`` on the questions both judged; None without any.

    Episodes of one question are averaged first; ``n`` counts questions. Interval and test are those of
    `oversight.stats.intervals.mean_difference` and `difference_test`, so that p < 0.05 exactly where the interval
    leaves 0 out.
    """
    both = accuracy_by_question(one, other)
    if both.empty:
        return None
    values = (both[0] - both[1]).to_numpy(np.float64)
    clusters = both.index.get_level_values("cluster").tolist()
    found = difference_of(values, clusters)
    assert found is not None, "there are questions"
    return found, difference_test(values, clusters)


def mcnemar(one: pd.DataFrame, other: pd.DataFrame, *, exact: bool = True) -> Test:
    """McNemar's test on questions that each arm judged once (McNemar 1947), exact or with continuity correction.

    With b questions right only in ``one`` and c only in ``other``, exact is a two-sided binomial test of b in b + c,
    the other (|b - c| - 1)^2 / (b + c) on chi-square with one degree of freedom. It takes questions for independent.
    The latter is not defined, and its p NaN, where no question is right in one arm only.

    Raises:
        ValueError: an arm judged some question several times: use `paired_difference`.
    """
    held = [counting(each).set_index("question")["correct"].astype(bool) for each in (one, other)]
    if any(each.index.has_duplicates for each in held):
        raise ValueError("McNemar's test takes one verdict for each question and arm; use paired_difference")
    both = pd.concat(held, axis=1, join="inner").to_numpy(bool)
    a, b = both[:, 0], both[:, 1]
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    name = f"McNemar, {'exact' if exact else 'with continuity correction'}"
    if not exact and not (a ^ b).any():
        return Test(name, float("nan"), float("nan"), len(both))
    found = _mcnemar(table, exact=exact, correction=True)
    return Test(name, float(found.pvalue), float(found.statistic), len(both))


def chi_square(one: pd.DataFrame, other: pd.DataFrame, *, correction: bool) -> Test:
    """Pearson's chi-square of right and wrong in two arms, with or without Yates's continuity correction.

    It takes every verdict for independent of every other, in one arm and between arms; where questions or judges
    recur it rejects too often. ``n`` counts verdicts. p is NaN where all verdicts are right, or all wrong, or an arm
    has none: nothing is to be expected of such a table.
    """
    table = np.array([[each["correct"].sum(), (~each["correct"]).sum()] for each in map(counting, (one, other))], int)
    name = f"chi-square, {'with' if correction else 'without'} continuity correction"
    if not (table.sum(axis=0).all() and table.sum(axis=1).all()):
        return Test(name, float("nan"), float("nan"), int(table.sum()))
    found = chi2_contingency(table, correction=correction)
    return Test(name, float(found.pvalue), float(found.statistic), int(table.sum()))


def difference_test(values: Sequence[float] | Floats, clusters: Sequence[object]) -> Test:
    """Test whether a mean of differences within -1..1 is 0, by inverting the interval of `mean_difference`.

    p is NaN for a single cluster, which says nothing of others; ``n`` counts differences.
    """
    held = np.asarray(values, dtype=np.float64)
    found = cluster_test(np.column_stack([held, np.ones(len(held))]), clusters)
    return found._replace(test=f"paired {found.test}")


def cluster_test(
    counts: Floats,
    clusters: Sequence[object],
    of: Callable[[Floats], Floats] = ratio,
    limits: Limits = DIFFERENCE,
    sizes: Floats | None = None,
) -> Test:
    """Test whether a number worked out from sums over clusters is 0: `oversight.stats.intervals.score_test`, named.

    p is NaN where `oversight.stats.intervals.within` has no interval. The arguments are those of `within`.
    """
    found = score_test(counts, clusters, of, limits=limits, sizes=sizes)
    count = len(set(map(str, clusters)))
    p, statistic = (found.p, found.statistic) if found else (float("nan"), float("nan"))
    return Test(f"cluster score, {count} clusters", p, statistic, len(counts))
