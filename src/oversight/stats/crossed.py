"""Intervals that generalise over questions, judges and seeds at once: crossed random effects.

A question that several judges decide, each under several seeds, gives verdicts that depend on each other in more than
one way. Clustering by question treats the judges and seeds of a study as the only ones there are; with three judges
who differ by 0.6 logits such an interval holds the mean over judges in about 0.6 of studies
(benchmarks/coverage_crossed.py).

The number is always the **population mean**: the mean over the populations from which the levels of every factor were
drawn, on the probability scale (marginal, not the probability for a judge and question of average logits). It is
estimated by the mean of the rows, so that where levels have unequal numbers of rows, larger ones weigh more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from oversight.stats.compare import Test
from oversight.stats.estimate import ratio
from oversight.stats.intervals import LEVEL, Floats, Interval, Places, jackknife, places

__all__ = ["crossed_difference", "crossed_proportion", "crossed_test", "generalises_to"]


class _Factor(NamedTuple):
    """One factor's part of the variance of the mean.

    Attributes:
        name: what it is called.
        levels: how many levels the rows have.
        variance: of the mean of all rows, by leaving out one level at a time.
        freedom: degrees of freedom of that variance, at least 1.
    """

    name: str
    levels: int
    variance: float
    freedom: float


class _Crossed(NamedTuple):
    """A mean over rows and what its interval is made of."""

    value: float
    rows: int
    factors: tuple[_Factor, ...]

    @property
    def most(self) -> int:
        """The largest number of levels: how many independent observations there are at the least."""
        return max(factor.levels for factor in self.factors)

    def quantile(self, level: float) -> float:
        """Student's two-sided quantile with the fewest degrees of freedom."""
        return max(_student(factor, level) for factor in self.factors)

    def squared_half_width(self, level: float) -> float:
        """The sum over factors of t^2 times variance: Cochran and Cox's weighting of Student's quantiles."""
        return sum(_student(factor, level) ** 2 * factor.variance for factor in self.factors)

    def method(self, kind: str) -> str:
        """Name the method and the factors with their numbers of levels."""
        over = " x ".join(f"{factor.levels} {factor.name}" for factor in self.factors)
        return f"crossed jackknife {kind}, {over}"


def crossed_proportion(values: Sequence[float] | Floats, factors: Mapping[str, Sequence[object]]) -> Interval | None:
    """Give a 95 % interval for the population mean of outcomes within 0..1 under crossed random effects.

    The variance of the mean is the sum over factors of the jackknife variance that leaves out one level at a time,
    without subtracting what interactions contribute twice. That sum is never negative and never too small (Owen 2007;
    Cameron, Gelbach and Miller 2011 subtract, which with few levels is too small). Each factor's part is multiplied
    by the square of its own Student's quantile (Cochran and Cox 1957, for variances with unequal degrees of freedom),
    and the result is the score interval of Wilson (1927) with z^2 / n replaced by that sum over p (1 - p).

    A term t^2 / levels / (1 + e), with t the quantile of the factor with the fewest levels, levels the number of the
    one with the most and e the number of outcomes of the rarer kind, stands for what has not been seen: without any
    spread the interval is Wilson's with those levels as outcomes, and it fades out as the rarer kind is seen.

    With two levels of a factor Student's quantile is 12.7: the interval is wide because two judges say little about
    the population of judges.

    Args:
        values: one row for each verdict: 1 right, 0 wrong, or a share between.
        factors: from the name of a factor, such as ``question``, ``judge`` or ``seed``, to the level of each row. A
            factor each of whose levels lies within one level of another, such as seeds numbered for each judge
            apart, adds nothing to that other one and is left out.

    Returns:
        The interval, within 0..1; None without any rows.

    Raises:
        ValueError: a factor has one level, the columns differ in length, there is no factor, or a value is outside
            0..1 or not known.
    """
    found = _crossed(values, factors, least=0.0)
    if found is None:
        return None
    rarer = found.rows * min(found.value, 1 - found.value)
    squared = found.quantile(LEVEL) ** 2 / found.most / (1 + rarer)
    if rarer > 0:
        squared += found.squared_half_width(LEVEL) / (found.value * (1 - found.value))
    middle = (found.value + squared / 2) / (1 + squared)
    half = float(np.sqrt(squared * found.value * (1 - found.value) + squared**2 / 4)) / (1 + squared)
    # Rounding must not put the number itself outside.
    low, high = min(middle - half, found.value), max(middle + half, found.value)
    return Interval(max(low, 0.0), min(high, 1.0), found.method("wilson"))


