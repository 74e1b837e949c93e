"""What one episode may take at most, and the count of what it took."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from oversight.core.chat import CallRecord
from oversight.errors import LimitReached

__all__ = ["EpisodeLimits", "EpisodeUsage"]

_CALLS = 1_000
_MESSAGES = 10_000
_MOST = 2**53
"""No count can be told from its neighbour beyond this, once it is written as a number of JSON."""

_CHARACTERS_PER_TOKEN = 4

_Count = Annotated[int, Field(strict=True, ge=1, le=_MOST)]
_Amount = Annotated[float, Field(strict=True, gt=0, le=_MOST, allow_inf_nan=False)]


class EpisodeLimits(BaseModel):
    """What one episode may take; None: any amount.

    Limits say nothing about what an episode is: no id depends on them, and an episode that failed at one runs again
    under a higher one.

    Attributes:
        calls: attempts at model calls, those answered from the record included.
        tokens: of prompts and replies together.
        cost: US dollars, at the prices of the calls.
        messages: entries of the transcript, requests to the seats included.
        seconds: from its start to its verdict.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: _Count | None = _CALLS
    tokens: _Count | None = None
    cost: _Amount | None = None
    messages: _Count | None = _MESSAGES
    seconds: _Amount | None = None

    def overridden(self, other: EpisodeLimits) -> EpisodeLimits:
        """These limits with what ``other`` sets in their place."""
        return EpisodeLimits.model_validate(
            {**self.model_dump(exclude_unset=True), **other.model_dump(exclude_unset=True)}
        )


class EpisodeUsage:
    """Counts what an episode takes, and lets no call begin when a limit is reached.

    Attributes:
        limits: the limits.
        calls: a record of every attempt at a model call that ended.
        reached: which limit ends the episode, once one does.
        ended: set at that moment.
        over: whether the episode has ended, for whatever reason, so that no call may begin.
        tasks: the tasks in which parts of the episode run at the same time.
        supervisor: the event loop of `run_bounded`, which ends the episode at a limit; None where it is awaited in
            another way. Verbs and calls then wait for this end, because a protocol that catches every exception would
            go on; without it they raise.
    """

    def __init__(self, limits: EpisodeLimits) -> None:
        self.limits = limits
        self.calls: list[CallRecord] = []
        self.reached: LimitReached | None = None
        self.ended = asyncio.Event()
        self.over = False
        self.idle = asyncio.Event()
        self.idle.set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.supervisor: asyncio.AbstractEventLoop | None = None
        self._begun = 0
        self._messages = 0
        self._tokens, self._cost = 0, 0.0
        self._most_tokens, self._most_cost = 0, 0.0
        self._in_flight: list[int] = []

    @asynccontextmanager
    async def call(self, prompt: Sequence[str]) -> AsyncIterator[None]:
        """Let one call begin, and count it; of what it will take until it ends, take the most that one took before.

        Raises:
            LimitReached: none may begin.
        """
        self._check_calls()
        await self.wait_if_over()
        if self.reached is not None:
            raise self.reached
        self._begun += 1
        expected = sum(map(len, prompt)) // _CHARACTERS_PER_TOKEN
        self._in_flight.append(expected)
        self.idle.clear()
        try:
            yield
        finally:
            self._in_flight.remove(expected)
            if not self._in_flight:
                self.idle.set()

    async def wait_if_over(self) -> None:
        """Never return once the episode has ended, if it is supervised."""
        while self.supervisor is not None and (self.reached is not None or self.over):
            # Not by an object that needs a running loop: this may be awaited after the loop has ended.
            await self.supervisor.create_future()

    def record(self, call: CallRecord) -> None:
        """Keep the record of a call that ended, and count what it took."""
        self.calls.append(call)
        tokens, cost = (call.prompt_tokens or 0) + (call.completion_tokens or 0), call.cost_usd or 0.0
        self._tokens, self._most_tokens = self._tokens + tokens, max(self._most_tokens, tokens)
        self._cost, self._most_cost = self._cost + cost, max(self._most_cost, cost)
        limits = self.limits
        if limits.tokens is not None and self._tokens > limits.tokens:
            self.reach("tokens", f"it took {self._tokens:,} tokens, more than the {limits.tokens:,} of one episode")
        if limits.cost is not None and self._cost > limits.cost:
            self.reach("cost", f"it cost ${self._cost:.4f}, more than the ${limits.cost:g} of one episode")
        if limits.cost is not None and call.cost_usd is None and call.failure is None:
            self.reach(
                "cost", f"the price of model {call.model} is unknown, so the cost of an episode cannot be limited"
            )

    def count_messages(self, number: int) -> None:
        """Count entries of the transcript.

        Raises:
            LimitReached: they are more than it may have.
        """
        self._messages += number
        most = self.limits.messages
        if most is not None and self._messages > most:
            raise self.reach("messages", f"its transcript has more than the {most:,} messages of one episode")

    def reach(self, limit: str, message: str) -> LimitReached:
        """End the episode: ``message`` says why, and ``limit`` is what to raise where that was meant to be."""
        if self.reached is None:
            self.reached = LimitReached(f"{message} (limits.{limit})")
            self.ended.set()
        return self.reached

    def _check_calls(self) -> None:
        """See whether another call may begin, those in flight taken to take what others took before."""
        limits, flying = self.limits, len(self._in_flight)
        if limits.calls is not None and self._begun >= limits.calls:
            self.reach("calls", f"it asked for more than the {limits.calls:,} calls of one episode")
        tokens = self._tokens + sum(max(expected, self._most_tokens) for expected in self._in_flight)
        if limits.tokens is not None and tokens >= limits.tokens:
            self.reach("tokens", f"it asked for another call after the {limits.tokens:,} tokens of one episode")
        if limits.cost is not None and self._cost + flying * self._most_cost >= limits.cost:
            self.reach("cost", f"it asked for another call after the ${limits.cost:g} of one episode")
