from itertools import combinations
from math import comb

import numpy as np
import pytest

from oversight.models.embedded.digits.images import Pixel, load_images, support
from oversight.models.embedded.digits.minimax import Payoff, outcome_logits
from oversight.models.embedded.digits.solver import BoundedCache, Solver

PAYOFFS = [Payoff(3, (8,)), Payoff(8, (3,)), Payoff(3, tuple(d for d in range(10) if d != 3)), Payoff(1, (2, 9))]


def logits_of(judge, image, places):
    return judge.logits([Pixel(place, int(image[place])) for place in places])


def brute_force(judge, image, payoff, turns, revealed):
    if not turns:
        return float(payoff.of(logits_of(judge, image, revealed)[None])[0])
    values = [
        brute_force(judge, image, payoff, turns[1:], revealed | {place})
        for place in support(image)
        if place not in revealed
    ]
    return max(values) if turns[0] else min(values)


@pytest.mark.parametrize("reveals", [1, 2, 3, 4])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("payoff", PAYOFFS)
def test_values_are_those_of_plain_recursion(judge, small_image, payoff, first, reveals):
    turns = tuple(first == (turn % 2 == 0) for turn in range(reveals))
    game = Solver(judge).game(small_image, payoff, turns)
    assert game.value() == pytest.approx(brute_force(judge, small_image, payoff, turns, frozenset()), abs=1e-4)


@pytest.mark.parametrize("shown", [1, 3])
@pytest.mark.parametrize("turns", [(True, False, True), (False, True), (True,), (True, True, True)])
def test_values_hold_from_any_position(judge, small_image, shown, turns):
    base = frozenset(support(small_image)[1 : 1 + shown])
    game = Solver(judge).game(small_image, PAYOFFS[0], turns, base)
    expected = brute_force(judge, small_image, PAYOFFS[0], turns, base)
    assert game.value() == pytest.approx(expected, abs=1e-4)
    for place in game.places:
        expected = brute_force(judge, small_image, PAYOFFS[0], turns[1:], base | {place})
        assert game.value([place]) == pytest.approx(expected, abs=1e-4)
    best = game.best()
    assert game.value([best]) == game.value()


def test_every_position_of_a_whole_game_has_the_value_of_its_best_move(judge, small_image):
    turns = (True, False, True, False)
    game = Solver(judge).game(small_image, PAYOFFS[2], turns)
    for made in range(4):
        for revealed in combinations(game.places, made):
            after = [game.value([*revealed, place]) for place in game.places if place not in revealed]
            assert game.value(revealed) == (max(after) if turns[made] else min(after))
            assert game.value([*revealed, game.best(revealed)]) == game.value(revealed)


def test_a_lone_consultant_picks_the_best_set(judge, small_image):
    payoff = PAYOFFS[2]
    game = Solver(judge).game(small_image, payoff, (True,) * 3)
    values = {
        chosen: float(payoff.of(logits_of(judge, small_image, chosen)[None])[0])
        for chosen in combinations(support(small_image), 3)
    }
    revealed = []
    for _ in range(3):
        revealed.append(game.best(revealed))
    assert values[tuple(sorted(revealed))] == max(values.values())
    assert game.value() == pytest.approx(max(values.values()), abs=1e-4)


@pytest.mark.parametrize("reveals", [1, 2, 3, 4, 5, 6])
def test_outcomes_stand_in_colexicographic_order(judge, reveals):
    images = load_images()
    image = images.pixels[images.test_rows[0]].copy()
    image[list(support(image)[9:])] = 0
    free = support(image)
    table = outcome_logits(judge, image, (), free, reveals)
    in_order = sorted(combinations(range(len(free)), reveals), key=lambda chosen: chosen[::-1])
    assert len(table) == comb(len(free), reveals)
    for row, chosen in zip(table, in_order, strict=True):
        expected = logits_of(judge, image, [free[index] for index in chosen])
        np.testing.assert_allclose(row, expected, atol=1e-4)


def test_a_table_built_twice_is_the_same(judge):
    images = load_images()
    image = images.pixels[images.test_rows[0]]
    one, other = (outcome_logits(judge, image, (), support(image), 4) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_six_reveals_on_an_image_too_small_for_them(judge, small_image):
    turns = (True, False) * 5
    game = Solver(judge).game(small_image, PAYOFFS[0], turns)
    everything = logits_of(judge, small_image, support(small_image))
    assert game.value() == pytest.approx(float(PAYOFFS[0].of(everything[None])[0]), abs=1e-4)


def test_the_cache_forgets_what_was_used_longest_ago():
    cache = BoundedCache(limit=3 * 80)
    made = []

    def keep(key):
        return cache.get(key, lambda: made.append(key) or np.zeros(10))

    for key in "abcadb":
        keep(key)
    assert made == ["a", "b", "c", "d", "b"]
    cache.get("huge", lambda: np.zeros(1000))
    assert cache.get("huge", lambda: None) is not None
