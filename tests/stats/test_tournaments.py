"""Ratings against the generating strengths, a closed form and statsmodels; schedules; Goodhart; tests."""

from __future__ import annotations

import math
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import binomtest
from simulated import consultancy, table, verdict

from oversight.stats.compare import chi_square, mcnemar, paired_difference
from oversight.stats.goodhart import best_of_kl, fit_gao, goodhart_curve
from oversight.stats.intervals import percentiles, resampled
from oversight.stats.ratings import SCALE, debates, rate, win_probability
from oversight.stats.recovery import gap_recovered
from oversight.stats.schedules import round_robin, swiss


def games(*played: tuple[str, str, float, int]) -> pd.DataFrame:
    """Games of one against other: ``won`` each, so many times."""
    rows = [(one, other, won, f"{one}{other}{won}{n}") for one, other, won, times in played for n in range(times)]
    return pd.DataFrame(rows, columns=["one", "other", "won", "cluster"])


# --- ratings


def test_two_players_are_apart_by_the_log_odds_of_their_games() -> None:
    found = rate(games(("a", "b", 1, 30), ("a", "b", 0, 10)), times=100)
    gap = found.ratings["a"].value - found.ratings["b"].value
    assert gap == pytest.approx(400 * math.log10(3), abs=1e-3)
    assert win_probability(gap, 0) == pytest.approx(0.75, abs=1e-6)
    assert found.deviance == pytest.approx(-2 * (30 * math.log(0.75) + 10 * math.log(0.25)))
    assert (found.ratings["a"].n, found.method) == (40, "maximum likelihood")


def test_ratings_are_those_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    strength = {"a": 1.0, "b": 0.3, "c": 0.0, "d": -0.8}
    rows = [
        (one, other, float(rng.random() < 1 / (1 + math.exp(strength[other] - strength[one]))), str(n))
        for n in range(60)
        for one, other in combinations(strength, 2)
    ]
    frame = pd.DataFrame(rows, columns=["one", "other", "won", "cluster"])
    design = np.array([[(row.one == name) - (row.other == name) for name in "abc"] for row in frame.itertuples()])
    fitted = sm.Logit(frame["won"], design.astype(float)).fit(disp=0).params.to_numpy()
    found = rate(frame, times=60)
    values = np.array([found.ratings[name].value for name in "abcd"])
    assert (values[:3] - values[3]) / SCALE == pytest.approx(fitted, abs=1e-6)
    assert values.mean() == pytest.approx(1000)
    for name, true in strength.items():
        each = found.ratings[name]
        assert each.low is not None
        assert each.high is not None
        assert each.low - 20 <= 1000 + SCALE * (true - 0.125) <= each.high + 20


@pytest.mark.parametrize("bootstrap", ["cluster", "parametric"])
def test_rating_intervals_narrow_with_games(bootstrap: str) -> None:
    widths = []
    for times in (20, 180):
        rated = rate(games(("a", "b", 1, 2 * times), ("a", "b", 0, times)), bootstrap=bootstrap, times=200)  # type: ignore[arg-type]
        each = rated.ratings["a"]
        assert each.low is not None
        assert each.high is not None
        widths.append(each.high - each.low)
    assert 2 < widths[0] / widths[1] < 4.5  # three times as narrow for nine times the games


def test_players_that_never_met_or_never_lost_have_no_ratings() -> None:
    with pytest.raises(ValueError, match="never met each other: a, b; c, d"):
        rate(games(("a", "b", 0.5, 2), ("c", "d", 0.5, 2)))
    unbeaten = games(("a", "b", 1, 5), ("b", "c", 1, 2), ("b", "c", 0, 2))
    with pytest.raises(ValueError, match="went one way only"):
        rate(unbeaten)
    found = rate(unbeaten, prior=1, times=50)
    assert found.ratings["a"].value > found.ratings["b"].value
    assert found.method == "maximum likelihood, 1 draws of each with an average player"


def test_no_game_has_no_rating_and_one_cluster_no_interval() -> None:
    with pytest.raises(ValueError, match="there is no game to rate"):
        rate(debates(table(verdict([0.9, 0.1], argues=[0]))))
    alike = games(("a", "b", 1, 3), ("a", "b", 0, 1)).assign(cluster="story")
    found = rate(alike, times=20).ratings["a"]
    assert (found.low, found.high, found.interval) == (None, None, "none: one cluster")


