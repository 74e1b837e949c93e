"""What several measures read off the verdicts table (`oversight.reports.verdicts.verdicts`)."""

from __future__ import annotations

import pandas as pd

__all__ = ["accuracy_by_question", "counting", "only_choices"]

_BARE = ("sampled", "computed")
"""Sources of beliefs that may be no more than an answer."""


def counting(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts that count: the contest was not void, and the judge did not abstain."""
    return verdicts[verdicts["counts"]]


def accuracy_by_question(*arms: pd.DataFrame) -> pd.DataFrame:
    """Return the share of right verdicts on each question that all arms have counting verdicts on, a column an arm.

    Verdicts are paired within a ``context``, if the tables have that column: what arms share besides the question,
    such as judge and seed. A question that several contexts share counts once, with the mean over them. The index is
    the question and its cluster.
    """
    within = [name for name in ("context",) if all(name in arm for arm in arms)]
    means = [
        (held := counting(arm))["correct"]
        .astype(float)
        .groupby([*(held[name] for name in within), held["question"], held["cluster"]])
        .mean()
        for arm in arms
    ]
    both = pd.concat(means, axis=1, join="inner", keys=range(len(arms)))
    return both.groupby(level=["question", "cluster"]).mean() if within else both


def only_choices(verdicts: pd.DataFrame) -> bool:
    """Return whether every counting verdict is only an answer, as a vote or a person's choice is.

    Such a verdict puts all probability on one answer and was neither stated nor read from token probabilities, so
    that it says nothing of how sure the judge was: Brier score, log score and calibration error would be accuracy in
    other words.
    """
    held = counting(verdicts)
    return bool(len(held) and held["belief_source"].isin(_BARE).all() and (held["confidence"] == 1).all())
