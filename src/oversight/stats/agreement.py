"""Whether judges, human or model, agree beyond chance.

The functions take a frame with one row for each transcript and one column for each judge: what the judge decided,
NaN where it did not judge. `ratings` makes it of what `oversight.reports.verdicts.judgements` reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import krippendorff
import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from oversight.stats.intervals import Floats, percentiles, places, resampled
from oversight.stats.measured import Measured

__all__ = ["cohen", "fleiss", "krippendorff_alpha", "ratings"]

_RESAMPLES = 500


def ratings(judgements: pd.DataFrame, value: Literal["chosen", "p_gold"] = "chosen") -> pd.DataFrame:
    """One row for each transcript, one column for each judge; the index is the run, the episode and its cluster.

    A judge that judged a transcript twice counts with its first judgement. Give Cohen's and Fleiss' kappa and the
    nominal alpha ``chosen``, and the interval alpha ``p_gold``, which is not comparable between questions but the
    same for all judges of one.
    """
    return judgements.pivot_table(index=["run", "episode", "cluster"], columns="judge", values=value, aggfunc="first")


def cohen(one: Sequence[float], other: Sequence[float], clusters: Sequence[object]) -> Measured | None:
    """Cohen's kappa of two judges: (p_o - p_e) / (1 - p_e) (Cohen 1960); ``n`` counts transcripts both judged.

    p_o is the share on which they agree, and p_e the share on which they would if each answered as often as it does
    but at random. None where both always give the same one answer: then p_e is 1. With a common answer it is low
    although nearly all agree.
    """
    held = pd.DataFrame({"one": one, "other": other, "cluster": list(map(str, clusters))}).dropna()
    pair = held[["one", "other"]].to_numpy(np.float64)
    return _with_interval(pair, held["cluster"].tolist(), lambda rows: _cohen(rows[:, 0], rows[:, 1]))


def fleiss(rated: pd.DataFrame, clusters: Sequence[object]) -> Measured | None:
    """Fleiss' kappa of any number of judges (Fleiss 1971), on the ``n`` transcripts that all of them judged.

    As `cohen`, but for chance all judges are taken to answer with one and the same distribution. None with one judge.
    """
    whole = rated.notna().all(axis=1).to_numpy(bool)
    names = [each for each, kept in zip(clusters, whole, strict=True) if kept]
    values = rated.to_numpy(np.float64)[whole]
    known, codes = np.unique(values, return_inverse=True)
    return _with_interval(codes.reshape(values.shape).astype(np.float64), names, lambda rows: _fleiss(rows, len(known)))


def krippendorff_alpha(
    rated: pd.DataFrame, clusters: Sequence[object], level: Literal["nominal", "interval"] = "nominal"
) -> Measured | None:
    """Krippendorff's alpha = 1 - D_o / D_e of any number of judges, some of whom may be missing (Krippendorff 2004).

    D_o is the disagreement within transcripts, D_e that between any two judgements; nominal counts differing
    answers, interval squared differences, for probabilities. ``n`` counts transcripts with two judgements or more.
    None where all judgements are the same.
    """
    several = (rated.notna().sum(axis=1) >= 2).to_numpy(bool)  # noqa: PLR2004 - who is alone agrees with nobody
    names = [each for each, kept in zip(clusters, several, strict=True) if kept]
    return _with_interval(rated.to_numpy(np.float64)[several], names, lambda rows: _alpha(rows, level))


def _cohen(one: Floats, other: Floats) -> float:
    if len(set(one) | set(other)) < 2:  # noqa: PLR2004 - one answer only
        return float("nan")
    return float(cohen_kappa_score(one, other))


def _fleiss(codes: Floats, categories: int) -> float:
    counts = np.stack([(codes == category).sum(axis=1) for category in range(categories)], axis=1)
    alone, alike = codes.shape[1] < 2, (counts.sum(axis=0) > 0).sum() < 2  # noqa: PLR2004 - judges, answers
    return float("nan") if alone or alike else float(fleiss_kappa(counts))


def _alpha(rows: Floats, level: Literal["nominal", "interval"]) -> float:
    known = rows[~np.isnan(rows)]
    if known.size == 0 or np.ptp(known) == 0:
        return float("nan")
    return float(krippendorff.alpha(reliability_data=rows.T, level_of_measurement=level))


def _with_interval(rows: Floats, clusters: Sequence[object], of: Callable[[Floats], float]) -> Measured | None:
    """The number and its cluster bootstrap interval; none where a single cluster leaves nothing to draw."""
    if not len(rows) or np.isnan(value := of(rows)):
        return None
    count = int(places(clusters).max()) + 1
    drawn = np.array([of(rows[chosen]) for chosen in resampled(clusters, _RESAMPLES)]) if count > 1 else np.array([])
    if np.isnan(drawn).all() or np.nanmax(drawn) == np.nanmin(drawn):
        return Measured(value=value, n=len(rows), low=None, high=None, interval="none: no spread")
    found = percentiles(drawn, count)
    return Measured(value=value, n=len(rows), low=found.low, high=found.high, interval=found.method)
