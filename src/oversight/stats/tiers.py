"""Tiers of difficulty: which transcripts are hard to judge, and what a protocol does on easy and hard questions.

Both rest on the hierarchical models of `oversight.stats.mixed`. Tiers are inferred as in DC-Debates (Recchia et al.
2026): transcripts are ranked by difficulty in every posterior draw, so that a tier comes with its probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from oversight.stats.estimate import Estimate
from oversight.stats.intervals import Floats
from oversight.stats.mixed import Family, Posterior, fit_mixed

__all__ = ["DifficultyTiers", "ProtocolEffect", "TieredTranscript", "difficulty_tiers", "protocol_effects"]

_JOINT = " / "


class TieredTranscript(NamedTuple):
    """One transcript's difficulty.

    Attributes:
        transcript, question: which it is.
        difficulty: minus its effect on the outcome, in log-odds or units of the outcome; higher is harder.
        chances: the probability of each tier, the easiest first.
        tier: the most probable one, from 1, the easiest.
    """

    transcript: str
    question: str
    difficulty: Estimate
    chances: tuple[float, ...]
    tier: int


class DifficultyTiers(NamedTuple):
    """What `difficulty_tiers` found.

    Attributes:
        transcripts: from the easiest to the hardest.
        means: the mean difficulty of the transcripts of each tier.
        steps: the difference of each tier's mean from that of the tier below it.
        deviations: the standard deviations of question, transcript and, for normal outcomes, residual.
    """

    transcripts: tuple[TieredTranscript, ...]
    means: tuple[Estimate, ...]
    steps: tuple[Estimate, ...]
    deviations: dict[str, Estimate]


class ProtocolEffect(NamedTuple):
    """One protocol against the baseline, in log-odds of being right.

    Attributes:
        protocol: which.
        overall: the effect in a tier like those observed: the mean over the population of tiers.
        tiers: the effect in each tier, pulled towards ``overall`` by as much as the tiers differ little.
        deviation: the standard deviation of effects between tiers.
        positive: the probability that ``overall`` is above 0.
    """

    protocol: str
    overall: Estimate
    tiers: dict[str, Estimate]
    deviation: Estimate
    positive: float


def difficulty_tiers(
    data: pd.DataFrame,
    outcome: str,
    *,
    tiers: int = 4,
    family: Family = "normal",
    between: Sequence[str] = (),
    within: Sequence[str] = (),
    seed: int = 0,
) -> DifficultyTiers:
    """Infer how difficult each transcript is and in which tier of equal size it lies.

    The outcome has random intercepts of question and of transcript within question, and fixed effects. A transcript's
    difficulty is minus the sum of its own effects, its question's and those of ``between``. Where the number of
    transcripts is no multiple of ``tiers`` the easier tiers have one more.

    Args:
        data: a row for each judgement, with the columns ``question`` and ``transcript``.
        outcome: the column judged by: log-odds of the right answer (``"normal"``), or 0 and 1 (``"logit"``).
        tiers: how many, at most as many as transcripts.
        family: of the outcome.
        between: columns of categories that do not vary within a transcript, such as a domain; the first in
            alphabetical order is the reference.
        within: columns of numbers that are held constant, such as the order of two sections.
        seed: of the posterior draws.

    Raises:
        ValueError: there are fewer transcripts than tiers, or ``data`` is empty.
    """
    named = data[["transcript", "question"]].astype(str)
    transcripts = named.assign(**{name: data[name].astype(str) for name in between}).drop_duplicates("transcript")
    transcripts = transcripts.sort_values("transcript").reset_index(drop=True)
    if not 1 <= tiers <= len(transcripts):
        raise ValueError(f"{len(transcripts)} transcripts do not fill {tiers} tiers")
    dummies = _dummies(data, between)
    fixed = {name: data[name].to_numpy(np.float64) for name in within}
    random = {name: named[name].tolist() for name in ("question", "transcript")}
    fitted = fit_mixed(data[outcome].to_numpy(np.float64), fixed | dummies, random, family=family, seed=seed)
    harder = -_effects(fitted, transcripts, _dummies(transcripts, between))
    order = np.argsort(harder, axis=1)
    ranks = np.argsort(order, axis=1)
    parts = np.array_split(np.arange(len(transcripts)), tiers)
    of_rank = np.concatenate([np.full(len(part), tier) for tier, part in enumerate(parts)])
    chances = np.array([(of_rank[ranks] == tier).mean(axis=0) for tier in range(tiers)]).T
    ranked = np.take_along_axis(harder, order, axis=1)
    means = np.column_stack([ranked[:, part].mean(axis=1) for part in parts])
    rows = [
        TieredTranscript(
            str(own["transcript"]),
            str(own["question"]),
            fitted.measured(harder[:, at]),
            tuple(chances[at].tolist()),
            int(chances[at].argmax()) + 1,
        )
        for at, own in transcripts.iterrows()
        if isinstance(at, int)
    ]
    return DifficultyTiers(
        tuple(sorted(rows, key=lambda row: row.difficulty.value)),
        tuple(fitted.measured(column) for column in means.T),
        tuple(fitted.measured(column) for column in np.diff(means, axis=1).T),
        {name: fitted.measured(draws) for name, draws in fitted.deviations.items()},
    )


def protocol_effects(data: pd.DataFrame, baseline: str, *, seed: int = 0) -> tuple[ProtocolEffect, ...]:
    """Estimate the effect of each protocol on accuracy, overall and by tier, with partial pooling between tiers.

    log-odds of being right = intercept + effect of the protocol + effect of the tier + effect of the protocol in the
    tier + effect of the question + effect of the participant; the last four are random. With few tiers the standard
    deviation between them rests on its prior, half-normal with scale 1, and ``overall`` has a wide interval: it is
    about a new tier's mean, not the mean of the tiers observed.

    Args:
        data: a row for each judgement with the columns ``correct`` (0 or 1), ``protocol``, ``tier``, ``question``
            and ``participant``, the judge.
        baseline: the protocol that others are compared with.
        seed: of the posterior draws.

    Returns:
        The other protocols, by name.

    Raises:
        ValueError: no row has the protocol ``baseline``, or all do.
    """
    protocol, tier = data["protocol"].astype(str), data["tier"].astype(str)
    others = sorted(set(protocol) - {baseline})
    if baseline not in set(protocol) or not others:
        raise ValueError(
            f"protocols to compare with {baseline!r}, and rows of its own, are needed: {sorted(set(protocol))}"
        )
    fixed = {name: np.asarray(protocol == name, dtype=np.float64) for name in others}
    random: dict[str, Sequence[object]] = {name: data[name].tolist() for name in ("question", "participant", "tier")}
    random["protocol in tier"] = [
        None if own == baseline else own + _JOINT + each for own, each in zip(protocol, tier, strict=True)
    ]
    fitted = fit_mixed(data["correct"].to_numpy(np.float64), fixed, random, family="logit", seed=seed)
    cells = fitted.levels["protocol in tier"]
    own = fitted.random["protocol in tier"]
    deviation = fitted.measured(fitted.deviations["protocol in tier"])
    found = []
    for name in others:
        effects = {each: own[:, cells.index(name + _JOINT + each)] for each in sorted(set(tier[protocol == name]))}
        overall = fitted.fixed[name]
        found.append(
            ProtocolEffect(
                name,
                fitted.measured(overall),
                {each: fitted.measured(overall + draws) for each, draws in effects.items()},
                deviation,
                float((overall > 0).mean()),
            )
        )
    return tuple(found)


def _dummies(data: pd.DataFrame, names: Sequence[str]) -> dict[str, Floats]:
    """Return an indicator for each category of the columns but the first."""
    return {
        f"{name}={category}": np.asarray(data[name].astype(str) == category, dtype=np.float64)
        for name in names
        for category in sorted(set(data[name].astype(str)))[1:]
    }


def _effects(fitted: Posterior, transcripts: pd.DataFrame, dummies: dict[str, Floats]) -> Floats:
    """Return the draws of each transcript's effect, (draws, transcripts)."""
    total = np.zeros((len(fitted.fixed["intercept"]), len(transcripts)))
    for name in ("question", "transcript"):
        at = [fitted.levels[name].index(each) for each in transcripts[name]]
        total += fitted.random[name][:, at]
    for name, values in dummies.items():
        total += fitted.fixed[name][:, None] * values
    return total
