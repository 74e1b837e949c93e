"""Whether judges, human or model, and runs of one judge agree: beyond chance, in the raw, and class by class.

The functions take a frame with one row for each transcript and one column for each judge: what the judge decided,
NaN where it did not judge. `ratings` makes it of what `oversight.reports.verdicts.judgements` reads. A number corrected
for chance never comes without raw agreement beside it: with common answers the two differ by 0.3 to 0.4, and either
alone misleads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import krippendorff
import numpy as np
import pandas as pd
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from oversight.stats.estimate import Estimate, evenly, ratio, safe_divide, unit_statistic
from oversight.stats.intervals import Floats, Places, percentiles, places, resampled
from oversight.stats.verdict_columns import counting

__all__ = [
    "Agreement",
    "balanced_accuracy",
    "between_runs",
    "class_agreement",
    "cohen",
    "fleiss",
    "krippendorff_alpha",
    "ratings",
    "raw_agreement",
]

_RESAMPLES = 500


class Agreement(NamedTuple):
    """How far judges agree.

    Attributes:
        beyond_chance: kappa or alpha; None where it is not defined, as where all answers are the same.
        raw: the share of pairs of judgements of one transcript that are the same; None for probabilities.
        by_class: for each answer, of the judgements that give it, the share that another judgement of the same
            transcript shares; see `class_agreement`. Empty for probabilities.
    """

    beyond_chance: Estimate | None
    raw: Estimate | None
    by_class: Mapping[float, Estimate]


def ratings(judgements: pd.DataFrame, value: Literal["chosen", "p_gold"] = "chosen") -> pd.DataFrame:
    """One row for each transcript, one column for each judge; the index is the run, the episode and its cluster.

    A judge that judged a transcript twice counts with its first judgement. Give Cohen's and Fleiss' kappa and the
    nominal alpha ``chosen``, and the interval alpha ``p_gold``, which is not comparable between questions but the
    same for all judges of one.
    """
    return judgements.pivot_table(index=["run", "episode", "cluster"], columns="judge", values=value, aggfunc="first")


def cohen(one: Sequence[float], other: Sequence[float], clusters: Sequence[object]) -> Agreement | None:
    """Cohen's kappa of two judges: (p_o - p_e) / (1 - p_e) (Cohen 1960), on the transcripts both judged.

    p_o is the share on which they agree, and p_e the share on which they would if each answered as often as it does
    but at random. Kappa is None where both always give the same one answer: then p_e is 1. With a common answer it is
    low although nearly all agree. None without a transcript that both judged.
    """
    held = pd.DataFrame({"one": one, "other": other, "cluster": list(map(str, clusters))}).dropna()
    pair = held[["one", "other"]].to_numpy(np.float64)
    return _beside_raw(pair, held["cluster"].tolist(), lambda rows: _cohen(rows[:, 0], rows[:, 1]))


def fleiss(rated: pd.DataFrame, clusters: Sequence[object]) -> Agreement | None:
    """Fleiss' kappa of any number of judges (Fleiss 1971), on the transcripts that all of them judged.

    As `cohen`, but for chance all judges are taken to answer with one and the same distribution. None with one judge.
    """
    whole = rated.notna().all(axis=1).to_numpy(bool)
    names = [each for each, kept in zip(clusters, whole, strict=True) if kept]
    values = rated.to_numpy(np.float64)[whole]
    known = np.unique(values)
    return _beside_raw(values, names, lambda rows: _fleiss(np.searchsorted(known, rows), len(known)))


def krippendorff_alpha(
    rated: pd.DataFrame, clusters: Sequence[object], level: Literal["nominal", "interval"] = "nominal"
) -> Agreement | None:
    """Krippendorff's alpha = 1 - D_o / D_e of any number of judges, some of whom may be missing (Krippendorff 2004).

    D_o is the disagreement within transcripts, D_e that between any two judgements; nominal counts differing
    answers, interval squared differences, for probabilities. ``n`` counts transcripts with two judgements or more.
    Alpha is None where all judgements are the same. None without a transcript that two judged.
    """
    several = (rated.notna().sum(axis=1) >= 2).to_numpy(bool)  # noqa: PLR2004 - a single judgement has no pair
    names = [each for each, kept in zip(clusters, several, strict=True) if kept]
    values = rated.to_numpy(np.float64)[several]
    if level == "nominal":
        return _beside_raw(values, names, lambda rows: _alpha(rows, level))
    return Agreement(_with_interval(values, names, lambda rows: _alpha(rows, level)), None, {}) if names else None


def raw_agreement(rated: pd.DataFrame, clusters: Sequence[object]) -> Estimate | None:
    """Give the share of pairs of judgements of one transcript that are the same, out of all such pairs.

    ``n`` counts transcripts with two judgements or more; a transcript with more of them weighs as many pairs. None
    without any.
    """
    return _raw(rated.to_numpy(np.float64), clusters)


def class_agreement(rated: pd.DataFrame, clusters: Sequence[object]) -> dict[float, Estimate]:
    """Give specific agreement for each answer: how often a second judgement gives it too, once one has.

    sum m (m - 1) / sum m (k - 1) over transcripts, with m of a transcript's k judgements giving the answer. For two
    judges that is 2a / (2a + b + c), positive and negative agreement (Cicchetti and Feinstein 1990): with one common
    answer raw agreement is high although the rare answer is never agreed on, which shows here. ``n`` counts
    transcripts to which some judge gave the answer.
    """
    return _by_class(rated.to_numpy(np.float64), clusters)


def between_runs(verdicts: pd.DataFrame) -> Agreement | None:
    """Give the agreement of repeats and seeds of one arm on one question: Krippendorff's alpha with raw agreement.

    The unit is an arm's question under one assignment of answers to seats (``defends``); its raters are the seeds and
    repeats, an episode that several runs planned counting once. What is compared is whether the verdict is right,
    since presented places are drawn for every episode; two different wrong answers of three or more agree. Classes
    are 1 right and 0 wrong, ties being wrong. Only the verdicts that count are used. None without a unit that was
    judged twice.
    """
    held = counting(verdicts).drop_duplicates(["arm", "episode"])
    if held.empty:
        return None
    unit = pd.DataFrame(
        {"side": held["defends"].map(str)} | {name: held[name] for name in ("arm", "question", "cluster")}
    )
    seen = unit.assign(
        rater=unit.groupby(["arm", "question", "cluster", "side"]).cumcount(), right=held["correct"].astype(float)
    )
    rated = seen.pivot(index=["arm", "question", "cluster", "side"], columns="rater", values="right")
    return krippendorff_alpha(rated, rated.index.get_level_values("cluster").tolist())


def balanced_accuracy(verdicts: pd.DataFrame) -> Estimate | None:
    """Give the mean over places of the right answer of the share of right verdicts there: the mean recall.

    A judge that always chooses the first answer has 1/2 with two answers, however often the first one is right. It
    rests on the counting verdicts; places where no right answer stood are left out. None without any.
    """
    held = counting(verdicts)
    if held.empty:
        return None
    at = pd.get_dummies(held["gold"]).to_numpy(np.float64)
    right = at * held["correct"].to_numpy(np.float64)[:, None]
    places_seen = at.shape[1]

    def mean_recall(sums: Floats) -> Floats:
        return np.asarray(safe_divide(sums[..., :places_seen], sums[..., places_seen:]).mean(axis=-1), dtype=np.float64)

    return unit_statistic(np.column_stack([right, at]), held["cluster"].tolist(), mean_recall, evenly(at))


def _cohen(one: Floats, other: Floats) -> float:
    if len(set(one) | set(other)) < 2:  # noqa: PLR2004 - one answer only
        return float("nan")
    known, codes = np.unique(np.concatenate([one, other]), return_inverse=True)
    table = np.zeros((len(known), len(known)))
    np.add.at(table, tuple(codes.reshape(2, -1)), 1)
    return float(cohens_kappa(table, return_results=False))


def _fleiss(codes: Places, categories: int) -> float:
    counts = np.stack([(codes == category).sum(axis=1) for category in range(categories)], axis=1)
    alone, alike = codes.shape[1] < 2, (counts.sum(axis=0) > 0).sum() < 2  # noqa: PLR2004 - judges, answers
    return float("nan") if alone or alike else float(fleiss_kappa(counts))


def _alpha(rows: Floats, level: Literal["nominal", "interval"]) -> float:
    known = rows[~np.isnan(rows)]
    if known.size == 0 or np.ptp(known) == 0:
        return float("nan")
    return float(krippendorff.alpha(reliability_data=rows.T, level_of_measurement=level))


def _beside_raw(rows: Floats, clusters: Sequence[object], of: Callable[[Floats], float]) -> Agreement | None:
    """A number corrected for chance with raw agreement beside it; None without a transcript that two judged."""
    raw = _raw(rows, clusters) if len(rows) else None
    if raw is None:
        return None
    return Agreement(_with_interval(rows, clusters, of), raw, _by_class(rows, clusters))


def _raw(rows: Floats, clusters: Sequence[object]) -> Estimate | None:
    counts = _pairs(rows, np.unique(rows[~np.isnan(rows)])).sum(axis=1)
    given = (~np.isnan(rows)).sum(axis=1).astype(np.float64)
    return _share_of_pairs(np.column_stack([counts, given * (given - 1)]), clusters)


def _by_class(rows: Floats, clusters: Sequence[object]) -> dict[float, Estimate]:
    answers = np.unique(rows[~np.isnan(rows)])
    given = (~np.isnan(rows)).sum(axis=1).astype(np.float64)
    shared = _pairs(rows, answers)
    found: dict[float, Estimate] = {}
    for place, answer in enumerate(answers):
        counts = np.column_stack([shared[:, place], (rows == answer).sum(axis=1) * (given - 1)])
        if (share := _share_of_pairs(counts, clusters)) is not None:
            found[float(answer)] = share
    return found


def _pairs(rows: Floats, answers: Floats) -> Floats:
    """How many ordered pairs of judgements of each transcript both give each answer: transcripts by answers."""
    given = np.stack([(rows == answer).sum(axis=1) for answer in answers], axis=1) if len(answers) else rows[:, :0]
    return np.asarray(given * (given - 1), dtype=np.float64)


def _share_of_pairs(counts: Floats, clusters: Sequence[object]) -> Estimate | None:
    """Agreeing pairs out of all pairs, on the transcripts that have any."""
    some = counts[:, 1] > 0
    return unit_statistic(counts[some], [each for each, kept in zip(clusters, some, strict=True) if kept], ratio)


def _with_interval(rows: Floats, clusters: Sequence[object], of: Callable[[Floats], float]) -> Estimate | None:
    """The number and its cluster bootstrap interval; none where a single cluster leaves nothing to draw."""
    if not len(rows) or np.isnan(value := of(rows)):
        return None
    count = int(places(clusters).max()) + 1
    drawn = np.array([of(rows[chosen]) for chosen in resampled(clusters, _RESAMPLES)]) if count > 1 else np.array([])
    if np.isnan(drawn).all() or np.nanmax(drawn) == np.nanmin(drawn):
        return Estimate(value=value, n=len(rows), low=None, high=None, interval="none: no spread")
    found = percentiles(drawn, count)
    return Estimate(value=value, n=len(rows), low=found.low, high=found.high, interval=found.method)
