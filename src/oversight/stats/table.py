"""What several measures read off the verdicts table (`oversight.reports.verdicts.verdicts`)."""

from __future__ import annotations

import pandas as pd

__all__ = ["accuracy_by_question", "counting"]


def counting(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts that count: the contest was not void, and the judge did not abstain."""
    return verdicts[verdicts["counts"]]


def accuracy_by_question(*arms: pd.DataFrame) -> pd.DataFrame:
    """The share of right verdicts on each question that all arms have verdicts on that count, a column for each arm.

    The index is the question and its cluster.
    """
    means = [
        (held := counting(arm))["correct"].astype(float).groupby([held["question"], held["cluster"]]).mean()
        for arm in arms
    ]
    return pd.concat(means, axis=1, join="inner", keys=range(len(arms)))
