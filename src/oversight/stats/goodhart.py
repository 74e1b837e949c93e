"""Goodhart curves: what is left of the truth when an answer is chosen, best of n, for a proxy's liking.

A proxy, such as a judge's preference, scores N candidates for each question, and of n of them the one with the
highest score is taken. As n grows the policy moves away from the one that wrote them, by KL = ln n - (n - 1) / n nats;
its proxy score rises, and its true quality may first rise and then fall (Gao, Schulman and Hilton 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from oversight.stats.estimate import Estimate, mean_of, mean_share
from oversight.stats.intervals import Floats
from oversight.stats.solution_choice import best_of_n

__all__ = ["GaoFit", "GoodhartPoint", "best_of_kl", "fit_gains", "fit_gao", "goodhart_curve"]


class GoodhartPoint(NamedTuple):
    """What taking the best of n comes to.

    Attributes:
        n: how many candidates there are to take from.
        kl: `best_of_kl` of n, in nats.
        proxy: the expected proxy score of the one taken; both ``n`` count questions.
        true: its expected truth: with outcomes 0 and 1 the accuracy.
    """

    n: int
    kl: float
    proxy: Estimate
    true: Estimate


class GaoFit(NamedTuple):
    """R(d) = d (alpha - beta d), d = sqrt(KL), fitted to what is gained over one candidate.

    Attributes:
        alpha: the gain for each unit of d at first.
        beta: how soon it is used up; positive where over-optimisation sets in.
        peak: the d at which R is greatest, alpha / (2 beta); None unless both are positive.
    """

    alpha: Estimate
    beta: Estimate
    peak: float | None


def best_of_kl(n: int) -> float:
    """The KL divergence of best-of-n from the policy it draws from: ln n - (n - 1) / n, in nats.

    Exact where no two candidates can have one score, an upper bound otherwise (Beirami et al. 2024).
    """
    return log(n) - (n - 1) / n


def goodhart_curve(candidates: pd.DataFrame, sizes: Sequence[int] | None = None) -> list[GoodhartPoint]:
    """Proxy score and truth of the best of n, as exact expectations over all subsets of each question's candidates.

    Ties of the proxy are shared (`oversight.stats.solution_choice.best_of_n`). Every point rests on the same questions:
    those with as many candidates as the most that ``sizes`` asks for.

    Args:
        candidates: one row each: question, cluster, proxy (a score, never missing), true (0, 1 or any number).
        sizes: the n to look at; by default 1, 2, … up to the fewest candidates that a question has.
    """
    groups = [part for _, part in candidates.groupby("question", sort=True)]
    wanted = list(sizes or range(1, min((len(part) for part in groups), default=0) + 1))
    rated = _expected(groups, wanted)
    points = []
    for at, n in enumerate(wanted if rated.size else []):
        clusters = [str(part["cluster"].iloc[0]) for part in groups if len(part) >= max(wanted)]
        proxy, true = mean_of(rated[:, at, 0], clusters), _truth(rated[:, at, 1], clusters)
        assert proxy is not None, "there is a question"
        points.append(GoodhartPoint(n, best_of_kl(n), proxy, true))
    return points


def fit_gao(candidates: pd.DataFrame, sizes: Sequence[int] | None = None) -> GaoFit | None:
    """Fit Gao's form to the truth of `goodhart_curve`, by least squares on the gain over n = 1, all n weighing alike.

    The points of a curve share their candidates, so that residuals say nothing about how sure the fit is: the
    intervals come from how much the fits of single clusters of questions differ. ``n`` counts questions. None with
    fewer than two sizes above 1, or without a question. The fit says nothing beyond the largest n.
    """
    groups = [part for _, part in candidates.groupby("question", sort=True)]
    wanted = list(sizes or range(1, min((len(part) for part in groups), default=0) + 1))
    if 1 not in wanted:
        wanted = [1, *wanted]
    rated = _expected(groups, wanted)
    if not rated.size or len([n for n in wanted if n > 1]) < 2:  # noqa: PLR2004 - two unknowns
        return None
    clusters = [str(part["cluster"].iloc[0]) for part in groups if len(part) >= max(wanted)]
    return fit_gains(rated[:, :, 1] - rated[:, [wanted.index(1)], 1], wanted, clusters)


def fit_gains(gained: Floats, sizes: Sequence[int], clusters: Sequence[object]) -> GaoFit:
    """Fit Gao's form where every size was played out by itself, as an experiment swept over ``best_of`` does.

    Args:
        gained: one row for each question and one column for each size: what it gained over n = 1.
        sizes: n of each column; at least two of them above 1.
        clusters: the cluster of each question; the intervals come from these, as in `fit_gao`.
    """
    d = np.sqrt([best_of_kl(n) for n in sizes])
    # The fit is linear in the means, so each question's own coefficients average to it.
    each = gained @ np.linalg.pinv(np.column_stack([d, -(d**2)])).T
    alpha, beta = mean_of(each[:, 0], clusters), mean_of(each[:, 1], clusters)
    assert alpha is not None, "there is a question"
    assert beta is not None, "there is a question"
    rises = alpha.value > 0 and beta.value > 0
    return GaoFit(alpha, beta, alpha.value / (2 * beta.value) if rises else None)


def _expected(groups: Sequence[pd.DataFrame], sizes: Sequence[int]) -> npt.NDArray[np.float64]:
    """For each question with enough candidates and each n: the expected proxy score and truth of the best of n."""
    rows = []
    for part in groups:
        if sizes and len(part) >= max(sizes):
            proxy, true = part["proxy"].astype(float).tolist(), part["true"].astype(float).tolist()
            rows.append([(best_of_n(proxy, proxy, n), best_of_n(proxy, true, n)) for n in sizes])
    return np.array(rows, dtype=np.float64)


def _truth(values: Floats, clusters: Sequence[str]) -> Estimate:
    inside = bool(((values >= 0) & (values <= 1)).all())
    # Sums of shares such as three thirds are one only nearly.
    found = mean_share(values.round(12), clusters) if inside else mean_of(values, clusters)
    assert found is not None, "there is a question"
    return found
