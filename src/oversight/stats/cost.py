"""Accuracy at matched cost: an arm beside what mixtures of the other arms attain for the same money.

A protocol that costs more than another may be more accurate only because it costs more. A fair rival of equal cost is a
mixture: each question goes to a cheaper arm or a dearer one by a draw, which attains every point on the line between
them in cost and accuracy. The best mixtures are the upper concave hull of the other arms' points (the same construction
as for classifiers in ROC space by Provost and Fawcett 2001).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from oversight.stats.estimate import Estimate, safe_divide, statistic
from oversight.stats.intervals import DIFFERENCE, Floats

__all__ = ["MatchedCost", "PricedArm", "matched_cost"]


class PricedArm(NamedTuple):
    """One arm's outcomes and costs, a row for each episode, or for each question with means over its episodes.

    Attributes:
        correct: 1 right, 0 wrong, or the share right; shape (n,).
        cost: in dollars, or in tokens or calls where prices are not known; the same unit for all arms; shape (n,).
        clusters: the cluster of each row's question, named alike in all arms.
    """

    correct: Sequence[float] | Floats
    cost: Sequence[float] | Floats
    clusters: Sequence[object]


class MatchedCost(NamedTuple):
    """An arm and the mixture of other arms that is most accurate at its mean cost or less.

    Attributes:
        cost: the arm's mean cost of a row.
        accuracy: its share right.
        mixture: the arms of the mixture with their shares of the episodes, which sum to 1; one or two.
        attained: the mixture's accuracy.
        advantage: accuracy less ``attained``, with its interval; ``n`` counts the arm's rows.
    """

    cost: float
    accuracy: float
    mixture: Mapping[str, float]
    attained: float
    advantage: Estimate


def matched_cost(name: str, arms: Mapping[str, PricedArm]) -> MatchedCost | None:
    """Compare an arm with the best mixture of the others at its cost.

    The interval is that of `oversight.stats.intervals.within`. Leaving a cluster out works out all costs, accuracies
    and shares of the mixture again, but not which arms are mixed: which of several mixtures is the best is a maximum,
    which leaving out does not describe (doing so gave the same coverage). The best of several rivals that are equally
    good looks better than it is: with five equal ones the advantage is 0.05 too low at 100 questions, and its interval
    covers in 0.92 of studies instead of 0.95.

    Args:
        name: the arm.
        arms: all arms, with the arm itself, by name. Arms without rows are left out.

    Returns:
        The comparison; None where every other arm costs more, so that no mixture attains the cost.

    Raises:
        ValueError: the arm has no rows, a cost is negative or not known, or columns differ in length.
    """
    held = {each: _checked(each, arm) for each, arm in arms.items() if len(arm.correct)}
    if name not in held:
        raise ValueError(f"arm {name} has no rows")
    counts, clusters, order = _stacked(name, held)
    total = counts.sum(axis=0).reshape(-1, 3)
    costs, accuracies = total[:, 1] / total[:, 2], total[:, 0] / total[:, 2]
    mixed = _mixture(costs[1:], accuracies[1:], float(costs[0]))
    if mixed is None:
        return None
    low, high = (place + 1 for place in mixed)
    share = float(_share(costs[0], costs[low], costs[high]))
    mixture = {order[low]: 1.0} if low == high else {order[low]: 1 - share, order[high]: share}

    def advantage(sums: Floats) -> Floats:
        each = sums.reshape(*sums.shape[:-1], -1, 3)
        cost, right = safe_divide(each[..., 1], each[..., 2]), safe_divide(each[..., 0], each[..., 2])
        to_high = _share(cost[..., 0], cost[..., low], cost[..., high])
        attained = (1 - to_high) * right[..., low] + to_high * right[..., high]
        return np.asarray(right[..., 0] - attained, dtype=np.float64)

    found = statistic(counts, clusters, advantage, DIFFERENCE)
    assert found is not None, "every arm has rows"
    found = found.model_copy(update={"n": len(held[name].correct)})
    return MatchedCost(float(costs[0]), float(accuracies[0]), mixture, float(accuracies[0]) - found.value, found)


def _checked(name: str, arm: PricedArm) -> PricedArm:
    cost = np.asarray(arm.cost, dtype=np.float64)
    if not len(arm.correct) == len(cost) == len(arm.clusters):
        raise ValueError(f"arm {name}: correct, cost and clusters need one row each")
    if not (cost >= 0).all():
        raise ValueError(f"arm {name}: a cost is negative or not known; give all arms in tokens or calls instead")
    return arm


def _stacked(name: str, arms: Mapping[str, PricedArm]) -> tuple[Floats, list[object], list[str]]:
    """The rows of all arms with three columns an arm, of which a row fills its own: right, cost, 1; the arm first."""
    order = [name, *(other for other in arms if other != name)]
    sizes = [len(arms[each].correct) for each in order]
    counts, clusters = np.zeros((sum(sizes), 3 * len(order))), list[object]()
    for place, (each, start) in enumerate(zip(order, np.cumsum([0, *sizes]), strict=False)):
        arm = arms[each]
        rows = np.column_stack([arm.correct, arm.cost, np.ones(len(arm.correct))])
        counts[start : start + len(rows), 3 * place : 3 * place + 3] = rows
        clusters.extend(arm.clusters)
    return counts, clusters, order


def _mixture(costs: Floats, accuracies: Floats, cost: float) -> tuple[int, int] | None:
    """Which two arms, or one named twice, are the most accurate mixture at a cost; None if all cost more."""
    best: tuple[float, int, int] | None = None
    for low in np.flatnonzero(costs <= cost):
        # An arm may also be used alone at less than the cost.
        for high in (low, *np.flatnonzero(costs > cost)):
            share = float(_share(np.asarray(cost), costs[low], costs[high])) if high != low else 0.0
            attained = (1 - share) * accuracies[low] + share * accuracies[high]
            if best is None or attained > best[0]:
                best = (float(attained), int(low), int(high))
    return best and best[1:]


def _share(cost: Floats, low: Floats, high: Floats) -> Floats:
    """The share of the dearer arm at which a mixture costs this much; 0 where the two cost the same."""
    between = safe_divide(np.asarray(cost - low), np.asarray(high - low))
    return np.where(np.isnan(between), 0.0, between)