def test_the_prior_is_so_many_draws() -> None:
    # By symmetry a - mean = mean - b; 4 wins and a draw of each with the mean: 4 s(-2t) = s(t) - 1/2.
    found = rate(games(("a", "b", 1, 4)), prior=1, times=5).ratings["a"].value
    t = (found - 1000) / SCALE
    assert 4 / (1 + math.exp(2 * t)) == pytest.approx(1 / (1 + math.exp(-t)) - 1 / 2, abs=1e-6)


@pytest.mark.parametrize("prior", [0.0, 2.0])
def test_a_bootstrap_of_summed_games_is_that_of_the_games_themselves(prior: float) -> None:
    rng = np.random.default_rng(1)
    rows = [
        (*(pair if rng.random() < 0.5 else pair[::-1]), rng.choice([0, 0.5, 1]), f"q{question}")
        for question in range(12)
        for pair in [*combinations("abcd", 2), ("a", "a")]
    ]
    frame = pd.DataFrame(rows, columns=["one", "other", "won", "cluster"])
    drawn = []
    for rows_of_draw in resampled(frame["cluster"].tolist(), 40, seed=3):
        again = frame.iloc[rows_of_draw]
        drawn.append([each.value for each in rate(again, prior=prior, times=0).ratings.values()])
    found = rate(frame, prior=prior, times=40, seed=3).ratings
    for at, each in enumerate(found.values()):
        expected = percentiles(np.array(drawn)[:, at], 12)
        assert (each.low, each.high) == (pytest.approx(expected.low, abs=1e-6), pytest.approx(expected.high, abs=1e-6))


def test_a_game_with_oneself_leaves_ratings_as_they_are() -> None:
    even = games(("a", "b", 1, 6), ("a", "b", 0, 2))
    alone = games(("a", "a", 1, 50), ("b", "b", 0.5, 9))
    one, other = (rate(frame, times=0).ratings for frame in (even, pd.concat([even, alone])))
    assert one["a"].value == pytest.approx(other["a"].value, abs=1e-9)
    assert (one["a"].interval, other["a"].n) == ("none: no draws", 108)
    assert rate(games(("a", "a", 1, 3)), times=5).ratings["a"].value == pytest.approx(1000)


def test_lopsided_games_converge_to_the_log_odds_of_each_pair() -> None:
    # A chain has a closed form: each gap is the log-odds of its own pair.
    frame = games(("a", "b", 1, 3000), ("a", "b", 0, 1), ("b", "c", 1, 1), ("b", "c", 0, 2000), ("c", "d", 0.5, 3))
    found = {name: (each.value - 1000) / SCALE for name, each in rate(frame, times=0).ratings.items()}
    assert found["a"] - found["b"] == pytest.approx(math.log(3000), abs=1e-6)
    assert found["c"] - found["b"] == pytest.approx(math.log(2000), abs=1e-6)
    assert found["c"] == pytest.approx(found["d"], abs=1e-6)


def test_debates_become_games_of_the_right_against_the_wrong() -> None:
    frame = table(
        verdict([0.8, 0.2], "a", argues=[0, 1], models=["x", "y"]),
        verdict([0.8, 0.2], "b", gold=1, argues=[0, 1], models=["x", "y"]),
        verdict([0.5, 0.5], "c", argues=[1, 0], models=["x", "y"]),
        verdict([0.9, 0.1], "d", argues=[0]),
        verdict([0.3, 0.3, 0.4], "e", argues=[1, 2]),
    )
    found = debates(frame)[["one", "other", "won"]].values.tolist()
    assert found == [["x (right)", "y (wrong)", 1.0], ["y (right)", "x (wrong)", 0.0], ["y (right)", "x (wrong)", 0.5]]
    assert set(debates(frame, sided=False)["one"]) == {"x", "y"}


# --- schedules


