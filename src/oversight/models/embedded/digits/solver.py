"""Solved games, kept while memory allows: many episodes are about one image, and every turn asks again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from oversight.models.embedded.digits.classifier import Classifier, Floats
from oversight.models.embedded.digits.images import support
from oversight.models.embedded.digits.minimax import Payoff, PixelGame, outcome_logits, solve

__all__ = ["BoundedCache", "Solver"]

_OUTCOME_BYTES = 192 * 2**20
"""Four reveals take 2 to 6 MB an image."""
_GAME_BYTES = 96 * 2**20
"""Four reveals take 0.2 to 0.6 MB a game."""


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Kept = TypeVar("Kept", bound=_Sized)


class BoundedCache(Generic[Kept]):
    """The most recently used values whose ``nbytes`` together fit ``limit``, and always the last one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._values: OrderedDict[Hashable, Kept] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """The value kept under ``key``, made now if there is none."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = make()
        self._held += value.nbytes
        while self._held > self._limit and len(self._values) > 1:
            self._held -= self._values.popitem(last=False)[1].nbytes
        return value


class Solver:
    """Exact play against one judge.

    A position is an image, the places revealed, and for each reveal to come whether the maximising side
    makes it (``turns``). It need not lie on a best line of play: pixels shown to all from the start and
    moves wasted on nothing new are just other positions.
    """

    def __init__(self, judge: Classifier) -> None:
        self.judge = judge
        self._outcomes: BoundedCache[Floats] = BoundedCache(_OUTCOME_BYTES)
        self._games: BoundedCache[PixelGame] = BoundedCache(_GAME_BYTES)

    def outcomes(self, image: NDArray[np.uint8], base: Iterable[int], reveals: int) -> Floats:
        """The judge's logits (C(n, reveals), 10) for ``base`` and any ``reveals`` other nonzero pixels."""
        given = frozenset(base)
        return self._outcomes.get(
            (image.tobytes(), given, reveals),
            lambda: outcome_logits(self.judge, image, sorted(given), _others(image, given), reveals),
        )

    def game(
        self, image: NDArray[np.uint8], payoff: Payoff, turns: tuple[bool, ...], base: Iterable[int] = ()
    ) -> PixelGame:
        """The game that starts with ``base`` revealed; turns for which no pixel is left fall away."""
        given = frozenset(base)
        free = _others(image, given)
        played = turns[: len(free)]
        return self._games.get(
            (image.tobytes(), given, payoff, played),
            lambda: solve(self.outcomes(image, given, len(played)), payoff, free, played),
        )


def _others(image: NDArray[np.uint8], given: frozenset[int]) -> list[int]:
    return [place for place in support(image) if place not in given]
