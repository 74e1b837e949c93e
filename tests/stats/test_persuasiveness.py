"""Judge accuracy against debaters' ratings: by hand, against statsmodels, and simulated."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from simulated import table, verdict

from oversight.stats.persuasiveness import accuracy_by_rating
from oversight.stats.ratings import debates, rate

RATINGS = {"weak": 900.0, "middle": 1000.0, "strong": 1150.0}


def debate(right: str, wrong: str, question: str, *, correct: bool) -> dict[str, object]:
    probs = [0.8, 0.2] if correct else [0.3, 0.7]
    return verdict(probs, question, argues=[0, 1], models=[right, wrong])


def study(rng: np.random.Generator, questions: int = 25, slope: float = 0.1) -> pd.DataFrame:
    """Every pairing on every question; accuracy rises by ``slope`` for 100 points, and questions differ."""
    pairs = [list(pair) for pair in product(RATINGS, RATINGS)]
    strength = np.array([(RATINGS[one] + RATINGS[other]) / 2 for one, other in pairs])
    p = 0.6 + slope * (strength - 1000) / 100 + rng.normal(0, 0.1, (questions, 1))
    correct = (rng.random(p.shape) < p).ravel()
    return pd.DataFrame(
        {
            "cluster": np.repeat(np.arange(questions), len(pairs)),
            "question": np.repeat(np.arange(questions), len(pairs)),
            "models": pairs * questions,
            "argues": [[0, 1]] * len(correct),
            "probs": [[0.8, 0.2] if each else [0.3, 0.7] for each in correct],
            "gold": 0,
            "correct": correct,
            "counts": True,
        }
    )


def test_pairings_by_hand() -> None:
    frame = table(
        debate("weak", "weak", "a", correct=False),
        debate("strong", "strong", "a", correct=True),
        debate("weak", "strong", "b", correct=True),
        debate("strong", "weak", "b", correct=False),
        debate("strong", "unrated", "b", correct=False),
        verdict([0.9, 0.1], "c", argues=[0], models=["strong"]),
    )
    found = accuracy_by_rating(frame, RATINGS)
    assert [(point.models, point.rating, point.accuracy.value, point.accuracy.n) for point in found.points] == [
        (("weak", "weak"), 900, 0, 1),
        (("strong", "weak"), 1025, 0.5, 2),
        (("strong", "strong"), 1150, 1, 1),
    ]
    assert found.slope is not None
    assert found.slope.value == pytest.approx(1 / 2.5)
    assert found.slope.n == 4
    alone = accuracy_by_rating(frame, RATINGS, self_play=True)
    assert [point.models for point in alone.points] == [("weak", "weak"), ("strong", "strong")]


def test_the_slope_is_that_of_least_squares_and_its_interval_near_that_of_clustered_errors() -> None:
    frame = study(np.random.default_rng(0), 60)
    found = accuracy_by_rating(frame, RATINGS).slope
    rating = frame["models"].map(lambda models: (RATINGS[models[0]] + RATINGS[models[1]]) / 2)
    fitted = sm.OLS(frame["correct"].astype(float), sm.add_constant(rating / 100)).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(frame["cluster"])[0]}, use_t=True
    )
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx(fitted.params.iloc[1])
    assert (found.high - found.low) / 2 == pytest.approx(fitted.bse.iloc[1] * 2, rel=0.06)
    assert found.interval == "cluster score, 60 clusters"


def test_the_interval_covers() -> None:
    rng, hits = np.random.default_rng(1), 0
    for _ in range(150):
        found = accuracy_by_rating(study(rng), RATINGS).slope
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.1 <= found.high
    assert hits / 150 >= 0.9  # 0.95 within three standard errors


def test_ratings_are_those_of_the_debates_unless_given() -> None:
    frame = study(np.random.default_rng(2), 40)
    rated = {name: each.value for name, each in rate(debates(frame, sided=False), times=0).ratings.items()}
    assert accuracy_by_rating(frame) == accuracy_by_rating(frame, rated)


def test_without_debates_or_spread_there_is_no_slope() -> None:
    assert accuracy_by_rating(table(verdict([0.9, 0.1])), RATINGS) == ((), None)
    one = accuracy_by_rating(table(*(debate("weak", "weak", f"{n}", correct=n > 2) for n in range(5))), RATINGS)
    assert (len(one.points), one.slope) == (1, None)
