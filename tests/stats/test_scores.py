"""Scores, calibration and bias measures: worked out by hand, against scikit-learn, and on judges of known habits."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from simulated import consultancy, table, verdict
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from oversight.stats import asd, bias, calibration, scores
from oversight.stats.estimate import Estimate

RNG = np.random.default_rng(0)


# --- accuracy and proper scores


def test_accuracy_tells_its_parts_apart() -> None:
    found = scores.accuracy(
        table(
            verdict([0.51, 0.49], "a"),
            verdict([0.5, 0.5], "b"),
            verdict([0.2, 0.8], "c"),
            verdict(None, "d"),
            verdict([0.4, 0.3, 0.3], "e", gold=0, argues=[1, 2]),
        )
    )
    assert found.right is not None
    assert (found.right.value, found.right.n, found.right.interval) == (pytest.approx(1 / 3), 3, "wilson")
    assert (found.ties, found.abstained, found.void) == (1, 1, 1)


def test_brier_and_log_scores_are_scikit_learns() -> None:
    p = RNG.random(60)
    frame = table(*(verdict([each, 1 - each], f"q{n}") for n, each in enumerate(p)))
    brier, log = scores.mean_brier(frame), scores.mean_log_score(frame)
    assert brier is not None
    assert log is not None
    assert brier.value == pytest.approx(brier_score_loss(np.ones(60), p))
    assert log.value == pytest.approx(-log_loss(np.ones(60), p, labels=[0, 1]) / math.log(2))
    assert [scores.brier([each, 1 - each], 0) for each in p] == pytest.approx(frame["brier"])


def test_mean_log_odds_by_hand() -> None:
    found = scores.mean_log_odds(table(verdict([0.8, 0.2], "a"), verdict([1 / 3, 2 / 3], "b"), verdict(None, "c")))
    assert found is not None
    assert (found.value, found.n) == (pytest.approx((2 - 1) / 2), 2)  # log2 4 and log2 1/2


def test_the_brier_score_of_three_answers_by_hand() -> None:
    # ((0.5 - 1)^2 + 0.3^2 + 0.2^2) / 2
    assert scores.brier([0.5, 0.3, 0.2], 0) == pytest.approx(0.19)


def test_certain_errors_are_clipped() -> None:
    assert scores.log_score(0.0) == pytest.approx(math.log2(1e-6))
    assert [scores.log_odds(0.0), -scores.log_odds(1.0)] == pytest.approx([math.log2(1e-6 / (1 - 1e-6))] * 2)
    assert scores.log_odds(0.75) == pytest.approx(math.log2(3))


def test_the_judge_score_of_michael_and_others() -> None:
    assert scores.judge_score(0.5, 3) == pytest.approx(-1.15)
    assert scores.judge_score(0.5, 3, cost=0.2) == pytest.approx(-1.6)


def test_bits_per_round_is_a_ratio_of_sums() -> None:
    frame = table(
        verdict([0.8, 0.2], "a", argues=[0, 1], prior=0.4, rounds=1),  # one bit in one round
        verdict([0.5, 0.5], "b", argues=[0, 1], prior=0.5, rounds=3),  # none in three
        verdict([0.9, 0.1], "c", argues=[0, 1], rounds=5),  # no belief beforehand
    )
    found = scores.bits_per_round(frame)
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(1 / 4), 2)
    assert scores.bits_per_round(table(verdict([0.9, 0.1]))) is None


def test_intervals_of_scores_keep_within_what_scores_can_be() -> None:
    """Four questions, one of them a near miss, once had a mean log score of -3.206 [-6.433, 0.022]."""
    p = [1 - 1e-9, 0.999, 0.98, 1e-6]
    frame = table(*(verdict([each, 1 - each], f"q{n}", argues=[0, 1], prior=0.5, rounds=2) for n, each in enumerate(p)))
    least = math.log2(1e-6)
    for found, low, high in (
        (scores.mean_log_score(frame), least, 0.0),
        (scores.mean_brier(frame), 0.0, 1.0),
        (scores.mean_log_odds(frame), least, -least),
        (scores.judge_scores(frame), least - 0.1, -0.1),
        (scores.bits_per_round(frame), least / 2, -least / 2),
    ):
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        assert low <= found.low < found.value < found.high <= high
        assert found.interval == "cluster score, 4 clusters"


def test_mean_log_scores_without_spread_still_leave_doubt() -> None:
    found = scores.mean_log_score(table(*(verdict([1.0, 0.0], f"q{n}") for n in range(30))))
    assert found is not None
    assert found.low is not None
    assert (found.value, found.high) == (0, 0)
    assert found.low == pytest.approx(math.log2(1e-6) * 2.0452**2 / (30 + 2.0452**2), abs=0.01)


# --- calibration


def test_equal_width_reliability_is_scikit_learns() -> None:
    frame = consultancy("calibrated", 150)
    bins = calibration.reliability(frame)
    share, mean = calibration_curve(frame["correct"], frame["confidence"], n_bins=10)
    assert [each.accuracy.value for each in bins] == pytest.approx(share)
    assert [each.confidence for each in bins] == pytest.approx(mean)


def test_equal_mass_bins_by_hand() -> None:
    frame = table(*(verdict([p, 1 - p], f"q{p}") for p in (0.6, 0.7, 0.8, 0.9)))
    frame.loc[0, "correct"] = False
    bins = calibration.reliability(frame, bins=2, binning="equal mass")
    assert [(each.low, each.high, each.accuracy.value) for each in bins] == [(0.6, 0.7, 0.5), (0.8, 0.9, 1.0)]
    # (|0.5 - 0.65| + |1 - 0.85|) / 2
    assert calibration.ece(frame, 2, "equal mass") == pytest.approx(0.15)


def test_equal_confidences_are_never_parted() -> None:
    held, right = [0.7] * 9 + [0.9], [1] * 5 + [0] * 4 + [1]
    found = calibration.expected_calibration_error(held, right, 5, "equal mass")
    assert found == pytest.approx(0.9 * abs(5 / 9 - 0.7) + 0.1 * 0.1)


def test_a_calibrated_judge_is_told_from_a_biased_one() -> None:
    calibrated, biased = (calibration.ece(consultancy(judge, 2000)) for judge in ("calibrated", "biased"))
    assert calibrated is not None
    assert biased is not None
    assert calibrated < 0.03
    assert biased == pytest.approx(0.4, abs=0.03)  # 0.9 sure, right half of the time


def test_a_tie_counts_half_in_calibration() -> None:
    assert calibration.ece(table(verdict([0.5, 0.5]))) == 0


# --- agent score difference


def test_agent_score_difference_by_hand() -> None:
    frame = table(
        verdict([0.8, 0.2], "a", argues=[0]),  # arguing the truth it gets 0.8
        verdict([0.4, 0.6], "a", argues=[1]),  # arguing the lie it gets 0.6
        verdict([0.9, 0.1], "b", argues=[0]),  # nobody argued the lie
    )
    log = asd.agent_score_difference(frame)
    assert log.difference is not None
    assert (log.difference.value, log.difference.n, log.left_out) == (pytest.approx(math.log2(0.8 / 0.6)), 1, 1)
    values = {
        name: found.difference.value
        for name in ("brier", "log odds", "accuracy")
        if (found := asd.agent_score_difference(frame, name)).difference  # type: ignore[arg-type]
    }
    assert values["brier"] == pytest.approx(-(0.2**2) + 0.4**2)
    assert values["log odds"] == pytest.approx(math.log2(4) - math.log2(1.5))
    assert values["accuracy"] == 0  # both consultants win


def test_a_debate_argues_both_sides_at_once() -> None:
    found = asd.agent_score_difference(table(verdict([0.8, 0.2], argues=[1, 0]))).difference
    assert found is not None
    assert found.value == pytest.approx(2)  # log2(0.8 / 0.2)


def test_several_wrong_answers_share_their_side() -> None:
    frame = table(
        verdict([0.6, 0.2, 0.2], argues=[0]),
        verdict([0.5, 0.4, 0.1], argues=[1]),
        verdict([0.5, 0.3, 0.2], argues=[1]),
        verdict([0.4, 0.0, 0.6], argues=[2]),
    )
    found = asd.agent_score_difference(frame, "brier").difference
    assert found is not None
    one, other = -(0.36 + 0.49) / 2, -0.16
    assert found.value == pytest.approx(-0.16 - (one + other) / 2)


def test_expected_scores_at_three_temperatures() -> None:
    frame = table(verdict([0.8, 0.2], argues=[0]), verdict([0.4, 0.6], argues=[1]))
    # The agent gets 0.8 for the truth and 0.6 for the lie; the judge then holds 0.8 and 0.4 of the truth.
    values = {}
    for beta in (0.0, 1.0, math.inf):
        judge, agent = asd.expected_judge_score(frame, beta), asd.expected_agent_score(frame, beta)
        assert judge.difference is not None
        assert agent.difference is not None
        values[beta] = (judge.difference.value, agent.difference.value)
    assert values[0.0] == pytest.approx((math.log2(0.8), math.log2(0.8)))
    chance = 0.8 / 1.4  # at 1 it is exp(ln 0.8) to exp(ln 0.6)
    assert values[1.0] == pytest.approx(
        (
            chance * math.log2(0.8) + (1 - chance) * math.log2(0.4),
            chance * math.log2(0.8) + (1 - chance) * math.log2(0.6),
        )
    )
    assert values[math.inf] == pytest.approx(((math.log2(0.8 * 0.4)) / 2, math.log2(0.8 * 0.6) / 2))


def test_who_is_indifferent_takes_both_sides() -> None:
    frame = table(verdict([0.6, 0.4], argues=[0]), verdict([0.4, 0.6], argues=[1]))
    found = asd.expected_judge_score(frame, 0, "brier").difference
    assert found is not None
    assert found.value == pytest.approx(-(0.16 + 0.36) / 2)


def test_expected_judge_scores_of_several_temperatures_are_ordered() -> None:
    frame = consultancy("biased", 100)
    values = [
        found.difference.value
        for beta in (0, 0.5, 2, 1e9)
        if (found := asd.expected_agent_score(frame, beta)).difference
    ]
    assert values == sorted(values, reverse=True)


def test_the_judge_s_brier_score_is_over_all_answers_and_the_agent_s_over_its_own() -> None:
    frame = table(verdict([0.5, 0.3, 0.2], argues=[0]), verdict([0.4, 0.6, 0.0], argues=[1]))
    judge, agent = (
        asd.expected_judge_score(frame, math.inf, "brier"),
        asd.expected_agent_score(frame, math.inf, "brier"),
    )
    assert judge.difference is not None
    assert agent.difference is not None
    assert judge.difference.value == pytest.approx(-(0.25 + 0.09 + 0.04 + 0.36 + 0.36) / 4)
    assert agent.difference.value == pytest.approx(-(0.25 + 0.16) / 2)


# --- bias


def test_sycophancy_by_hand() -> None:
    found = bias.sycophancy(
        table(
            verdict([0.8, 0.2], "a", argues=[0]),  # right, and adopted
            verdict([0.3, 0.7], "b", argues=[1]),  # wrong, and adopted
            verdict([0.6, 0.4], "c", argues=[1]),  # wrong, and not
            verdict([0.5, 0.5], "d", argues=[1]),  # wrong, and a tie is not adopted
            verdict([0.9, 0.1], "e", argues=[0, 1]),  # no lone consultant
        )
    )
    assert found.right is not None
    assert found.wrong is not None
    assert found.balanced is not None
    assert [(each.value, each.n) for each in (found.right, found.wrong)] == [(1.0, 1), (pytest.approx(1 / 3), 3)]
    assert found.balanced.value == pytest.approx(2 / 3)


def test_a_biased_judge_is_sycophantic_and_no_other() -> None:
    shown = {judge: bias.sycophancy(consultancy(judge, 600)) for judge in ("biased", "calibrated", "negligent")}
    biased = shown["biased"]
    assert biased.balanced is not None
    assert biased.right is not None
    assert biased.wrong is not None
    for part in (biased.balanced, biased.right, biased.wrong):
        assert part.low is not None
        assert part.high is not None
        assert part.low <= 0.8 <= part.high
    for judge in ("calibrated", "negligent"):
        found = shown[judge].balanced
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low <= 0.5 <= found.high


def test_a_judge_who_likes_what_stands_first_is_found() -> None:
    first, fair = bias.position_bias(consultancy("first")), bias.position_bias(consultancy("calibrated"))
    assert first is not None
    assert fair is not None
    assert (first.difference.value, first.chosen) == (1.0, (1.0, 0.0))
    assert fair.test.p > 0.05
    assert fair.test.test == "cluster score, 400 clusters"
    assert sum(fair.gold) == pytest.approx(1)
    assert bias.position_bias(table(verdict([0.9, 0.1]))) is None


def test_persuasion_needs_the_judge_to_be_right_alone() -> None:
    alone = table(*(verdict([p, 1 - p], q) for q, p in (("a", 0.9), ("b", 0.9), ("c", 0.1))))
    heard = table(
        verdict([0.2, 0.8], "a", argues=[1]),
        verdict([0.9, 0.1], "a", argues=[0]),  # no wrong side
        verdict([0.7, 0.3], "b", argues=[1]),
        verdict([0.1, 0.9], "c", argues=[1]),  # wrong alone already
    )
    found, wins = bias.persuasion(heard, alone), bias.wrong_side_wins(heard)
    assert found is not None
    assert wins is not None
    assert (found.value, found.n) == (1 / 2, 2)
    assert (wins.value, wins.n) == (pytest.approx(2 / 3), 3)


def test_a_third_answer_is_no_win_for_the_wrong_side() -> None:
    found = bias.wrong_side_wins(table(verdict([0.2, 0.2, 0.6], argues=[0, 1])))
    assert found is not None
    assert found.value == 0


def test_verbosity_is_recovered() -> None:
    rng, rows = np.random.default_rng(1), []
    for question in range(1500):
        lengths = rng.integers(100, 1000, 2).tolist()
        gold, sides = int(rng.integers(2)), [0, 1]
        # 0.7 for each doubling of the first seat's length, 1 for being right.
        logit = 0.7 * np.log2(lengths[0] / lengths[1]) + (1 if gold == 0 else -1)
        p = 0.9 if rng.random() < 1 / (1 + np.exp(-logit)) else 0.1
        rows.append(verdict([p, 1 - p], f"q{question}", gold=gold, argues=sides, chars=lengths))
    found = bias.verbosity_bias(table(*rows))
    assert found is not None
    assert found.slope is not None
    assert found.slope.low is not None
    assert found.slope.high is not None
    assert found.slope.low <= 0.7 <= found.slope.high
    assert found.slope.low > 0.5
    assert found.longer_wins.low is not None
    assert found.longer_wins.low > 0.5


def test_verbosity_without_two_unequal_sides_or_without_an_end() -> None:
    assert bias.verbosity_bias(table(verdict([0.9, 0.1], argues=[0]))) is None
    assert bias.verbosity_bias(table(verdict([0.9, 0.1], argues=[0, 1]))) is None
    always = table(*(verdict([0.9, 0.1], f"q{n}", argues=[0, 1], chars=[100 + n, 50]) for n in range(9)))
    found = bias.verbosity_bias(always)
    assert found is not None
    assert (found.longer_wins.value, found.slope) == (1.0, None)


def debates(wins: list[bool], lengths: list[int], truth: list[int] | None = None, **same: str) -> pd.DataFrame:
    """Two-sided verdicts, each on a question of its own: whether the first seat wins, and its length beside 200."""
    rows = [
        verdict(
            [0.9, 0.1] if won else [0.1, 0.9],
            f"q{n}",
            gold=0 if truth is None else truth[n],
            argues=[0, 1],
            chars=[length, 200],
            **same,
        )
        for n, (won, length) in enumerate(zip(wins, lengths, strict=True))
    ]
    frame: pd.DataFrame = table(*rows)
    return frame


def slope(frame: pd.DataFrame) -> Estimate | None:
    found = bias.verbosity_bias(frame)
    assert found is not None
    return found.slope


def test_a_slope_is_left_out_where_winners_can_be_separated() -> None:
    lengths = [100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 210, 220, 230, 240, 250, 260, 300, 320, 340, 360, 400]
    longer = [each > 200 for each in lengths]
    assert slope(debates(longer, lengths)) is None
    # But for a tie, which is quasi-separation: both a winner and a loser of 210.
    assert slope(debates([*longer, False], [*lengths, 210])) is None
    # Truth tells all winners, whatever the lengths.
    won = [n % 2 == 0 for n in range(21)]
    assert slope(debates(won, lengths, [0 if each else 1 for each in won])) is None


def test_a_slope_is_left_out_where_the_data_do_not_determine_it() -> None:
    lengths = [100, 120, 150, 190, 210, 260, 300, 400]
    nearly = [False, False, False, True, False, True, True, True]
    assert slope(debates(nearly, lengths)) is None
    alike = [198, 199, 201, 202] * 30  # a slope for a doubling of what differs by a hundredth
    assert slope(debates([n % 3 == 0 for n in range(120)], alike)) is None
    assert slope(debates([n % 3 == 0 for n in range(120)], [100, 150, 250, 350] * 30)) is not None


def test_the_slope_of_one_cluster_has_no_interval() -> None:
    wins = [n % 3 != 1 for n in range(40)]
    found = slope(debates(wins, [100 + 7 * n for n in range(40)], cluster="story"))
    assert found is not None
    assert (found.n, found.low, found.high) == (40, None, None)
    assert found.interval == "none: one cluster"


def test_seats_that_argue_for_the_other_side_are_seen() -> None:
    found, silent = bias.side_adherence(
        table(
            verdict([0.9, 0.1], "a", argues=[0, 1], named=[0, 0]),
            verdict([0.9, 0.1], "b", argues=[0, None], named=[None, 1]),
        )
    )
    assert found is not None
    assert (found.value, found.n, silent) == (0.5, 2, 1)
