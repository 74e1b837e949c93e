"""The parts of a Brier score: their identity, their meaning, and simulated forecasters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import consultancy, table, verdict

from oversight.stats.decomposition import BrierParts, brier_decomposition, brier_parts
from oversight.stats.scores import mean_brier


def known(found: BrierParts | None) -> BrierParts:
    assert found is not None
    return found


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(1, 12))
def test_the_parts_make_the_score(rows: list[tuple[float, bool]], bins: int) -> None:
    p, y = np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    found = known(brier_decomposition(p, y, range(len(rows)), bins))
    # Stephenson et al. (2008), equations 5 and 6, bin by bin.
    at = np.minimum(np.round(p * bins, 9).astype(int), bins - 1)
    inside = [at == one for one in set(at.tolist())]
    spread = sum(((p[one] - p[one].mean()) ** 2).sum() for one in inside)
    shared = sum(((p[one] - p[one].mean()) * (y[one] - y[one].mean())).sum() for one in inside)
    assert found.within_bins == pytest.approx((spread - 2 * shared) / len(p), abs=1e-12)
    parts = found.reliability.value - found.resolution.value + found.uncertainty.value + found.within_bins
    assert found.brier.value == pytest.approx(((p - y) ** 2).mean(), abs=1e-12)
    assert found.brier.value == pytest.approx(parts, abs=1e-12)


def test_murphys_parts_by_hand() -> None:
    # Eight forecasts of 0.25, of which 4 come true, and two of 0.75, of which 2 do: 0.6 of all.
    found = known(brier_decomposition([0.25] * 8 + [0.75] * 2, [1, 0] * 4 + [1, 1], range(10)))
    assert found.reliability.value == pytest.approx(0.8 * 0.25**2 + 0.2 * 0.25**2)
    assert found.resolution.value == pytest.approx(0.8 * 0.1**2 + 0.2 * 0.4**2)
    assert found.uncertainty.value == pytest.approx(0.24)
    assert found.within_bins == pytest.approx(0, abs=1e-12)


def test_a_calibrated_judge_and_an_overconfident_one() -> None:
    good, bad = (known(brier_parts(consultancy(judge, 1500))) for judge in ("calibrated", "biased"))
    assert good.reliability.value < 0.005
    # The probability of an answer is uniform and comes true: the variance of a uniform, less that within ten bins.
    assert good.resolution.value == pytest.approx(1 / 12, abs=0.01)
    # It says 0.9 and is right in one half: (0.9 - 0.5)^2.
    assert bad.reliability.value == pytest.approx(0.16, abs=0.02)
    assert bad.resolution.value < 0.01


def test_of_two_answers_uncertainty_is_a_quarter_and_the_whole_is_the_mean_brier_score() -> None:
    verdicts = consultancy("negligent", 60)
    found, score = known(brier_parts(verdicts)), mean_brier(verdicts)
    assert score is not None
    assert found.brier.value == pytest.approx(score.value)
    assert found.brier.n == score.n
    assert (found.uncertainty.value, found.uncertainty.low) == (pytest.approx(0.25), None)


def test_of_three_answers_the_whole_is_the_mean_brier_score() -> None:
    rng = np.random.default_rng(1)
    rows = [verdict(rng.dirichlet([1, 1, 1]).tolist(), f"q{n}", gold=n % 3, answers=3) for n in range(30)]
    found, score = known(brier_parts(table(*rows))), mean_brier(table(*rows))
    assert score is not None
    assert found.brier.value == pytest.approx(score.value)
    assert found.uncertainty.value == pytest.approx(1 / 3)


def test_the_order_in_which_answers_were_presented_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    rows = [(rng.random(), f"q{n}", int(rng.integers(2))) for n in range(40)]
    one = table(*(verdict([p, 1 - p], name, gold=gold) for p, name, gold in rows))
    other = table(*(verdict([1 - p, p], name, gold=1 - gold) for p, name, gold in rows))
    assert known(brier_parts(one)).reliability.value == pytest.approx(known(brier_parts(other)).reliability.value)


def test_intervals_hold_the_parts_of_a_forecaster_whose_faults_are_known() -> None:
    # It says 0.25 or 0.75, which come true in 0.35 and 0.65: reliability 0.01, resolution 0.0225.
    rng, held = np.random.default_rng(3), np.zeros(2)
    for _ in range(200):
        high = rng.random(300) < 0.5
        y = rng.random(300) < np.where(high, 0.65, 0.35)
        found = known(brier_decomposition(np.where(high, 0.75, 0.25), y, range(300)))
        for place, (part, truth) in enumerate([(found.reliability, 0.01), (found.resolution, 0.0225)]):
            assert part.low is not None
            assert part.high is not None
            held[place] += part.low <= truth <= part.high
    assert (held / 200 > 0.9).all()


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ValueError, match="one number of answers"):
        brier_parts(table(verdict([0.5, 0.5], "a"), verdict([0.4, 0.3, 0.3], "b", answers=3)))
    with pytest.raises(ValueError, match="known"):
        brier_decomposition([float("nan")], [1], "a")
    assert brier_parts(table(verdict(None, "a"))) is None
    assert brier_decomposition([], [], []) is None
