"""How often 95 % intervals hold the truth: simulated studies whose truth is known.

    .venv/bin/python benchmarks/coverage.py [STUDIES]

Prints, for each measure and size, the share of STUDIES (default 2000) whose interval covers; the standard error of
that share is about 0.005. Beside the package's interval stand the naive one, which takes outcomes for independent,
and the percentile bootstrap of clusters that the package used before. "un" sizes are uniform on 1 to 11.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from oversight.stats.intervals import Floats, Interval, mean_difference, proportion, within
from oversight.stats.measured import f1_of, mean_of, ratio
from oversight.stats.recovery import gap_recovered


class Study(NamedTuple):
    """The rows of one simulated study: ``of`` their sums is the number; ``clusters`` are numbered."""

    counts: Floats
    clusters: list[int]


class Kind(NamedTuple):
    """What is simulated: ``draw`` a study, make its ``interval``, and see whether ``truth`` is in it."""

    name: str
    truth: float
    draw: Callable[[np.random.Generator], Study]
    interval: Callable[[Study], Interval]
    of: Callable[[Floats], Floats]


def sizes_of(rng: np.random.Generator, clusters: int, sizes: str) -> np.ndarray:
    return rng.integers(1, 12, clusters) if sizes == "un" else np.full(clusters, int(sizes))


def share(clusters: int, sizes: str, icc: float, p: float) -> Kind:
    def draw(rng: np.random.Generator) -> Study:
        n = sizes_of(rng, clusters, sizes)
        scale = (1 - icc) / icc if icc else 1e9
        own = rng.beta(p * scale, (1 - p) * scale, clusters)
        at = np.repeat(np.arange(clusters), n)
        return Study(np.column_stack([rng.random(len(at)) < own[at], np.ones(len(at))]).astype(float), at.tolist())

    def interval(study: Study) -> Interval:
        return proportion(study.counts[:, 0] > 0, study.clusters)

    return Kind(f"share {p:g}, icc {icc:g}, {clusters} clusters of {sizes}", p, draw, interval, ratio)


def paired(clusters: int, sizes: str, one: float, other: float) -> Kind:
    """Two episodes of one arm against one of the other on each question; questions of a cluster are alike."""

    def draw(rng: np.random.Generator) -> Study:
        at = np.repeat(np.arange(clusters), sizes_of(rng, clusters, sizes))
        hard = np.sqrt(0.3) * rng.standard_normal(clusters)[at] + np.sqrt(0.7) * rng.standard_normal(len(at))

        def mean(p: float, episodes: int) -> Floats:
            noise = rng.standard_normal((len(at), episodes))
            return ((hard[:, None] + noise) / np.sqrt(2) < norm.ppf(p)).mean(axis=1)

        return Study(np.column_stack([mean(one, 2) - mean(other, 1), np.ones(len(at))]), at.tolist())

    def interval(study: Study) -> Interval:
        return mean_difference(study.counts[:, 0], study.clusters)

    return Kind(f"difference {one:g} - {other:g}, {clusters} clusters of {sizes}", one - other, draw, interval, ratio)


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


def mean(clusters: int, sizes: str) -> Kind:
    """Log scores: skewed, and alike within clusters."""

    def draw(rng: np.random.Generator) -> Study:
        at = np.repeat(np.arange(clusters), sizes_of(rng, clusters, sizes))
        logit = 1 + rng.standard_normal(clusters)[at] + rng.standard_normal(len(at))
        return Study(np.column_stack([-np.log2(1 + np.exp(-logit)), np.ones(len(at))]), at.tolist())

    def interval(study: Study) -> Interval:
        found = mean_of(study.counts[:, 0], study.clusters)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        return Interval(found.low, found.high, found.interval)

    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    truth = float((weights * -np.log2(1 + np.exp(-(1 + np.sqrt(2) * nodes)))).sum() / weights.sum())
    return Kind(f"mean log score, {clusters} clusters of {sizes}", truth, draw, interval, ratio)


def kinds() -> Iterator[Kind]:
    for n in (20, 50, 100, 400):
        yield share(n, "1", 0, 0.6)
    for clusters in (10, 20, 30, 50, 100, 300):
        for sizes, icc, p in (("2", 0.2, 0.6), ("4", 0.4, 0.8), ("un", 0.1, 0.6), ("un", 0.4, 0.8), ("un", 0.4, 0.9)):
            yield share(clusters, sizes, icc, p)
        yield paired(clusters, "1", 0.8, 0.5)
        yield paired(clusters, "un", 0.75, 0.6)
        yield paired(clusters, "un", 0.95, 0.9)
        yield f1(clusters, 0.8, 0.2)
        yield mean(clusters, "un")
    for icc in (0.2, 0.4):
        yield share(20, "2", icc, 0.9)


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


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print("| n = studies | measure and size | package | percentile bootstrap | naive |\n|---|---|---|---|---|")
    for kind in kinds():
        rng = np.random.default_rng(0)
        first = kind.draw(np.random.default_rng(1))
        clusters = max(first.clusters) + 1
        often = rng.multinomial(clusters, np.full(clusters, 1 / clusters), 1000).astype(float)
        hits = np.zeros(3)
        for _ in range(studies):
            study = kind.draw(rng)
            for place, (low, high) in enumerate(
                (kind.interval(study)[:2], percentile(study, often, kind.of), naive(study, kind.of))
            ):
                hits[place] += low <= kind.truth <= high
        package, bootstrap, alone = hits / studies
        flag = "" if 0.935 <= package <= 0.965 else " *"
        shown = "" if "F1" in kind.name else f"{alone:.3f}"
        print(f"| {studies} | {kind.name} | {package:.3f}{flag} | {bootstrap:.3f} | {shown} |", flush=True)
    for clusters in (20, 50, 100):
        print(f"| {studies // 2} | PGR, {clusters} clusters of 1 to 5 | {recovered(clusters, studies // 2):.3f} | | |")
    print("* outside 0.935 to 0.965")


if __name__ == "__main__":
    main()