def crossed_difference(
    differences: Sequence[float] | Floats, factors: Mapping[str, Sequence[object]], *, level: float = LEVEL
) -> Interval | None:
    """Give a 95 % interval for the population mean of differences within -1..1 under crossed random effects.

    As `crossed_proportion`, with a symmetric interval: the half-width is the root of the sum over factors of t^2
    times variance. What has not been seen stands in it as t^2 / (levels + 1)^2 / (1 + e), as if one more level had
    been all or nothing, with e the sum of squared differences.

    Args:
        differences: one row for each pair of verdicts, such as each question and context.
        factors: as for `crossed_proportion`.
        level: how often the interval is to hold the mean; other than 0.95 where a test needs it.

    Returns:
        The interval, within -1..1; None without any rows.

    Raises:
        ValueError: as `crossed_proportion`, with values outside -1..1.
    """
    found = _crossed(differences, factors, least=-1.0)
    if found is None:
        return None
    half = _half_width(found, _seen(differences), level)
    return Interval(max(found.value - half, -1.0), min(found.value + half, 1.0), found.method("t"))


def crossed_test(
    differences: Sequence[float] | Floats, factors: Mapping[str, Sequence[object]], *, null: float = 0.0
) -> Test | None:
    """Test whether the population mean of differences is ``null``, by inverting the interval of `crossed_difference`.

    p is 1 less the level of the interval that just reaches the null value, so that p < 0.05 exactly where the 95 %
    interval leaves it out. Arguments, errors and None as there; the statistic is the mean less the null value over the
    root of its variance, infinite without any.
    """
    found = _crossed(differences, factors, least=-1.0)
    if found is None:
        return None
    seen = _seen(differences)
    variance = sum(factor.variance for factor in found.factors)
    away = found.value - null
    statistic = away / float(np.sqrt(variance)) if variance > 0 else float(np.sign(away)) * float("inf")

    def reach(p: float) -> float:
        return _half_width(found, seen, 1 - p) - abs(away)

    if reach(1.0) >= 0:
        p = 1.0
    elif reach(_LEAST_P) <= 0:
        p = _LEAST_P
    else:
        p = float(brentq(reach, _LEAST_P, 1.0, xtol=1e-15))
    return Test(found.method("t"), p, statistic, found.rows)


def generalises_to(over: Sequence[str], fixed: Sequence[str]) -> str:
    """Say in words what an interval generalises to, such as "over questions, for these judges and seeds".

    Args:
        over: the factors whose levels count as drawn from a population, in the singular.
        fixed: those whose levels are the only ones meant.
    """
    told = f"over {_listed(over)}"
    return f"{told}, for these {_listed(fixed)}" if fixed else told


_LEAST_P = 1e-12
"""Smaller p values are reported as this."""


def _crossed(
    values: Sequence[float] | Floats, factors: Mapping[str, Sequence[object]], least: float
) -> _Crossed | None:
    held = np.asarray(values, dtype=np.float64)
    if not factors:
        raise ValueError("name at least one factor to generalise over")
    if any(len(labels) != len(held) for labels in factors.values()):
        raise ValueError("every factor needs one level for each value")
    if not len(held):
        return None
    if not ((held >= least) & (held <= 1)).all():
        raise ValueError(f"values must lie within {least:g}..1 and be known")
    counts = np.column_stack([held, np.ones(len(held))])
    found = []
    for name, at in _outermost({name: places(labels) for name, labels in factors.items()}).items():
        part = jackknife(counts, at.tolist(), ratio)
        found.append(_Factor(name, int(at.max()) + 1, part.variance, max(part.freedom, 1.0)))
    return _Crossed(float(held.mean()), len(held), tuple(found))


def _outermost(factors: Mapping[str, Places]) -> dict[str, Places]:
    """Leave out every factor that is nested in another one; of two that part the rows alike, keep the first.

    Raises:
        ValueError: a factor has one level.
    """
    for name, at in factors.items():
        if at.max() == 0:
            raise ValueError(f"cannot generalise over {name}: all rows have one and the same {name}")
    kept: dict[str, Places] = {}
    for name, at in factors.items():
        if any(_nested(at, other) for other in kept.values()):
            continue
        kept = {other: held for other, held in kept.items() if not _nested(held, at)} | {name: at}
    return kept


def _nested(inner: Places, outer: Places) -> bool:
    """Whether all rows of any level of ``inner`` have one level of ``outer``."""
    pairs = np.unique(inner * (int(outer.max()) + 1) + outer)
    return len(pairs) == int(inner.max()) + 1


def _student(factor: _Factor, level: float) -> float:
    return float(stats.t.ppf((1 + level) / 2, factor.freedom))


def _seen(differences: Sequence[float] | Floats) -> float:
    return float((np.asarray(differences, dtype=np.float64) ** 2).sum())


def _half_width(found: _Crossed, seen: float, level: float) -> float:
    unseen = found.quantile(level) ** 2 / (found.most + 1) ** 2 / (1 + seen)
    return float(np.sqrt(found.squared_half_width(level) + unseen))


def _listed(names: Sequence[str]) -> str:
    plural = [f"{name}s" for name in names]
    return " and ".join([", ".join(plural[:-1]), plural[-1]] if len(plural) > 1 else plural)
