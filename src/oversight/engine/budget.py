"""Holding a run to what it may cost."""

from __future__ import annotations

import asyncio

from oversight.record import EpisodeOutcome

__all__ = ["Budget"]

_ROUNDING_USD = 1e-9


class Budget:
    """Lets an episode start only if all in flight, each as dear as the dearest so far, still fit.

    Until a first price is known one episode runs alone. A price that stays unknown cannot be held to a
    budget, so nothing more starts.

    Attributes:
        reached: whether it has kept an episode from starting.
        unpriced: whether a call had no known price.

    Args:
        limit_usd: what the run may cost in all; None for no limit.
        spent_usd: what it has cost in earlier executions.
        dearest_usd: the dearest of its episodes then, None if there was none.
    """

    def __init__(self, limit_usd: float | None, spent_usd: float = 0.0, dearest_usd: float | None = None) -> None:
        self.reached = False
        self.unpriced = False
        self._limit = limit_usd
        self._spent = spent_usd
        self._dearest = dearest_usd
        self._in_flight = 0
        self._changed = asyncio.Condition()

    async def admit(self) -> bool:
        """Wait until another episode may start; False: none ever may."""
        async with self._changed:
            while self._in_flight and not self._fits():
                await self._changed.wait()
            if not self._fits():
                self.reached = True
                return False
            self._in_flight += 1
            return True

    async def withdraw(self) -> None:
        """Give an admission back: there was nothing left to start."""
        async with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()

    async def settle(self, outcome: EpisodeOutcome) -> None:
        """Count what an admitted episode has cost."""
        async with self._changed:
            self._in_flight -= 1
            self._spent += outcome.cost_usd
            self._dearest = max(self._dearest or 0.0, outcome.cost_usd)
            # Failed calls often come without a price; what they cost is not known to be anything.
            self.unpriced |= any(call.cost_usd is None and call.failure is None for call in outcome.calls)
            self._changed.notify_all()

    def _fits(self) -> bool:
        if self._limit is None:
            return True
        if self.unpriced:
            return False
        if self._dearest is None:
            return self._in_flight == 0 and self._limit > 0
        return self._spent + self._dearest * (self._in_flight + 1) <= self._limit + _ROUNDING_USD
