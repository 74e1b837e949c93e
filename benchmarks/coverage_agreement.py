"""How often 95 % intervals of agreement and of ratings hold the truth: simulated studies whose truth is known.

    .venv/bin/python benchmarks/coverage_agreement.py [STUDIES]

Prints the share of STUDIES (default 300) whose interval covers; the standard error of that share is about 0.013. The
truth is the number itself on one study of 60,000 clusters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from oversight.stats.agreement import Agreement, cohen, fleiss, krippendorff_alpha
from oversight.stats.estimate import Estimate
from oversight.stats.ratings import MEAN, SCALE, rate

_JUDGES = 3
_STRENGTHS = {"a": 0.8, "b": 0.2, "c": -0.3, "d": -0.7}
_HUGE = 60_000


class Judged(NamedTuple):
    """What judges chose of two answers: a row a transcript, a column a judge."""

    rated: pd.DataFrame
    clusters: list[int]


def judged(rng: np.random.Generator, clusters: int) -> Judged:
    """Clusters of 1 to 5 transcripts that are easy or hard together; every judge follows the truth now and then."""
    at = np.repeat(np.arange(clusters), rng.integers(1, 6, clusters))
    right = rng.beta(3, 1.5, clusters)[at]
    gold = rng.random(len(at)) < 0.5
    chosen = np.where(rng.random((_JUDGES, len(at))) < right, gold, ~gold).astype(float).T
    return Judged(pd.DataFrame(chosen), at.tolist())


def patchy(rng: np.random.Generator, clusters: int) -> Judged:
    """The same with one judgement in five missing."""
    rated, at = judged(rng, clusters)
    return Judged(rated.mask(rng.random(rated.shape) < 0.2), at)


def beyond_chance(found: Agreement | None) -> Estimate | None:
    return found and found.beyond_chance


def two(study: Judged) -> Estimate | None:
    return beyond_chance(cohen(study.rated[0].tolist(), study.rated[1].tolist(), study.clusters))


def games(rng: np.random.Generator, clusters: int) -> pd.DataFrame:
    """Everybody against everybody on each question; a question favours some players more than others."""
    rows = []
    for number in range(clusters):
        form = {name: strength + 0.5 * rng.standard_normal() for name, strength in _STRENGTHS.items()}
        for one, other in combinations(_STRENGTHS, 2):
            rows.append((one, other, float(rng.random() < expit(form[one] - form[other])), number))
    return pd.DataFrame(rows, columns=["one", "other", "won", "cluster"])


def covered(found: Estimate | None, truth: float) -> bool:
    """Whether the truth is in an interval; where nothing can be said, nothing false is."""
    return found is None or found.low is None or found.high is None or found.low <= truth <= found.high


def agreement(name: str, draw: Callable[..., Judged], of: Callable[[Judged], Estimate | None], studies: int) -> None:
    # The interval of a huge study is not wanted: one cluster has none.
    huge = draw(np.random.default_rng(1), _HUGE)
    truth = of(Judged(huge.rated, [0] * len(huge.rated)))
    assert truth is not None
    for clusters in (20, 50, 100):
        rng = np.random.default_rng(0)
        hits = sum(covered(of(draw(rng, clusters)), truth.value) for _ in range(studies))
        print(
            f"| {studies} | {name} {truth.value:.2f}, {clusters} clusters of 1 to 5 | {hits / studies:.3f} |",
            flush=True,
        )


def ratings(studies: int) -> None:
    whole = games(np.random.default_rng(1), _HUGE // 2).assign(cluster=0)
    truth = {name: each.value for name, each in rate(whole, times=1).ratings.items()}
    assert abs(np.mean(list(truth.values())) - MEAN) < 1e-6
    print(f"(ratings {', '.join(f'{name} {value:.0f}' for name, value in truth.items())}; {SCALE:.1f} a unit)")
    for clusters in (20, 50, 100):
        rng, hits = np.random.default_rng(0), 0
        for _ in range(studies):
            found = rate(games(rng, clusters), times=300).ratings
            hits += sum(covered(found[name], value) for name, value in truth.items())
        share = hits / (studies * len(truth))
        print(f"| {studies} | ratings of 4 players, {clusters} questions of 6 games | {share:.3f} |", flush=True)


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print("| n = studies | measure and size | package |\n|---|---|---|")
    agreement("Cohen's kappa", judged, two, studies)
    agreement("Fleiss' kappa", judged, lambda study: beyond_chance(fleiss(*study)), studies)
    agreement("alpha, a fifth missing,", patchy, lambda study: beyond_chance(krippendorff_alpha(*study)), studies)
    ratings(studies)


if __name__ == "__main__":
    main()