@pytest.mark.parametrize("count", range(2, 10))
def test_a_round_robin_lets_each_pair_meet_once(count: int) -> None:
    names = "abcdefghij"[:count]
    rounds = round_robin(names)
    met = [frozenset(pair) for pairs in rounds for pair in pairs]
    assert sorted(map(sorted, met)) == sorted(map(list, combinations(names, 2)))
    assert len(rounds) == count - 1 + count % 2
    for pairs in rounds:
        playing = [player for pair in pairs for player in pair]
        assert len(playing) == len(set(playing)) == count - count % 2


def test_swiss_pairs_the_nearest_who_have_not_met() -> None:
    scores = {"a": 2.0, "b": 2.0, "c": 1.0, "d": 0.0}
    assert swiss(scores) == [("a", "b"), ("c", "d")]
    assert swiss(scores, [("a", "b"), ("c", "d")]) == [("a", "c"), ("b", "d")]
    # Pairing a with c would leave b and d, who have met.
    assert swiss(scores, [("a", "b"), ("b", "d")]) == [("a", "d"), ("b", "c")]


def test_swiss_with_an_odd_number_rests_the_last_who_has_not_rested() -> None:
    scores = {"a": 2.0, "b": 1.0, "c": 0.0}
    assert swiss(scores) == [("a", "b")]
    assert swiss(scores, [("a", "b")], ["c"]) == [("a", "c")]


def test_swiss_ends_when_all_have_met() -> None:
    with pytest.raises(ValueError, match="no round is left"):
        swiss({"a": 1, "b": 0}, [("b", "a")])


# --- Goodhart


def test_the_divergence_of_best_of_n() -> None:
    assert [best_of_kl(n) for n in (1, 2)] == [0, pytest.approx(math.log(2) - 1 / 2)]


def test_a_goodhart_curve_by_hand() -> None:
    # Subsets of two: {1, 2} and {1, 3} and {2, 3}; the proxy takes 2, 3, 3, of which 3 is wrong.
    frame = pd.DataFrame({"question": "q", "cluster": "q", "proxy": [1.0, 2.0, 3.0], "true": [0, 1, 0]})
    points = goodhart_curve(frame)
    assert [each.n for each in points] == [1, 2, 3]
    assert [each.proxy.value for each in points] == pytest.approx([2, 8 / 3, 3])
    assert [each.true.value for each in points] == pytest.approx([1 / 3, 1 / 3, 0])


def test_more_of_a_proxy_that_knows_never_picks_the_worst() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"question": np.repeat(np.arange(40), 8), "true": rng.random(320) < 0.4})
    frame = frame.assign(cluster=frame["question"], proxy=frame["true"] + rng.normal(0, 1, 320))
    points = goodhart_curve(frame)
    assert [each.true.value for each in points] == sorted(each.true.value for each in points)
    upside_down = goodhart_curve(frame.assign(proxy=-frame["proxy"]))
    assert upside_down[-1].true.value < points[0].true.value < points[-1].true.value


def test_gaos_form_is_recovered() -> None:
    rng, rows = np.random.default_rng(6), []
    sizes = [1, 2, 4, 8, 16, 32]
    for question in range(150):
        proxy = rng.normal(size=32)
        # Truth rises with the proxy to about 1 and falls beyond: over-optimisation.
        rows += [(question, question, p, p - 0.5 * p**2 + rng.normal(0, 0.3)) for p in proxy]
    found = fit_gao(pd.DataFrame(rows, columns=["question", "cluster", "proxy", "true"]), sizes)
    assert found is not None
    assert found.beta.low is not None
    assert found.beta.low > 0
    assert found.peak == pytest.approx(found.alpha.value / (2 * found.beta.value))
    # Without noise the fit is least squares on the curve's own points.
    points = goodhart_curve(pd.DataFrame(rows, columns=["question", "cluster", "proxy", "true"]), sizes)
    gain = np.array([each.true.value for each in points]) - points[0].true.value
    d = np.sqrt([each.kl for each in points])
    expected = np.linalg.lstsq(np.column_stack([d, -(d**2)]), gain, rcond=None)[0]
    assert [found.alpha.value, found.beta.value] == pytest.approx(expected)


# --- tests between arms, and recovery


def arm(*right: bool) -> pd.DataFrame:
    return table(*(verdict([0.9, 0.1] if each else [0.1, 0.9], f"q{n}") for n, each in enumerate(right)))


