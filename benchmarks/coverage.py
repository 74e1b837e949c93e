"""How often 95 % intervals hold the truth, and how wide they are: simulated studies whose truth is known.

    .venv/bin/python benchmarks/coverage.py [STUDIES]

Prints, for each measure and size, the share of STUDIES whose interval covers: by default 1000, in a quarter of an hour,
with a standard error of about 0.007; 50 give a quick look. Beside the package's interval and its mean width stand the
percentile bootstrap of clusters and the naive one, which takes outcomes for independent. "un" sizes are uniform on 1 to
11, and in "big" one cluster holds half of the rows, the others two each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from oversight.stats.estimate import evenly, f1_of, harmonic, ratio
from oversight.stats.intervals import Floats, Interval, mean_difference, mean_ratio, proportion, within
from oversight.stats.recovery import gap_recovered
from oversight.stats.scores import LOG_SCORES

LEAST, MOST = 0.93, 0.97


class Study(NamedTuple):
    """The rows of one simulated study: ``of`` their sums is the number; ``clusters`` are numbered."""

    counts: Floats
    clusters: list[int]


class Kind(NamedTuple):
    """What is simulated: ``draw`` a study, make its ``interval``, and see whether ``truth`` is in it."""

    name: str
    truth: float
    draw: Callable[[np.random.Generator], Study]
    interval: Callable[[Study], Interval | None]
    of: Callable[[Floats], Floats]


def sizes_of(rng: np.random.Generator, clusters: int, sizes: str) -> np.ndarray:
    if sizes == "big":
        return np.array([2] * (clusters - 1) + [2 * (clusters - 1)])
    return rng.integers(1, 12, clusters) if sizes == "un" else np.full(clusters, int(sizes))


def share(clusters: int, sizes: str, icc: float, p: float) -> Kind:
    def draw(rng: np.random.Generator) -> Study:
        n = sizes_of(rng, clusters, sizes)
        scale = (1 - icc) / icc if icc else 1e9
        own = rng.beta(p * scale, (1 - p) * scale, clusters)
        at = np.repeat(np.arange(clusters), n)
        return Study(np.column_stack([rng.random(len(at)) < own[at], np.ones(len(at))]).astype(float), at.tolist())

    def interval(study: Study) -> Interval | None:
        return proportion(study.counts[:, 0] > 0, study.clusters)

    return Kind(f"share {p:g}, icc {icc:g}, {clusters} clusters of {sizes}", p, draw, interval, ratio)


def paired(clusters: int, sizes: str, one: float, other: float) -> Kind:
    """Two episodes of one arm against one of the other on each question; questions of a cluster are alike."""

    def draw(rng: np.random.Generator) -> Study:
        at = np.repeat(np.arange(clusters), sizes_of(rng, clusters, sizes))
        hard = np.sqrt(0.3) * rng.standard_normal(clusters)[at] + np.sqrt(0.7) * rng.standard_normal(len(at))

        def mean(p: float, episodes: int) -> Floats:
            noise = rng.standard_normal((len(at), episodes))
            right = (hard[:, None] + noise) / np.sqrt(2) < norm.ppf(p)
            return np.asarray(right.mean(axis=1), dtype=np.float64)

        return Study(np.column_stack([mean(one, 2) - mean(other, 1), np.ones(len(at))]), at.tolist())

    def interval(study: Study) -> Interval | None:
        return mean_difference(study.counts[:, 0], study.clusters)

    return Kind(f"difference {one:g} - {other:g}, {clusters} clusters of {sizes}", one - other, draw, interval, ratio)


def pairs(clusters: int, seen: float, design: str) -> Kind:
    """Both assignments of each image: a cluster has two outcomes, and a share ``seen`` of the clusters is exceptional.

    Designs: "always believed", one right and one wrong, or both right where the consultant is seen through; "believed,
    or either", where the exceptions are half of them both right and half both wrong; "right", both right, or one
    wrong; "alike", both wrong, or both right.
    """
    usual, rare, truth = {
        "always believed": (1, (2, 2), 0.5 + seen / 2),
        "believed, or either": (1, (0, 2), 0.5),
        "right": (2, (1, 1), 1 - seen / 2),
        "alike": (0, (2, 2), seen),
    }[design]

    def draw(rng: np.random.Generator) -> Study:
        either = np.where(rng.random(clusters) < 0.5, *rare)
        right = np.where(rng.random(clusters) < seen, either, usual)
        outcomes = np.column_stack([right >= 1, right >= 2]).ravel()
        return Study(
            np.column_stack([outcomes, np.ones(2 * clusters)]).astype(float), np.repeat(np.arange(clusters), 2).tolist()
        )

    def interval(study: Study) -> Interval | None:
        return proportion(study.counts[:, 0] > 0, study.clusters)

    return Kind(f"pairs {design}, {seen:g} exceptions, {clusters} clusters", truth, draw, interval, ratio)


def discordant(clusters: int, up: float, down: float, episodes: int = 1) -> Kind:
    """Differences of one question a cluster that are 0 but for a few, as a mean over episodes."""

    def draw(rng: np.random.Generator) -> Study:
        at = rng.random((clusters, episodes))
        values = ((at < up).astype(float) - (at > 1 - down)).mean(axis=1)
        return Study(np.column_stack([values, np.ones(clusters)]), list(range(clusters)))

    def interval(study: Study) -> Interval | None:
        return mean_difference(study.counts[:, 0], study.clusters)

    name = f"discordant {up:g} up, {down:g} down, {clusters} questions of {episodes}"
    return Kind(name, up - down, draw, interval, ratio)


def f1(clusters: int, hit: float, false: float) -> Kind:
    """Rows of which 60 % are positive; clusters of up to five have hit rates of their own."""

    def draw(rng: np.random.Generator) -> Study:
        at = np.repeat(np.arange(clusters), rng.integers(1, 6, clusters))
        positive, own = rng.random(len(at)) < 0.6, rng.beta(hit * 4, (1 - hit) * 4, clusters)[at]
        found = rng.random(len(at)) < np.where(positive, own, false)
        return Study(
            np.column_stack([positive & found, ~positive & found, positive & ~found]).astype(float), at.tolist()
        )

    truth = 2 * 0.6 * hit / (2 * 0.6 * hit + 0.4 * false + 0.6 * (1 - hit))
    return Kind(f"F1, {clusters} clusters of 1 to 5, hits {hit:g}", truth, draw, lambda s: within(*s, f1_of), f1_of)


def two_shares(first: int, second: int, one: float, other: float) -> Kind:
    """The harmonic mean of two shares that rest on unlike numbers of rows, as in ProcessBench."""
    group = np.repeat([1.0, 0.0], [first, second])
    chance = np.repeat([one, other], [first, second])

    def draw(rng: np.random.Generator) -> Study:
        hit = rng.random(first + second) < chance
        counts = np.column_stack([hit * group, group, hit * (1 - group), 1 - group])
        return Study(counts, list(range(first + second)))

    def interval(study: Study) -> Interval | None:
        return within(*study, harmonic, sizes=evenly(study.counts[:, [1, 3]]))

    truth = 2 * one * other / (one + other)
    return Kind(f"harmonic mean of {one:g} (of {first}) and {other:g} (of {second})", truth, draw, interval, harmonic)


def mean(clusters: int, sizes: str) -> Kind:
    """Log scores: skewed, and alike within clusters."""

    def draw(rng: np.random.Generator) -> Study:
        at = np.repeat(np.arange(clusters), sizes_of(rng, clusters, sizes))
        logit = 1 + rng.standard_normal(clusters)[at] + rng.standard_normal(len(at))
        return Study(np.column_stack([-np.log2(1 + np.exp(-logit)), np.ones(len(at))]), at.tolist())

    def interval(study: Study) -> Interval | None:
        return mean_ratio(study.counts, study.clusters, LOG_SCORES)

    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    truth = float((weights * -np.log2(1 + np.exp(-(1 + np.sqrt(2) * nodes)))).sum() / weights.sum())
    return Kind(f"mean log score, {clusters} clusters of {sizes}", truth, draw, interval, ratio)


def kinds() -> Iterator[Kind]:
    for n in (20, 50, 100, 400):
        yield share(n, "1", 0, 0.6)
    for clusters in (5, 10, 20, 30, 50, 100, 300):
        for sizes, icc, p in (("2", 0.2, 0.6), ("4", 0.4, 0.8), ("un", 0.1, 0.6), ("un", 0.4, 0.8), ("un", 0.4, 0.9)):
            yield share(clusters, sizes, icc, p)
        yield paired(clusters, "1", 0.8, 0.5)
        yield paired(clusters, "un", 0.75, 0.6)
        yield paired(clusters, "un", 0.95, 0.9)
        yield f1(clusters, 0.8, 0.2)
        yield mean(clusters, "un")
    for icc in (0.2, 0.4):
        yield share(20, "2", icc, 0.9)
    for clusters in (20, 50):
        yield share(clusters, "100", 0, 0.6)
    for icc, p in ((0, 0.5), (0.1, 0.8), (0.3, 0.5)):
        yield share(20, "big", icc, p)
    yield paired(20, "big", 0.75, 0.6)
    for shares in ((119, 31, 0.98, 0.84), (50, 50, 0.8, 0.6), (30, 10, 0.7, 0.9), (333, 160, 0.985, 0.985)):
        yield two_shares(*shares)
    yield from rare()


def rare() -> Iterator[Kind]:
    """Designs in which nearly all clusters are alike."""
    for clusters in (50, 100, 300, 1000):
        for seen in (0.005, 0.01, 0.02, 0.05, 0.1):
            yield pairs(clusters, seen, "always believed")
        for seen in (0.01, 0.05):
            yield pairs(clusters, seen, "believed, or either")
            yield pairs(clusters, seen, "right")
            yield pairs(clusters, seen, "alike")
        for up, down in ((0.005, 0), (0.01, 0), (0.02, 0), (0.05, 0), (0.01, 0.01), (0.03, 0.01), (0.05, 0.05)):
            yield discordant(clusters, up, down)
        for up, down in ((0.01, 0), (0.02, 0), (0.01, 0.01)):
            yield discordant(clusters, up, down, 2)


def naive(study: Study, of: Callable[[Floats], Floats]) -> tuple[float, float]:
    """Every row for itself: Wilson's interval for 0 and 1, a normal one otherwise."""
    values, n = study.counts[:, 0], len(study.counts)
    if study.counts.shape[1] > 2:
        return float("nan"), float("nan")
    if set(values.tolist()) <= {0.0, 1.0}:
        low, high = proportion_confint(values.sum(), n, method="wilson")
        return float(low), float(high)
    half = 1.96 * values.std(ddof=1) / np.sqrt(n)
    return float(values.mean() - half), float(values.mean() + half)


