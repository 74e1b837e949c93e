"""What a design can detect: power by simulation, with questions that share clusters and arms that share questions.

Each question has a difficulty on a latent normal scale, part of which its cluster shares; an episode is right where
difficulty plus its own noise falls below the arm's threshold. The difference is tested as a report tests it, by
`oversight.stats.intervals.mean_difference`: detected is what its 95 % interval tells from 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from oversight.stats.cluster_score import Floats, bounds, moments
from oversight.stats.intervals import DIFFERENCE, LEVEL

__all__ = ["Design", "detectable", "power"]

TARGET = 0.8
_SIMULATIONS = 1000
_AT_ONCE = 2_000_000
"""How many episodes are held in memory at a time."""
_CLOSE = 0.0025
"""How near to the smallest detectable difference the search comes."""
_MOST_QUESTIONS = 4000
"""Of a design with more questions a part of about this size is simulated."""
_LARGE_CLUSTER = 100
"""Of a cluster with more questions a part is simulated; of smaller ones, some are and others are not."""


class Design(NamedTuple):
    """Two arms on the same questions.

    Attributes:
        clusters: how many questions each cluster has.
        episodes: of the arm, for each question; ``baseline_episodes``: of what it is compared with.
        baseline: the accuracy it is compared with.
        question: correlation of two episodes of one question, of either arm, on the latent scale.
        cluster: correlation of the difficulties of two questions of one cluster.
    """

    clusters: tuple[int, ...]
    episodes: int = 1
    baseline_episodes: int = 1
    baseline: float = 0.5
    question: float = 0.5
    cluster: float = 0.3


def power(design: Design, difference: float, *, simulations: int = _SIMULATIONS, seed: int = 0) -> float:
    """How often the design would detect that the arm's accuracy is ``difference`` above the baseline's.

    Raises:
        ValueError: no accuracy is that far above the baseline.
    """
    return _detects(design, difference, simulations, seed)


def detectable(
    design: Design, *, target: float = TARGET, simulations: int = _SIMULATIONS, seed: int = 0
) -> float | None:
    """The smallest difference above the baseline that the design detects with a power of ``target``.

    Found by bisection on one set of simulated questions and noise, so that power rises with the difference; to
    within 0.0025, and to what so many simulations can tell. None if even perfect accuracy is not detected so often.
    Of a design with more than 4,000 questions a part of the same make-up is simulated: what it detects shrinks with
    the root of the number of questions.
    """
    if (step := -(-sum(design.clusters) // _MOST_QUESTIONS)) > 1:
        part = _thinned(design.clusters, step)
        least = detectable(design._replace(clusters=part), target=target, simulations=simulations, seed=seed)
        return None if least is None else least * math.sqrt(sum(part) / sum(design.clusters))
    low, high = 0.0, 1 - design.baseline
    if _detects(design, high, simulations, seed) < target:
        return None
    while high - low > _CLOSE:
        middle = (low + high) / 2
        if _detects(design, middle, simulations, seed) < target:
            low = middle
        else:
            high = middle
    return high


def _thinned(clusters: Sequence[int], step: int) -> tuple[int, ...]:
    """One question of ``step``: every ``step``-th small cluster, and a part of each large one."""
    small = sorted(size for size in clusters if size <= _LARGE_CLUSTER)
    large = [max(1, size // step) for size in clusters if size > _LARGE_CLUSTER]
    return (*small[::step], *large)


def _detects(design: Design, difference: float, simulations: int, seed: int) -> float:
    """The share of simulated studies whose interval leaves 0 out."""
    if not 0 <= design.baseline + difference <= 1:
        raise ValueError(f"no accuracy differs from {design.baseline:g} by {difference:+g}")
    questions = sum(design.clusters)
    each = questions * (design.episodes + design.baseline_episodes)
    batch = max(1, min(simulations, _AT_ONCE // max(each, 1)))
    hits = 0
    for start in range(0, simulations, batch):
        rng = np.random.default_rng([seed, start])
        count = min(batch, simulations - start)
        base, arm = _noise(design, count, rng)
        alone = (base < norm.ppf(design.baseline)).mean(axis=2)
        found = (arm < norm.ppf(design.baseline + difference)).mean(axis=2) - alone
        hits += int(_told_apart(found, design.clusters).sum())
    return hits / simulations


def _noise(design: Design, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """What decides every episode of the baseline and of the arm: (studies, questions, episodes)."""
    at = np.repeat(np.arange(len(design.clusters)), design.clusters)
    shared = rng.standard_normal((count, len(design.clusters)))[:, at]
    hard = np.sqrt(design.cluster) * shared + np.sqrt(1 - design.cluster) * rng.standard_normal((count, len(at)))
    base, arm = (
        np.sqrt(design.question) * hard[:, :, None]
        + np.sqrt(1 - design.question) * rng.standard_normal((count, len(at), episodes))
        for episodes in (design.baseline_episodes, design.episodes)
    )
    return base, arm


def _told_apart(values: Floats, clusters: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each study's interval leaves 0 out: `mean_difference` for many studies of one design at once."""
    sizes = np.asarray(clusters, dtype=np.float64)
    if len(sizes) == 1:  # one cluster tells nothing apart
        return np.zeros(len(values), dtype=np.bool_)
    sums = np.add.reduceat(values, np.concatenate([[0], np.cumsum(clusters)[:-1]]), axis=1)
    n = sizes.sum()
    means = sums.sum(axis=1) / n
    low, high = bounds(moments(means, (sums - means[:, None] * sizes) / n, sizes / n), DIFFERENCE, LEVEL)
    return np.asarray((low > 0) | (high < 0), dtype=np.bool_)