def test_the_chi_square_of_michael_and_others_depends_on_the_correction() -> None:
    debate, consultant = arm(*[True] * 130, *[False] * 24), arm(*[True] * 71, *[False] * 25)
    without, corrected = (chi_square(debate, consultant, correction=each) for each in (False, True))
    assert (round(without.p, 3), round(corrected.p, 3)) == (0.043, 0.063)
    assert (without.test, corrected.test) == (
        "chi-square, without continuity correction",
        "chi-square, with continuity correction",
    )
    assert without.n == 250


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("n", [0, 1, 8])
def test_arms_that_are_right_on_everything_leave_nothing_to_test(n: int) -> None:
    every = arm(*[True] * max(n, 1)).iloc[:n]
    for found in (
        chi_square(every, every, correction=True),
        chi_square(every, every, correction=False),
        mcnemar(every, every, exact=False),
    ):
        assert math.isnan(found.p)
    assert chi_square(every, every, correction=True).n == 2 * n
    assert mcnemar(every, every).p == 1


def test_mcnemar_is_a_binomial_test_of_what_differs() -> None:
    one, other = arm(*[True] * 14, *[False] * 6), arm(*[True] * 5, *[False] * 13, *[True] * 2)
    found = mcnemar(one, other)
    assert found.p == pytest.approx(binomtest(2, 11).pvalue)
    assert (found.test, found.n) == ("McNemar, exact", 20)
    assert mcnemar(one, other, exact=False).statistic == pytest.approx((abs(9 - 2) - 1) ** 2 / 11)


def test_mcnemar_refuses_repeated_questions() -> None:
    with pytest.raises(ValueError, match="paired_difference"):
        mcnemar(consultancy("biased", 5), arm(True))


def test_a_paired_difference_says_on_what_questions() -> None:
    found = paired_difference(arm(True, True, True, False), arm(True, False, False))
    assert found is not None
    number, test = found
    assert (number.value, number.n) == (pytest.approx(2 / 3), 3)
    # By the formula of cluster_score: k = 0.6, the slope 0.8 with weight 1 - exp(-2) and 5/3 with the rest.
    slope = 0.8 + math.exp(-2) * (5 / 3 - 0.8)
    assert test.statistic == pytest.approx((2 / 3) / math.sqrt((1 / 3 + 2 / 3 * slope - 4 / 9 * 0.6) / 3))
    assert test.test == "paired cluster score, 3 clusters"
    assert number.interval == test.test
    assert paired_difference(arm(True), table(verdict([0.9, 0.1], "other"))) is None


def test_the_gap_recovered_by_hand_and_its_interval() -> None:
    rng = np.random.default_rng(2)
    weak, mid, strong = (arm(*(rng.random(400) < p).tolist()) for p in (0.5, 0.7, 0.9))
    found = gap_recovered(mid, weak, strong)
    assert found is not None
    assert found.pgr is not None
    expected = (mid["correct"].mean() - weak["correct"].mean()) / (strong["correct"].mean() - weak["correct"].mean())
    assert found.pgr.value == pytest.approx(expected)
    assert found.pgr.low is not None
    assert found.pgr.high is not None
    assert found.pgr.low < 0.5 < found.pgr.high
    assert found.pgr.high - found.pgr.low < 0.6


def test_ceilings_that_do_not_differ_leave_nothing_to_recover() -> None:
    same = gap_recovered(arm(True, False), arm(True, False), arm(False, True))
    assert same is not None
    assert same.pgr is None
    unsure = gap_recovered(arm(True, False, True), arm(True, False, False), arm(False, True, True))
    assert unsure is not None
    assert unsure.pgr is not None
    assert (unsure.pgr.low, unsure.pgr.interval) == (None, "none: the ceilings do not differ")
    assert gap_recovered(arm(True), table(verdict([0.9, 0.1], "x")), arm(True)) is None


def test_ratings_that_many_draws_lack_have_no_interval() -> None:
    """All losses of a stand in one of ten clusters, so that a third of the draws have none, and no finite rating."""
    frame = games(("a", "b", 1, 9), ("a", "b", 0, 1))
    found = rate(frame.assign(cluster=range(10))).ratings["a"]
    assert found.low is None
    assert re.fullmatch(r"none: 3\d% of the draws have no finite ratings", found.interval)
