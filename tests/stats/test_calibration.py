"""Expected calibration error, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oversight.stats.calibration import expected_calibration_error as ece


def test_each_bin_counts_by_its_size() -> None:
    # Bins 0.6-0.7, 0.8-0.9 and 0.9-1.0 hold one each: (|1 - 0.65| + |0 - 0.85| + |1 - 0.95|) / 3.
    assert ece([0.95, 0.85, 0.65], [1, 0, 1]) == pytest.approx((0.35 + 0.85 + 0.05) / 3)


def test_within_a_bin_over_and_underconfidence_cancel() -> None:
    # One bin: mean confidence 0.65, accuracy 0.5.
    assert ece([0.62, 0.68], [1, 0]) == pytest.approx(0.15)


def test_across_bins_they_do_not() -> None:
    assert ece([0.75, 0.85], [1, 0]) == pytest.approx((0.25 + 0.85) / 2)


def test_two_bins_of_unequal_size() -> None:
    # Three at 0.9, two of them right: |2/3 - 0.9| with weight 3/4; one at 0.6, wrong: 0.6 with weight 1/4.
    assert ece([0.9, 0.9, 0.9, 0.6], [1, 1, 0, 0]) == pytest.approx(0.75 * (0.9 - 2 / 3) + 0.25 * 0.6)


def test_a_perfectly_calibrated_judge_scores_0() -> None:
    assert ece([0.75] * 4, [1, 1, 1, 0]) == pytest.approx(0)


def test_certainty_that_is_always_wrong_scores_1() -> None:
    assert ece([1.0, 1.0], [0, 0]) == 1


def test_a_tie_of_two_counts_half() -> None:
    assert ece([0.5, 0.5], [0.5, 0.5]) == 0


@pytest.mark.parametrize("edge", [k / 10 for k in range(10)])
def test_an_edge_belongs_to_the_bin_above(edge: float) -> None:
    # In one bin the two cancel in part; in two bins they cannot.
    together = ece([edge, edge + 0.05], [1, 0])
    assert together == pytest.approx(abs(1 - edge - (edge + 0.05)) / 2)


@pytest.mark.parametrize("edge", [k / 10 for k in range(1, 10)])
def test_an_edge_does_not_belong_to_the_bin_below(edge: float) -> None:
    assert ece([edge, edge - 0.05], [1, 0]) == pytest.approx((1 - edge + edge - 0.05) / 2)


def test_certainty_belongs_to_the_last_bin() -> None:
    assert ece([1.0, 0.95], [1, 0]) == pytest.approx(abs(1 - 1.95) / 2)


def test_no_judgement_has_no_error() -> None:
    assert math.isnan(ece([], []))


def test_fewer_bins_can_only_hide_error() -> None:
    assert ece([0.55, 0.95], [1, 0], bins=1) < ece([0.55, 0.95], [1, 0], bins=10)


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=40))
def test_the_error_lies_between_the_overall_gap_and_1(judged: list[tuple[float, float]]) -> None:
    held, right = np.array(judged).T
    assert abs(right.mean() - held.mean()) - 1e-9 <= ece(held, right) <= 1 + 1e-9
