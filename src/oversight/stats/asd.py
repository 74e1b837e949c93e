"""Agent score difference: whether the judge rewards arguing for the truth (Sudhir et al. 2025).

A *score* says how well an agent does that argues for an answer, from the judge's probability of that answer. With
S(T) the score of arguing for the right answer and S(F) of arguing for a wrong one, ASD = E[S(T) - S(F)]. A positive
ASD means that telling the truth pays, whatever the judge's accuracy.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from oversight.stats.intervals import Floats
from oversight.stats.measured import Measured, mean_of
from oversight.stats.scores import log_odds, log_score
from oversight.stats.table import counting

__all__ = ["ScoreDifference", "ScoreName", "agent_score_difference", "expected_agent_score", "expected_judge_score"]

ScoreName = Literal["log", "brier", "log odds", "accuracy"]
"""Of an answer's probability p: log2 p in bits; -(1 - p)^2; log2(p / (1 - p)) in bits; 1 if it alone is highest."""

_IN_NATS = {"log": np.log(2), "log odds": np.log(2)}


class ScoreDifference(NamedTuple):
    """An agent score difference.

    Attributes:
        difference: its mean over questions; ``n`` counts those argued from both sides. None without any.
        left_out: questions that nobody argued for the right answer of, or nobody for a wrong one.
    """

    difference: Measured | None
    left_out: int


def agent_score_difference(verdicts: pd.DataFrame, score: ScoreName = "log") -> ScoreDifference:
    """E over questions of S(T) - S(F).

    S(a) is the mean score over the question's episodes in which a seat argues a. In a consultancy T and F are argued
    in different episodes; a debate argues both in one. Where there are several wrong answers S(F) is the mean over
    those that are argued. Verdicts that do not count are left out first.
    """
    argued = _argued(verdicts, score)
    pair = argued.groupby(["question", "cluster", "true"])["agent"].mean().unstack("true")
    both = pair.dropna() if {True, False} <= set(pair.columns) else pair.iloc[:0]
    if both.empty:
        return ScoreDifference(None, len(pair))
    found = (both[True] - both[False]).to_numpy(np.float64)
    return ScoreDifference(mean_of(found, both.index.get_level_values("cluster").tolist()), len(pair) - len(both))


def expected_judge_score(verdicts: pd.DataFrame, beta: float, score: ScoreName = "log") -> ScoreDifference:
    """The judge's score if agents chose their side as it pays them: sum over a of pi(a) J(a), meaned over questions.

    J(a) is the mean score of the right answer in episodes in which a is argued, and pi(a) is proportional to
    exp(S(a) / beta), S being in nats where it is a logarithm. With ``beta`` 0 agents argue for what the judge rewards
    most (ties are shared), with infinity for anything alike. Questions argued from one side only are left out.
    """
    return _expected(verdicts, beta, score, "judge")


def expected_agent_score(verdicts: pd.DataFrame, beta: float, score: ScoreName = "log") -> ScoreDifference:
    """The agents' own score if they chose so: sum over a of pi(a) S(a); see `expected_judge_score`."""
    return _expected(verdicts, beta, score, "agent")


def _expected(verdicts: pd.DataFrame, beta: float, score: ScoreName, whose: str) -> ScoreDifference:
    argued = _argued(verdicts, score)
    sides = argued.groupby(["question", "cluster"])["true"].transform("nunique")
    both = argued[sides == 2].copy()  # noqa: PLR2004 - the truth, and anything else
    left_out = argued["question"].nunique() - both["question"].nunique()
    if both.empty:
        return ScoreDifference(None, left_out)
    question = both["question"]
    short = (both["agent"] - both.groupby(question)["agent"].transform("max")) * _IN_NATS.get(score, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(short == 0, 1.0, np.exp(short / beta) if beta else 0.0)
    both["part"] = weight * both[whose]
    both["weight"] = weight
    summed = both.groupby(["question", "cluster"])[["part", "weight"]].sum()
    values = (summed["part"] / summed["weight"]).to_numpy(np.float64)
    return ScoreDifference(mean_of(values, summed.index.get_level_values("cluster").tolist()), left_out)


def _argued(verdicts: pd.DataFrame, score: ScoreName) -> pd.DataFrame:
    """One row for each answer of each question that some seat argues: the agents' mean score and the judge's."""
    held = counting(verdicts)
    columns = ["question", "cluster", "gold", "chosen", "probs", "p_gold", "brier", "correct", "argues", "defends"]
    long = held[columns].explode(["argues", "defends"]).dropna(subset="argues")
    place = long["argues"].astype(int).to_numpy()
    p = np.array([probs[at] for probs, at in zip(long["probs"], place, strict=True)], dtype=np.float64)
    true = place == long["gold"].to_numpy()
    long = long.assign(
        true=true,
        agent=_score(score, p, (place == long["chosen"]).to_numpy()),
        judge=-long["brier"]
        if score == "brier"
        else _score(score, long["p_gold"].to_numpy(np.float64), long["correct"].to_numpy(bool)),
    )
    return long.groupby(["question", "cluster", "true", "defends"], as_index=False)[["agent", "judge"]].mean()


def _score(name: ScoreName, p: Floats, chosen: Floats) -> Floats:
    if name == "log":
        return log_score(p)
    if name == "log odds":
        return log_odds(p)
    return -((1 - p) ** 2) if name == "brier" else np.asarray(chosen, dtype=np.float64)
