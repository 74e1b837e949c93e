"""Predict oversight from general capability: domain Elo against general Elo, and nested oversight (Engels et al. 2025).

A *guard* oversees a *Houdini*, who tries to get past it; each has an Elo rating in the domain of the game. Domain Elo
rises linearly with general Elo in the range in which a model is neither too weak nor too strong for the game to tell
models apart, and is constant outside it: a double ReLU. In *nested* scalable oversight a model that was overseen
successfully oversees the next stronger one, so that a large gap is crossed in steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import LinearConstraint, minimize
from scipy.special import log_expit

from oversight.stats.intervals import Floats
from oversight.stats.ratings import SCALE

__all__ = ["DoubleRelu", "NestedOversight", "ReluFit", "ReluName", "fit_double_relu", "nested_oversight"]

ReluName = Literal["linear", "upper clip", "lower clip", "double"]
"""Which ends of the line are clipped to a constant."""

_ENDS: dict[ReluName, tuple[bool, bool]] = {
    "linear": (False, False),
    "upper clip": (False, True),
    "lower clip": (True, False),
    "double": (True, True),
}
"""Whether the low and the high end are clipped."""
_ON_LINE = 3
"""How many different observed values the ends leave on the line: two would fit any step."""
_STARTS = 5
"""From how many of the best points of the grid the search for the ends starts."""


@dataclass(frozen=True)
class DoubleRelu:
    """A line that may be constant below ``low`` and above ``high``.

    Attributes:
        slope, intercept: of the line, in domain points for each general point, and in domain points.
        low, high: the general Elo at which it is clipped; None where it is not.
    """

    slope: float
    intercept: float
    low: float | None = None
    high: float | None = None

    def __call__(self, general: npt.ArrayLike) -> Floats:
        """Return the domain Elo at a general Elo."""
        held = np.asarray(general, dtype=np.float64)
        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        return np.asarray(self.slope * np.clip(held, low, high) + self.intercept)


class ReluFit(NamedTuple):
    """The best of four models of domain Elo.

    Attributes:
        name: the model of least AIC; of equal ones that with fewest parameters.
        line: its parameters.
        aic: Akaike's criterion of each model, n ln(chi2 / n) + 2 k, with chi2 the weighted sum of squared residuals
            and k = 2, 3, 3 or 4 parameters; minus infinity for an exact fit.
        lines: the parameters of each model.
        r2: the share of the unweighted variance that the best model explains.
    """

    name: ReluName
    line: DoubleRelu
    aic: dict[ReluName, float]
    lines: dict[ReluName, DoubleRelu]
    r2: float


class NestedOversight(NamedTuple):
    """The best number of steps over a gap.

    Attributes:
        steps: how many; of equally good ones the fewest.
        success: the probability that every step succeeds.
        levels: the general Elo of each model of the chain, from the first guard to the last Houdini.
        by_steps: the probability of success with 1, 2, ... steps.
    """

    steps: int
    success: float
    levels: tuple[float, ...]
    by_steps: tuple[float, ...]


def fit_double_relu(general: npt.ArrayLike, domain: npt.ArrayLike, errors: npt.ArrayLike | None = None) -> ReluFit:
    """Fit domain Elo to general Elo by four models, weighted by 1 / error, and choose that of least AIC.

    For given ends the line is a weighted least-squares fit, so that only the ends are searched: on a grid of the
    observed values and the middles between them, then by Nelder and Mead's method from the best of these. At least
    three different observed values lie on the line; with fewer it could be a step.

    Args:
        general: each model's general Elo, at least three different values.
        domain: its Elo in the domain.
        errors: the standard error or half the interval of each; those that are not positive count as their median.

    Raises:
        ValueError: there are fewer than three different values, or the arrays differ in length.
    """
    x, y = np.asarray(general, dtype=np.float64), np.asarray(domain, dtype=np.float64)
    weight = _weights(errors, len(x))
    if x.shape != y.shape or x.shape != weight.shape:
        raise ValueError(f"general, domain and errors must be of one length, not {x.size}, {y.size}, {weight.size}")
    if len(np.unique(x)) < _ON_LINE:
        raise ValueError("a fit needs three different values of general Elo")
    lines: dict[ReluName, DoubleRelu] = {}
    aic: dict[ReluName, float] = {}
    for name, ends in _ENDS.items():
        lines[name] = _best_line(x, y, weight, *ends)
        chi2 = float((((y - lines[name](x)) * weight) ** 2).sum())
        with np.errstate(divide="ignore"):
            aic[name] = float(len(x) * np.log(chi2 / len(x))) + 2 * (2 + sum(ends))
    name = min(_ENDS, key=lambda each: aic[each])
    spread = float(((y - y.mean()) ** 2).sum())
    left = float(((y - lines[name](x)) ** 2).sum())
    return ReluFit(name, lines[name], aic, lines, 1 - left / spread if spread else 0.0)


def nested_oversight(
    guard: Callable[[Floats], Floats],
    houdini: Callable[[Floats], Floats],
    gap: float,
    *,
    start: float = 0.0,
    most: int = 20,
    split: Literal["even", "best"] = "even",
) -> NestedOversight:
    """Find how many steps oversee a gap in general Elo with the highest probability.

    With n steps there are models of general Elo ``start`` = g_0 <= g_1 <= ... <= g_n = ``start`` + ``gap``. In step
    k the guard of Elo g_(k-1) oversees the Houdini of Elo g_k; all steps must succeed, independently of each other:
    the probability is the product of 1 / (1 + 10^((houdini(g_k) - guard(g_(k-1))) / 400)).

    Args:
        guard: from general Elo to domain Elo as a guard; a `DoubleRelu`, or any function of arrays.
        houdini: the same for the overseen model.
        gap: between the first guard and the last Houdini, in general Elo.
        start: the first guard's general Elo.
        most: the largest number of steps that is tried.
        split: ``"even"`` divides the gap into equal steps, as the released code of Engels et al. does; that is the
            best division where both lines have one slope. ``"best"`` looks for the best division, from the even one.

    Raises:
        ValueError: ``gap`` is negative or ``most`` below 1.
    """
    if gap < 0 or most < 1:
        raise ValueError(f"the gap must not be negative and the steps at least 1, not {gap:g} and {most}")
    chains = [_chain(guard, houdini, start, gap, steps, split) for steps in range(1, most + 1)]
    chances = [float(np.exp(_log_success(guard, houdini, levels))) for levels in chains]
    at = int(np.argmax(chances))
    return NestedOversight(at + 1, chances[at], tuple(chains[at].tolist()), tuple(chances))


def _weights(errors: npt.ArrayLike | None, count: int) -> Floats:
    if errors is None:
        return np.ones(count)
    held = np.asarray(errors, dtype=np.float64)
    known = held[held > 0]
    if not known.size:
        raise ValueError("no error is positive")
    return 1 / np.where(held > 0, held, np.median(known))


def _best_line(x: Floats, y: Floats, weight: Floats, clip_low: bool, clip_high: bool) -> DoubleRelu:
    """Return the weighted least-squares line with the ends that are clipped."""
    seen = np.unique(x)
    grid = np.sort(np.concatenate([seen, (seen[1:] + seen[:-1]) / 2]))
    lows = grid if clip_low else [seen[0]]
    highs = grid if clip_high else [seen[-1]]

    def loss(ends: Sequence[float] | Floats) -> float:
        low, high = ends[0] if clip_low else seen[0], ends[-1] if clip_high else seen[-1]
        if ((seen >= low) & (seen <= high)).sum() < _ON_LINE or low < seen[0] or high > seen[-1]:
            return float("inf")
        return _least_squares(x, y, weight, low, high)[1]

    starts = sorted(((loss([low, high]), low, high) for low in lows for high in highs), key=lambda each: each[0])
    best = starts[0]
    if clip_low or clip_high:
        for _, low, high in starts[:_STARTS]:
            tried = [*([low] if clip_low else []), *([high] if clip_high else [])]
            simplex = np.vstack([tried, *(np.add(tried, step) for step in np.eye(len(tried)) * _reach(seen))])
            options = {"initial_simplex": simplex, "xatol": 1e-7, "fatol": 1e-12, "maxiter": 2000}
            found = minimize(loss, tried, method="Nelder-Mead", options=options)
            if found.fun < best[0]:
                ends = found.x
                best = (float(found.fun), ends[0] if clip_low else low, ends[-1] if clip_high else high)
    (slope, intercept), _ = _least_squares(x, y, weight, best[1], best[2])
    return DoubleRelu(slope, intercept, float(best[1]) if clip_low else None, float(best[2]) if clip_high else None)


def _reach(seen: Floats) -> float:
    """Return the size of the first steps of the search: half the smallest distance of two values."""
    return min(float(after - before) for before, after in pairwise(seen)) / 2


def _least_squares(x: Floats, y: Floats, weight: Floats, low: float, high: float) -> tuple[tuple[float, float], float]:
    design = np.column_stack([np.clip(x, low, high), np.ones(len(x))]) * weight[:, None]
    found, *_ = np.linalg.lstsq(design, y * weight, rcond=None)
    return (float(found[0]), float(found[1])), float(((y * weight - design @ found) ** 2).sum())


def _log_success(guard: Callable[[Floats], Floats], houdini: Callable[[Floats], Floats], levels: Floats) -> float:
    return float(log_expit((guard(levels[:-1]) - houdini(levels[1:])) / SCALE).sum())


def _chain(
    guard: Callable[[Floats], Floats],
    houdini: Callable[[Floats], Floats],
    start: float,
    gap: float,
    steps: int,
    split: str,
) -> Floats:
    """Return the general Elo of each model of a chain of so many steps."""
    even = np.linspace(start, start + gap, steps + 1)
    if split == "even" or steps == 1 or not gap:
        return even
    unit = np.linspace(0, 1, steps + 1)

    def whole(inner: Floats) -> Floats:
        return start + gap * np.concatenate([[0.0], inner, [1.0]])

    # Each model of the chain is at least as strong as the one before.
    rises = np.diff(np.eye(steps + 1), axis=0)
    ordered = LinearConstraint(rises[:, 1:-1], -rises @ np.eye(steps + 1)[-1], np.inf)
    found = minimize(
        lambda inner: -_log_success(guard, houdini, whole(inner)),
        unit[1:-1],
        method="SLSQP",
        constraints=[ordered],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    levels = np.maximum.accumulate(np.clip(whole(found.x), start, start + gap))
    better = _log_success(guard, houdini, levels) > _log_success(guard, houdini, even)
    return levels if better else even
