"""Exact play of the sparse-pixel games of Irving et al. 2018 (arXiv 1805.00899, section 3.2).

The judge's belief depends on the *set* of pixels revealed, not on their order, so a game of k reveals on an
image with n nonzero pixels has C(n, k) outcomes instead of n!/(n-k)!. Every outcome is put to the judge
once, and the values of smaller sets follow layer by layer (the paper approximates this by tree search).

Sets are numbered in colexicographic order: {s1 < … < sj} has number C(s1, 1) + … + C(sj, j). Two facts make
that order the right one. Numbers do not depend on n, so one index table serves all images. And the sets
with the largest element c are one stretch, in the order of the sets of the other elements: the hidden
layer's input for that stretch is an earlier table's beginning plus the contribution of pixel c.

Four reveals take at most C(45, 4) = 149 thousand outcomes, under 0.1 s per image. Six take up to 8 million:
a second or two per image, and about 1 GB of memory on the densest images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight.models.embedded.digits.classifier import DIGITS, Classifier, Floats
from oversight.models.embedded.threads import one_thread

__all__ = ["Payoff", "PixelGame", "outcome_logits", "solve"]

_TABLED = 3
"""Hidden-layer inputs are kept for sets up to this size, and summed on the fly beyond."""

_CAPACITIES = (28, 32, 36, 40, 44, 48, 56, 64)
"""Index tables are made for one of these numbers of pixels; every smaller number uses a corner of one."""


class Payoff(NamedTuple):
    """What a game is about: the judge's log-odds of a digit over the best of its rivals.

    It is log p(digit) - max over rivals of log p(rival), in nats. A judge that chooses among these answers
    picks the digit just if it is positive; renormalising over the answers presented leaves it unchanged.
    """

    digit: int
    rivals: tuple[int, ...]

    def of(self, logits: Floats) -> Floats:
        """The payoff of each row of logits (m, 10): (m,)."""
        best = logits[:, self.rivals[0]]
        for rival in self.rivals[1:]:
            best = np.maximum(best, logits[:, rival])
        return logits[:, self.digit] - best


class PixelGame:
    """The value of every position of one game on one image.

    Attributes:
        places: the places that can be revealed, ascending.
        turns: for each reveal, whether the side that maximises the payoff makes it.
    """

    def __init__(self, places: Sequence[int], turns: tuple[bool, ...], layers: list[Floats]) -> None:
        self.places = tuple(places)
        self.turns = turns
        self._index = {place: index for index, place in enumerate(self.places)}
        self._layers = layers

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(layer.nbytes for layer in self._layers)

    def value(self, revealed: Iterable[int] = ()) -> float:
        """The payoff that best play by both sides leads to, once ``revealed`` places have been revealed."""
        chosen = self._chosen(revealed)
        return float(self._layers[len(chosen)][_number(chosen)])

    def best(self, revealed: Iterable[int] = ()) -> int:
        """The best place to reveal next, for the side whose turn it is; the first of equals."""
        chosen = self._chosen(revealed)
        made = len(chosen)
        free = [index for index in range(len(self.places)) if index not in chosen]
        larger = _supersets(len(self.places), made)[:, _number(chosen)]
        values = self._layers[made + 1][larger]
        return self.places[free[int(values.argmax() if self.turns[made] else values.argmin())]]

    def _chosen(self, revealed: Iterable[int]) -> list[int]:
        return sorted({self._index[place] for place in revealed})


def outcome_logits(
    judge: Classifier, image: NDArray[np.uint8], base: Sequence[int], free: Sequence[int], reveals: int
) -> Floats:
    """Put every outcome to the judge: the ``base`` places and any ``reveals`` of the ``free`` ones.

    Returns:
        Logits (C(len(free), reveals), 10) in colexicographic order.
    """
    contributions = judge.contributions(image)
    start = judge.hidden_bias + contributions[list(base)].sum(axis=0)
    logits = np.empty((comb(len(free), reveals), DIGITS), np.float32)
    done = 0
    with one_thread():
        for hidden in _hidden_inputs(start, contributions[list(free)], reveals):
            logits[done : done + len(hidden)] = judge.output(hidden)
            done += len(hidden)
    return logits


def solve(logits: Floats, payoff: Payoff, free: Sequence[int], turns: tuple[bool, ...]) -> PixelGame:
    """Work the values of all positions out, from the outcomes' logits backwards.

    Args:
        logits: what `outcome_logits` returns for ``len(turns)`` reveals.
        payoff: what is maximised and minimised.
        free: the places that can be revealed, ascending.
        turns: for each reveal, whether the maximising side makes it. All True is a lone consultant.
    """
    layers = [payoff.of(logits)]
    for made in reversed(range(len(turns))):
        after = layers[-1][_supersets(len(free), made)]
        layers.append(after.max(axis=0) if turns[made] else after.min(axis=0))
    return PixelGame(free, turns, layers[::-1])


def _hidden_inputs(start: Floats, contributions: Floats, size: int) -> Iterator[Floats]:
    """Sums of ``size`` rows of contributions (n, H), in order, in chunks a cache can hold."""
    tables = [start[None]]
    for made in range(min(size, _TABLED)):
        tables.append(
            np.concatenate(
                [tables[made][: comb(last, made)] + row for last, row in enumerate(contributions) if last >= made]
            )
        )

    def chunks(count: int, made: int, added: Floats | float) -> Iterator[Floats]:
        if made < len(tables):
            yield tables[made][: comb(count, made)] + added
            return
        for last in range(made - 1, count):
            yield from chunks(last, made - 1, added + contributions[last])

    return chunks(len(contributions), size, 0.0)


def _number(chosen: Sequence[int]) -> int:
    """The colexicographic number of an ascending set."""
    return sum(comb(element, place) for place, element in enumerate(chosen, start=1))


def _supersets(count: int, size: int) -> NDArray[np.int32]:
    """The numbers of the sets that one more of ``count`` elements makes of each set of ``size``.

    Returns:
        (count - size, C(count, size)): the element added ascends along the first axis.
    """
    capacity = next(capacity for capacity in _CAPACITIES if capacity >= count)
    return _all_supersets(capacity, size)[: count - size, : comb(count, size)]


@lru_cache(maxsize=32)
def _all_supersets(count: int, size: int) -> NDArray[np.int32]:
    sets = _sets(count, size)
    binomials = np.array([[comb(n, k) for k in range(size + 2)] for n in range(count)], np.int32)
    zeros = np.zeros(len(sets), np.int32)
    # An element keeps its place among the smaller ones, and moves up by one among the larger ones.
    below = np.stack([zeros, *accumulate(binomials[sets[:, i], i + 1] for i in range(size))])
    above = np.stack([zeros, *accumulate(binomials[sets[:, i], i + 2] for i in reversed(range(size)))])[::-1]
    table = np.empty((count - size, len(sets)), np.int32)
    every = np.arange(len(sets))
    for added in range(count):
        smaller = (sets < added).sum(axis=1)
        number = below[smaller, every] + binomials[added, smaller + 1] + above[smaller, every]
        new = (sets != added).all(axis=1)
        table[added - smaller[new], every[new]] = number[new]
    return table


def _sets(count: int, size: int) -> NDArray[np.int8]:
    """All sets of ``size`` of ``count`` elements, in order: (C(count, size), size)."""
    sets = np.zeros((1, 0), np.int8)
    for made in range(size):
        sets = np.concatenate(
            [
                np.column_stack([sets[: comb(last, made)], np.full(comb(last, made), last, np.int8)])
                for last in range(made, count)
            ]
        )
    return sets
