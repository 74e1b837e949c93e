"""Holm's adjustment against its definition."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oversight.stats.multiplicity import holm


def test_holms_steps_by_hand() -> None:
    # Smallest first: 0.01 x 4, 0.02 x 3, 0.03 x 2 (raised to 0.06), 0.2 x 1.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])


def test_tests_without_a_p_do_not_count() -> None:
    first, none, nan, last = holm([0.02, None, float("nan"), 0.04])
    assert (first, none, last) == (pytest.approx(0.04), None, pytest.approx(0.04))
    assert nan is not None
    assert math.isnan(nan)
    assert holm([]) == []
    assert holm([None]) == [None]


def test_what_is_no_p_is_refused() -> None:
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        holm([0.5, 1.2])


@pytest.fixture(scope="module")
def frozen() -> Iterator[None]:
    """Keep what other tests left out of the garbage collection that the library does at each call."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen")
@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_it_is_the_running_maximum_of_what_is_left_to_test(ps: list[float]) -> None:
    order = sorted(range(len(ps)), key=ps.__getitem__)
    expected, most = [0.0] * len(ps), 0.0
    for step, place in enumerate(order):
        most = max(most, min(1.0, (len(ps) - step) * ps[place]))
        expected[place] = most
    assert holm(ps) == pytest.approx(expected)
