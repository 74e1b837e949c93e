"""Judge accuracy against the strength of the debaters (Khan et al. 2024).

A debate helps the judge if accuracy rises with the debaters' ratings: persuasiveness that serves the truth. Ratings
must not tell sides apart, or they would contain the accuracy that they are to explain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from oversight.stats.estimate import Estimate, safe_divide, share_of, statistic
from oversight.stats.intervals import Floats
from oversight.stats.ratings import debates, rate
from oversight.stats.verdict_columns import counting

__all__ = ["AccuracyByRating", "RatedAccuracy", "accuracy_by_rating"]

_POINTS = 100
"""Elo points that the slope is about."""


class RatedAccuracy(NamedTuple):
    """One pairing of debaters.

    Attributes:
        models: the two, by name; twice the same where a model debated itself.
        rating: the mean of their ratings, in Elo points.
        accuracy: of the judge, over their debates.
    """

    models: tuple[str, str]
    rating: float
    accuracy: Estimate


class AccuracyByRating(NamedTuple):
    """How the judge's accuracy changes with the debaters' strength.

    Attributes:
        points: every pairing, weakest first.
        slope: the change in accuracy for 100 Elo points; its interval takes the ratings as given. None where all
            pairings have one rating.
    """

    points: tuple[RatedAccuracy, ...]
    slope: Estimate | None


def accuracy_by_rating(
    verdicts: pd.DataFrame, ratings: Mapping[str, float] | None = None, *, self_play: bool = False
) -> AccuracyByRating:
    """Relate judge accuracy to the mean rating of the two debaters, by least squares over verdicts.

    Only counting verdicts are used in which two seats argue, one of them for the right answer, and whose models are
    rated. Every verdict weighs the same, so that a pairing weighs as much as it has verdicts.

    Args:
        verdicts: the verdicts table.
        ratings: of each model, in Elo points: from a tournament, or from general capability. By default those of the
            same debates, with a model's rating as it argues for either side (`rate` of `debates` with ``sided``
            false).
        self_play: use only debates of a model with itself, which Khan et al. (2024) define a model's judge accuracy
            by. Without, a difference of the two debaters' strengths is averaged over.

    Raises:
        ValueError: ``ratings`` is None and the debates admit no finite ones; the message says why.
    """
    if ratings is None:
        ratings = {name: each.value for name, each in rate(debates(verdicts, sided=False), times=0).ratings.items()}
    played = _rated(verdicts, ratings, self_play=self_play)
    points = []
    for _, part in played.groupby(["one", "other"]):
        accuracy = share_of(part["correct"].to_numpy(bool), part["cluster"].tolist())
        if accuracy is not None:
            models = (str(part["one"].iloc[0]), str(part["other"].iloc[0]))
            points.append(RatedAccuracy(models, float(part["rating"].iloc[0]), accuracy))
    x = played["rating"].to_numpy(np.float64) / _POINTS
    x = x - (x.mean() if len(x) else 0)  # keeps the sums of squares precise
    y = played["correct"].to_numpy(np.float64)
    slope = statistic(np.column_stack([np.ones(len(x)), x, y, x * x, x * y]), played["cluster"].tolist(), _slope)
    return AccuracyByRating(tuple(sorted(points, key=lambda point: point.rating)), slope)


def _rated(verdicts: pd.DataFrame, ratings: Mapping[str, float], *, self_play: bool) -> pd.DataFrame:
    """Return a row for each usable debate: its models by name, their mean rating, and whether the judge was right."""
    held = counting(verdicts)
    rows = []
    columns = ["argues", "models", "gold", "correct", "cluster"]
    for argues, models, gold, correct, cluster in held[columns].itertuples(index=False, name=None):
        if len(argues) != 2 or gold not in argues or not all(each in ratings for each in models):  # noqa: PLR2004
            continue
        one, other = sorted(models)
        if one == other or not self_play:
            rows.append((one, other, (ratings[one] + ratings[other]) / 2, correct, cluster))
    return pd.DataFrame(rows, columns=["one", "other", "rating", "correct", "cluster"])


def _slope(sums: Floats) -> Floats:
    """Return the slope of least squares from n, sum x, sum y, sum x^2 and sum xy; NaN where x has no spread."""
    n, x, y, xx, xy = np.moveaxis(np.asarray(sums), -1, 0)
    spread = n * xx - x * x
    return safe_divide(n * xy - x * y, np.where(spread > 1e-9 * np.maximum(n * xx, 1e-300), spread, 0.0))