def percentile(study: Study, often: Floats, of: Callable[[Floats], Floats]) -> tuple[float, float]:
    sums = np.column_stack([np.bincount(study.clusters, weights=column) for column in study.counts.T])
    low, high = np.nanpercentile(of(often @ sums), [2.5, 97.5])
    return float(low), float(high)


def recovered(clusters: int, studies: int) -> float:
    """How often the interval of PGR covers: three arms on clusters of 1 to 5 questions, which share difficulty."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(studies):
        at = np.repeat(np.arange(clusters), rng.integers(1, 6, clusters))
        hard = np.sqrt(0.3) * rng.standard_normal(clusters)[at] + np.sqrt(0.7) * rng.standard_normal(len(at))
        frame = pd.DataFrame({"question": np.arange(len(at)), "cluster": at, "counts": True})
        arms = [
            frame.assign(correct=(hard + rng.standard_normal(len(at))) / np.sqrt(2) < norm.ppf(p))
            for p in (0.7, 0.5, 0.9)
        ]
        found = gap_recovered(*arms)
        assert found is not None
        pgr = found.pgr
        # An interval that is left open covers.
        hits += pgr is None or pgr.low is None or pgr.high is None or pgr.low <= 0.5 <= pgr.high
    return hits / studies


def measured(kind: Kind, studies: int) -> str:
    """Return a row of the table: coverage and mean width of the package's interval, and what others cover."""
    rng = np.random.default_rng(0)
    clusters = max(kind.draw(np.random.default_rng(1)).clusters) + 1
    often = rng.multinomial(clusters, np.full(clusters, 1 / clusters), 1000).astype(float)
    hits, widths = np.zeros(3), []
    for _ in range(studies):
        study = kind.draw(rng)
        found = kind.interval(study)
        low, high = found[:2] if found else (-np.inf, np.inf)  # an interval that is left open covers
        widths += [found.high - found.low] if found else []
        for place, ends in enumerate(((low, high), percentile(study, often, kind.of), naive(study, kind.of))):
            # A bound that is the truth but for rounding holds it.
            hits[place] += ends[0] - 1e-12 <= kind.truth <= ends[1] + 1e-12
    package, bootstrap, alone = hits / studies
    flag = "" if LEAST <= package <= MOST else " *"
    shown = "" if np.isnan(naive(study, kind.of)[0]) else f"{alone:.3f}"
    return f"| {kind.name} | {package:.3f}{flag} | {np.mean(widths):.3f} | {bootstrap:.3f} | {shown} |"


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{studies} studies a row; * outside {LEAST:g} to {MOST:g}\n")
    print("| measure and size | covers | mean width | percentile bootstrap covers | naive covers |")
    print("|---|---|---|---|---|")
    for kind in kinds():
        print(measured(kind, studies), flush=True)
    for clusters in (20, 50, 100):
        print(f"| PGR, {clusters} clusters of 1 to 5 | {recovered(clusters, studies // 2):.3f} | | | |", flush=True)


if __name__ == "__main__":
    main()
