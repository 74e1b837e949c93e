"""What failed episodes may hide: accuracy with failures counted, bounds, and whether failures differ between groups.

An accuracy over the verdicts there are takes failures for random. Where 36 of 40 errors of 100 episodes are truncated,
it shows 60 / 64 = 0.938 beside a true 0.600.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import MonteCarloMethod, fisher_exact

from oversight.stats.compare import Test
from oversight.stats.estimate import Estimate, share_of

__all__ = ["WithFailures", "accuracy_with_failures", "failure_test", "failures_by_group"]


class WithFailures(NamedTuple):
    """Accuracy as failures are left out, counted wrong and counted right.

    Attributes:
        answered: the share of right verdicts among those there are; None without any.
        worst: the same with every failure counted wrong, out of verdicts and failures: the lower bound of what would
            have been seen without failures, whatever the reason of the failures (Manski 1989).
        best: with every failure counted right: the upper bound.
        failed: the share of failures.
    """

    answered: Estimate | None
    worst: Estimate
    best: Estimate
    failed: Estimate

    @property
    def low(self) -> float | None:
        """The low end of the 95 % interval of ``worst``; what lies between it and `high` covers the truth at 95 %."""
        return self.worst.low

    @property
    def high(self) -> float | None:
        """The high end of the 95 % interval of ``best`` (Horowitz and Manski 2000)."""
        return self.best.high


def accuracy_with_failures(
    correct: Sequence[object], failed: Sequence[bool], clusters: Sequence[object]
) -> WithFailures | None:
    """Work out accuracy with failures left out, counted wrong and counted right; None without verdicts and failures.

    Args:
        correct: True or False for each episode with a verdict; NaN or None for one without.
        failed: whether the episode failed. An episode that neither failed nor has a verdict (it abstained, or its
            contest was void) is left out.
        clusters: the cluster of each episode's question.

    Raises:
        ValueError: an episode failed and has a verdict, or the columns differ in length.
    """
    known, right, lost = _columns(correct, failed)
    counted = known | lost
    if len(clusters) != len(lost):
        raise ValueError("correct, failed and clusters need one row for each episode")
    if not counted.any():
        return None
    names = np.fromiter(map(str, clusters), dtype=object, count=len(clusters))
    shares = [share_of(column[counted], names[counted].tolist()) for column in (right, right | lost, lost)]
    worst, best, share = (_known(each) for each in shares)
    return WithFailures(share_of(right[known], names[known].tolist()), worst, best, share)


def failures_by_group(
    correct: Sequence[object], failed: Sequence[bool], clusters: Sequence[object], groups: Sequence[object]
) -> dict[str, WithFailures]:
    """Work the same out for each group apart, such as the side or the arm of each episode, in alphabetical order.

    Groups without verdicts and failures are left out. Arguments and errors as for `accuracy_with_failures`.
    """
    rows = pd.DataFrame({"correct": list(correct), "failed": list(failed), "cluster": list(clusters)})
    parts = rows.groupby(np.array([str(group) for group in groups]), sort=True)
    each = {
        str(name): accuracy_with_failures(part["correct"].tolist(), part["failed"].tolist(), part["cluster"].tolist())
        for name, part in parts
    }
    return {name: found for name, found in each.items() if found is not None}


def failure_test(failed: Sequence[bool], groups: Sequence[object]) -> Test:
    """Test by Fisher's exact test whether the share of failures differs between groups.

    It takes episodes for independent; where whole questions fail it rejects too often. With more than two groups it is
    Freeman and Halton's (1951) extension, and p the share of 20,000 random tables with the same margins that are no
    likelier, drawn with a fixed seed: its standard error is at most 0.0035. The statistic is the odds ratio of two
    groups, NaN with more.

    Args:
        failed: whether each episode failed.
        groups: the arm or the side of each.

    Returns:
        The test; ``n`` counts episodes. p is NaN with a single group and 1 where nothing or everything failed.
    """
    lost = np.asarray(failed, dtype=bool)
    names, place = np.unique(np.array([str(group) for group in groups]), return_inverse=True)
    table = np.array([np.bincount(place[which], minlength=len(names)) for which in (lost, ~lost)]).T
    if len(names) < _TWO:
        return Test("Fisher's exact", float("nan"), float("nan"), len(lost))
    if not table.sum(axis=0).all():
        return Test("Fisher's exact", 1.0, float("nan"), len(lost))
    if len(names) == _TWO:
        found = fisher_exact(table)
        return Test("Fisher's exact", float(found.pvalue), float(found.statistic), len(lost))
    drawn = MonteCarloMethod(n_resamples=_TABLES, rng=np.random.default_rng(0))
    name = f"Fisher-Freeman-Halton, {_TABLES} tables"
    # SciPy gives an array of one number where a margin holds a single episode.
    return Test(name, float(np.asarray(fisher_exact(table, method=drawn).pvalue).item()), float("nan"), len(lost))


_TWO = 2
_TABLES = 20_000


def _columns(correct: Sequence[object], failed: Sequence[bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each episode has a verdict, has a right one, failed."""
    held = pd.Series(list(correct), dtype=object)
    known = held.notna().to_numpy(bool)
    lost = np.asarray(failed, dtype=bool)
    if len(lost) != len(known):
        raise ValueError("correct, failed and clusters need one row for each episode")
    if (known & lost).any():
        raise ValueError("an episode that failed cannot have a verdict")
    return known, held.where(known, False).to_numpy(bool), lost


def _known(found: Estimate | None) -> Estimate:
    assert found is not None, "there are rows"
    return found
