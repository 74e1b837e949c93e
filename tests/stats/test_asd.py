"""Agent score differences as other packages compute them: the clip, the score that weighs sides, ties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from simulated import table, verdict

from oversight.stats import asd

TIES: tuple[asd.Ties, ...] = ("shared", "summed")


def value(found: asd.ScoreDifference) -> float:
    assert found.difference is not None
    return found.difference.value


def certain() -> pd.DataFrame:
    """One question whose judge is certain of the truth whatever is argued, and one whose judge is not certain."""
    return table(
        verdict([1.0, 0.0], "a", argues=[0]),
        verdict([1.0, 0.0], "a", argues=[1]),
        verdict([0.8, 0.2], "b", argues=[0]),
        verdict([0.4, 0.6], "b", argues=[1]),
    )


@pytest.mark.parametrize("clip", [1e-6, 1e-4, 0.01])
def test_a_certain_error_costs_as_much_as_the_clip_allows(clip: float) -> None:
    other = math.log2(0.8 / 0.6)
    log = asd.agent_score_difference(certain(), clip=clip)
    assert value(log) == pytest.approx((math.log2(1 / clip) + other) / 2)
    odds = asd.agent_score_difference(certain(), "log odds", clip=clip)
    edge = math.log2((1 - clip) / clip)
    assert value(odds) == pytest.approx((2 * edge + math.log2(4) - math.log2(1.5)) / 2)
    # Scores without a logarithm are not clipped.
    assert value(asd.agent_score_difference(certain(), "brier", clip=clip)) == pytest.approx((1 + 0.16 - 0.04) / 2)


@pytest.mark.parametrize("clip", [0.0, 1e-9, 0.5, 1.0, math.nan])
def test_a_clip_out_of_range_is_refused(clip: float) -> None:
    with pytest.raises(ValueError, match="clip must be from 1e-06"):
        asd.agent_score_difference(certain(), clip=clip)
    with pytest.raises(ValueError, match="clip must be"):
        asd.expected_judge_score(certain(), 1, clip=clip)


def test_another_score_than_the_one_reported_may_weigh_the_sides() -> None:
    frame = table(verdict([0.8, 0.2], argues=[0]), verdict([0.4, 0.6], argues=[1]))
    # Both consultants are believed, the lie less: by accuracy each side is paid 1, by the log score 0.8 to 0.6.
    chance = 0.8 / (0.8 + 0.6)
    own, log = (asd.expected_judge_score(frame, 1, "accuracy", weighed_by=by) for by in (None, "log"))
    assert value(own) == pytest.approx(0.5)
    assert value(log) == pytest.approx(chance)
    assert value(asd.expected_agent_score(frame, 1, "brier", weighed_by="log")) == pytest.approx(
        -chance * 0.2**2 - (1 - chance) * 0.4**2
    )
    # At 0 the log score prefers the truth, of which accuracy knows nothing.
    assert value(asd.expected_judge_score(frame, 0, "accuracy", weighed_by="log")) == 1
    assert value(asd.expected_judge_score(frame, 0, "accuracy")) == 0.5


def test_tied_sides_share_the_choice_or_are_summed() -> None:
    frame = table(
        verdict([0.7, 0.3], "tied", argues=[0]),
        verdict([0.3, 0.7], "tied", argues=[1]),
        verdict([0.8, 0.2], "not", argues=[0]),
        verdict([0.4, 0.6], "not", argues=[1]),
    )
    shared, summed = (asd.expected_judge_score(frame, 0, "brier", ties=ties) for ties in TIES)
    tied = [-(0.3**2), -(0.7**2)]
    assert value(shared) == pytest.approx((sum(tied) / 2 - 0.2**2) / 2)
    assert value(summed) == pytest.approx((sum(tied) - 0.2**2) / 2)
    # It concerns beta 0 alone.
    for beta in (1.0, math.inf):
        one, other = (asd.expected_agent_score(frame, beta, ties=ties) for ties in TIES)
        assert value(one) == value(other)


def test_a_negative_temperature_is_refused() -> None:
    with pytest.raises(ValueError, match="beta must not be negative"):
        asd.expected_judge_score(certain(), -1)


def by_hand(frame: pd.DataFrame, beta: float, score: str, *, agent: bool, clip: float) -> float:
    """What solib computes from two consultancies a question: sides weighed by the log score in nats, ties summed."""

    def scored(name: str, p: float) -> float:
        inner = min(max(p, clip), 1 - clip)
        odds = math.log2(inner / (1 - inner))
        return {"log": math.log2(max(p, clip)), "log odds": odds, "accuracy": float(p > 0.5)}[name]

    found = []
    for _, both in frame.groupby("question"):
        rows: list[Any] = both.to_dict("records")
        pay = np.array([math.log(min(max(row["probs"][row["argues"][0]], clip), 1)) for row in rows])
        if beta == 0:
            weight = (pay == pay.max()).astype(float)
        else:
            weight = np.exp(pay / beta) / np.exp(pay / beta).sum() if beta < math.inf else np.full(2, 0.5)
        places = [row["argues"][0] if agent else row["gold"] for row in rows]
        found.append(sum(w * scored(score, row["probs"][at]) for w, row, at in zip(weight, rows, places, strict=True)))
    return float(np.mean(found))


@pytest.mark.parametrize("beta", [0.0, 1.0, math.inf])
@pytest.mark.parametrize("score", ["log", "log odds", "accuracy"])
def test_the_expected_scores_of_solib_come_out(beta: float, score: asd.ScoreName) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for question in range(60):
        gold = int(rng.integers(2))
        # Rounded, so that some are certain and some sides are paid alike.
        held = np.round(rng.beta(0.6, 0.6, 2), 1)
        rows += [verdict([p, 1 - p], f"q{question}", gold=gold, argues=[side]) for side, p in enumerate(held)]
    frame = table(*rows)
    options: dict[str, Any] = {"weighed_by": "log", "ties": "summed", "clip": 1e-4}
    for function, agent in ((asd.expected_judge_score, False), (asd.expected_agent_score, True)):
        assert value(function(frame, beta, score, **options)) == pytest.approx(
            by_hand(frame, beta, score, agent=agent, clip=1e-4), abs=1e-9
        )


@pytest.mark.parametrize("score", ["log", "log odds", "brier", "accuracy"])
def test_intervals_stay_within_what_a_score_can_be(score: asd.ScoreName) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for question in range(8):
        rows += [verdict([1.0, 0.0], f"q{question}", argues=[0])]
        rows += [verdict([0.0, 1.0] if rng.random() < 0.1 else [1.0, 0.0], f"q{question}", argues=[1])]
    frame, edge = table(*rows), {"log": math.log2(100), "log odds": 2 * math.log2(99)}.get(score, 1.0)
    difference = asd.agent_score_difference(frame, score, clip=0.01).difference
    judge = asd.expected_judge_score(frame, math.inf, score, clip=0.01).difference
    for found, most in ((difference, edge), (judge, {"log": 0, "brier": 0, "log odds": edge / 2}.get(score, 1))):
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high <= most + 1e-9
