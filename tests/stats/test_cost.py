"""Accuracy at matched cost, by hand and against simulated arms."""

from __future__ import annotations

import numpy as np
import pytest

from oversight.stats.cost import MatchedCost, PricedArm, matched_cost
from oversight.stats.intervals import mean_difference


def arm(right: int, of: int, cost: float) -> PricedArm:
    return PricedArm([1.0] * right + [0.0] * (of - right), [cost] * of, range(of))


def known(found: MatchedCost | None) -> MatchedCost:
    assert found is not None
    return found


def test_a_draw_between_a_cheaper_and_a_dearer_arm() -> None:
    arms = {"direct": arm(60, 100, 1), "debate": arm(80, 100, 9), "other": arm(65, 100, 3)}
    found = known(matched_cost("other", arms))
    assert found.mixture == pytest.approx({"direct": 0.75, "debate": 0.25})
    assert (found.cost, found.accuracy, found.attained) == pytest.approx((3, 0.65, 0.65))
    assert found.advantage.value == pytest.approx(0)
    assert found.advantage.n == 100


def test_an_arm_below_the_hull_is_not_mixed() -> None:
    arms = {"a": arm(60, 100, 1), "bad": arm(50, 100, 4), "b": arm(80, 100, 9), "x": arm(70, 100, 5)}
    assert known(matched_cost("x", arms)).mixture == pytest.approx({"a": 0.5, "b": 0.5})


def test_the_hull_is_the_upper_one_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        points = {f"arm{n}": arm(int(rng.integers(20, 80)), 100, float(rng.integers(1, 40))) for n in range(6)}
        cost = 25.0
        found = matched_cost("x", points | {"x": arm(50, 100, cost)})
        costs = np.array([each.cost[0] for each in points.values()])
        accuracy = np.array([np.mean(each.correct) for each in points.values()])
        grid = np.linspace(0, 1, 2001)[:, None, None]
        price, share = (grid * each[:, None] + (1 - grid) * each for each in (costs, accuracy))
        affordable = share[price <= cost + 1e-9]
        if found is None:
            assert affordable.size == 0
        else:
            assert found.attained == pytest.approx(affordable.max(), abs=0.02)
            assert found.attained >= affordable.max() - 1e-9


def test_a_cheaper_arm_may_be_the_best_at_a_higher_cost() -> None:
    arms = {"cheap": arm(80, 100, 1), "dear": arm(70, 100, 9), "x": arm(75, 100, 5)}
    found = known(matched_cost("x", arms))
    assert (found.mixture, found.attained) == ({"cheap": 1.0}, pytest.approx(0.8))


def test_nothing_attains_a_cost_below_all_others() -> None:
    assert matched_cost("x", {"x": arm(5, 10, 1), "a": arm(5, 10, 2)}) is None
    assert matched_cost("x", {"x": arm(5, 10, 1)}) is None


def test_against_a_single_cheaper_arm_it_is_the_paired_difference() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.random(80) < 0.8, rng.random(80) < 0.6
    arms = {
        name: PricedArm(right.astype(float), [cost] * 80, range(80))
        for name, right, cost in (("x", one, 2), ("a", other, 1))
    }
    found = known(matched_cost("x", arms)).advantage
    paired = mean_difference(one * 1.0 - other, range(80))
    assert paired is not None
    assert found.value == pytest.approx((one * 1.0 - other).mean())
    assert (found.low, found.high) == pytest.approx(paired[:2], abs=0.01)


def test_an_unknown_cost_is_refused() -> None:
    with pytest.raises(ValueError, match="not known"):
        matched_cost("x", {"x": arm(5, 10, 1), "a": arm(5, 10, float("nan"))})
    with pytest.raises(ValueError, match="no rows"):
        matched_cost("y", {"x": arm(5, 10, 1)})
    with pytest.raises(ValueError, match="one row each"):
        matched_cost("x", {"x": PricedArm([1.0], [1.0, 2.0], "a")})


def test_the_interval_holds_the_advantage() -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(200):
        ease = rng.normal(0, 0.1, 60)
        arms = {
            name: PricedArm((rng.random(60) < share + ease) * 1.0, cost * rng.gamma(4, 0.25, 60), range(60))
            for name, share, cost in (("x", 0.75, 5), ("a", 0.6, 1), ("b", 0.8, 10))
        }
        found = known(matched_cost("x", arms)).advantage
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.75 - (0.6 + 0.2 * 4 / 9) <= found.high
    assert 0.91 <= held / 200 <= 0.99
