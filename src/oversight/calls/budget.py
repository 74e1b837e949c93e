"""Holding a run to what it may cost, call by call."""

from __future__ import annotations

import asyncio
import math

from oversight.calls.call_cache import CallOutcome
from oversight.errors import StopReason

__all__ = ["Budget"]

_ROUNDING_USD = 1e-9


class Budget:
    """Lets a call start only if all under way, each at the most it may cost, still fit.

    A call whose most is not known counts as the dearest of its model so far; until there is one, a call runs
    alone. A price that stays unknown cannot be held to a budget, so nothing more starts.

    Args:
        limit_usd: what the run may cost in all; None for no limit.
        spent_usd: what it has cost in earlier executions.
    """

    def __init__(self, limit_usd: float | None, spent_usd: float = 0.0) -> None:
        self._limit = limit_usd
        self._spent = spent_usd
        self._dearest: dict[str, float] = {}
        self._reserved: dict[str, float] = {}
        self._lost: dict[str, float] = {}
        self._stopped: StopReason | None = None
        self._changed = asyncio.Condition()

    async def reserve(self, name: str, model: str, most_usd: float | None) -> StopReason | None:
        """Wait until a call may start; or say why none ever may."""
        if self._limit is None:
            return None
        async with self._changed:
            while self._stopped is None:
                amount = self._dearest.get(model) if most_usd is None else most_usd
                if self._fits(amount):
                    self._reserved[name] = math.inf if amount is None else amount
                    return None
                if not self._reserved:
                    return StopReason.BUDGET
                await self._changed.wait()
            return self._stopped

    async def settle(self, name: str, model: str, outcome: CallOutcome) -> None:
        """Count what a call has cost."""
        reply = outcome.reply
        cost = reply.cost_usd if reply is not None else 0.0
        if cost is None and self._limit is not None:
            self._stopped = self._stopped or StopReason.UNPRICED
        if reply is not None and cost is not None:
            self._dearest[model] = max(self._dearest.get(model, 0.0), cost)
        # One that was given up for lost has been counted, at the most that it could cost.
        await self.release(name, (cost or 0.0) - self._lost.pop(name, 0.0))

    async def lose(self, name: str) -> None:
        """Count a call whose outcome will not be known: it is taken to have been paid for."""
        reserved = self._reserved.get(name, 0.0)
        self._lost[name] = reserved if math.isfinite(reserved) else 0.0
        await self.release(name, self._lost[name])

    async def release(self, name: str, cost_usd: float = 0.0) -> None:
        """End a reservation."""
        async with self._changed:
            self._reserved.pop(name, None)
            self._spent += cost_usd
            self._changed.notify_all()

    async def stop(self, reason: StopReason) -> None:
        """Let nothing more start, and tell those who wait."""
        async with self._changed:
            self._stopped = self._stopped or reason
            self._changed.notify_all()

    def explain(self, reason: StopReason) -> str:
        """One line on why no call may start."""
        if reason is StopReason.UNPRICED:
            hint = "set input_cost_per_token and output_cost_per_token beside the model"
            return f"--max-cost {self._limit:g} cannot be held, because a call's price is unknown: {hint}"
        return f"budget of ${self._limit:g} reached: raise --max-cost and run again to go on"

    def _fits(self, amount: float | None) -> bool:
        assert self._limit is not None
        if amount is None:
            return not self._reserved and self._spent < self._limit
        return self._spent + sum(self._reserved.values()) + amount <= self._limit + _ROUNDING_USD
