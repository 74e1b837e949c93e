"""How often 95 % intervals over crossed questions, judges and seeds hold the population mean, and how wide they are.

    .venv/bin/python benchmarks/coverage_crossed.py [STUDIES]

Every row simulates STUDIES (default 400) studies: the log-odds of a right verdict are a constant plus independent
normal effects of question, judge and seed, and for a difference between two arms each arm has judge effects of its own.
The truth is the mean over all three populations on the probability scale. The standard error of a coverage of 0.95 with
400 studies is 0.011. Beside the crossed interval stands the pooled one, clustered by question alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from oversight.stats.crossed import crossed_difference, crossed_proportion
from oversight.stats.intervals import Floats, Interval, Places, mean_difference, proportion

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(61)


class Design(NamedTuple):
    """Numbers of levels, standard deviations of their effects in logits, and the population mean."""

    judges: int
    questions: int
    seeds: int
    judge_sd: float
    question_sd: float
    seed_sd: float
    share: float
    kept: float = 1.0


class Study(NamedTuple):
    """One value and the levels of its factors for each row."""

    values: Floats
    factors: Mapping[str, Sequence[object]]


def constant(share: float, sd: float) -> float:
    """The log-odds at which normal effects of this standard deviation leave a mean probability of ``share``."""
    weights = _WEIGHTS / _WEIGHTS.sum()
    return float(brentq(lambda mu: float((expit(mu + sd * _NODES) * weights).sum()) - share, -30, 30))


def levels(rng: np.random.Generator, design: Design) -> tuple[Places, Places, Places]:
    """The question, judge and seed of each row; with ``kept`` below 1 judges have very unequal numbers of verdicts."""
    at = np.indices((design.questions, design.judges, design.seeds)).reshape(3, -1)
    if design.kept < 1:
        chance = np.linspace(design.kept / 3, 1, design.judges)
        at = at[:, rng.random(at.shape[1]) < chance[at[1]]]
    return at[0], at[1], at[2]


def factors(design: Design, question: Places, judge: Places, seed: Places) -> dict[str, Sequence[object]]:
    """The levels of each row by factor; a single seed is no factor."""
    held = {"question": question.tolist(), "judge": judge.tolist()}
    return held | ({"seed": seed.tolist()} if design.seeds > 1 else {})


def draw(rng: np.random.Generator, design: Design) -> Study:
    question, judge, seed = levels(rng, design)
    sd = float(np.sqrt(design.judge_sd**2 + design.question_sd**2 + design.seed_sd**2))
    eta = constant(design.share, sd) + design.question_sd * rng.standard_normal(design.questions)[question]
    eta += design.judge_sd * rng.standard_normal(design.judges)[judge]
    eta += design.seed_sd * rng.standard_normal(design.seeds)[seed]
    right = (rng.random(len(eta)) < expit(eta)).astype(np.float64)
    return Study(right, factors(design, question, judge, seed))


def paired(rng: np.random.Generator, design: Design) -> Study:
    """Two arms of one mean on the same questions, with judge effects of their own."""
    question, judge, seed = levels(rng, design)
    mu = constant(design.share, float(np.sqrt(design.judge_sd**2 + design.question_sd**2)))
    common = mu + design.question_sd * rng.standard_normal(design.questions)[question]
    arms = [
        rng.random(len(question)) < expit(common + design.judge_sd * rng.standard_normal(design.judges)[judge])
        for _ in range(2)
    ]
    return Study(arms[0].astype(np.float64) - arms[1], factors(design, question, judge, seed))


def row(design: Design, studies: int, kind: str) -> str:
    """One line of the table."""
    make: Callable[[np.random.Generator, Design], Study] = draw if kind == "share" else paired
    truth = design.share if kind == "share" else 0.0
    rng, hits, widths = np.random.default_rng(0), np.zeros(2), np.zeros(2)
    for _ in range(studies):
        study = make(rng, design)
        question = study.factors["question"]
        crossed: Interval | None
        pooled: Interval | None
        if kind == "share":
            crossed, pooled = crossed_proportion(*study), proportion(study.values > 0, question)
        else:
            crossed, pooled = crossed_difference(*study), mean_difference(study.values, question)
        for place, found in enumerate((crossed, pooled)):
            assert found is not None
            hits[place] += found.low <= truth <= found.high
            widths[place] += found.high - found.low
    cover, width = hits / studies, widths / studies
    sizes = " | ".join(f"{part:g}" for part in design[:6])
    name = f"share {truth:g}" if kind == "share" else f"difference of shares of {design.share:g}"
    name += ", unbalanced" if design.kept < 1 else ""
    return f"| {name} | {sizes} | {cover[0]:.3f} | {width[0]:.3f} | {cover[1]:.3f} | {width[1]:.3f} |"


def designs() -> list[tuple[str, Design]]:
    """The rows: shares over judges, questions and spreads; then seeds, unequal numbers, extremes and differences."""
    found: list[tuple[str, Design]] = []
    for judges, questions, sd in product((2, 3, 5, 10, 20), (20, 100, 300), (0.0, 0.3, 0.6, 1.0)):
        if judges * questions <= 3000:
            found.append(("share", Design(judges, questions, 1, sd, 1.0, 0.0, 0.7)))
    for judges, sd, share in product((2, 3, 5, 10), (0.0, 0.6, 1.0), (0.5, 0.9)):
        found.append(("share", Design(judges, 100, 1, sd, 0.0, 0.0, share)))
    for judges, sd, seed_sd in product((3, 5), (0.0, 0.6), (0.0, 0.3)):
        found.append(("share", Design(judges, 100, 3, sd, 1.0, seed_sd, 0.7)))
    for judges, sd, share in product((3, 5, 10), (0.3, 1.0), (0.7, 0.9)):
        found.append(("share", Design(judges, 100, 1, sd, 1.0, 0.0, share, kept=0.5)))
    for judges, questions, share in product((3, 10), (20, 100), (0.97, 0.99)):
        found.append(("share", Design(judges, questions, 1, 0.6, 2.0, 0.0, share)))
    for judges, questions, sd in product((2, 3, 5, 10), (20, 100), (0.0, 0.6)):
        found.append(("difference", Design(judges, questions, 1, sd, 1.0, 0.0, 0.7)))
    for judges, share in product((3, 10), (0.97, 0.99)):
        found.append(("difference", Design(judges, 100, 1, 0.0, 1.0, 0.0, share)))
    return found


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(
        "| number | judges | questions | seeds | judge sd | question sd | seed sd | crossed | width | pooled | width |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for kind, design in designs():
        print(row(design, studies, kind), flush=True)


if __name__ == "__main__":
    main()
