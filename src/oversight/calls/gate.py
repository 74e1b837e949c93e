"""The one place that every paid call of a run goes through, whichever worker makes it.

Before a call the gate says what is known of it already, or lets it start when the model's limits and the
run's budget allow; after the call it keeps the outcome, durably, before the worker goes on.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from oversight.calls.budget import Budget
from oversight.calls.call_cache import CachedCall, Call, CallCache, CallOutcome
from oversight.calls.limiter import Limiter
from oversight.core.chat import ChatReply
from oversight.errors import FailureClass, RunStopped, StopReason, StoreError

__all__ = ["CallGate", "Gate", "GateSettings", "Limits"]

_REFUSED = frozenset({FailureClass.AUTHENTICATION, FailureClass.UNKNOWN_MODEL})
_GRACE_S = 60.0


class Limits(NamedTuple):
    """What one model's calls are held to, together, in a run.

    Attributes:
        name: the model's, for messages. Settings with the same name and address share their limits.
        most: calls at a time.
        longest_s: seconds after which a call that has not ended is given up for lost.
    """

    name: str
    address: str | None
    most: int
    longest_s: float
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class GateSettings(NamedTuple):
    """What a gate is made from.

    Attributes:
        directory: the store's, where the call cache is.
        run_id: the run whose calls these are.
        limits: by the key of a model's settings.
        max_cost: US dollars that the run may cost in all, earlier executions included.
        replay: a store directory whose calls answer everything; no call is made.
    """

    directory: Path
    run_id: str
    limits: Mapping[str, Limits]
    max_cost: float | None = None
    replay: Path | None = None


class Gate(ABC):
    """What a worker asks of the gate, which may be in another process."""

    @abstractmethod
    async def admit(self, call: Call) -> CachedCall | RunStopped | None:
        """Return the cached outcome; None if the call may start; or the RunStopped that says why no call starts."""

    @abstractmethod
    async def settle(self, call: Call, outcome: CallOutcome) -> ChatReply | RunStopped | None:
        """Keep how a call ended, durably when it returns.

        Returns:
            The reply to use; None if there is none, or why the run stops.
        """

    @abstractmethod
    async def mark_unreadable(self, record: str, detail: str) -> None:
        """Take note that a kept reply could not be read."""


@dataclass
class _Permit:
    """A call under way."""

    call: Call
    limiter: Limiter
    started: float
    expiry: asyncio.TimerHandle


class _Completed(NamedTuple):
    """A call that is to be kept, and where to say that it is."""

    call: Call
    outcome: CallOutcome
    kept: Future[ChatReply | None]


class CallGate(Gate):
    """The gate itself; lives in the driver, or in an actor beside it.

    A permit whose worker died is taken back: when that worker's place is taken by another, or else when the
    call must have ended. Whether such a call was paid for is not known; the budget assumes that it was.

    Raises:
        StoreError: the call cache cannot be used.
    """

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._replaying = settings.replay is not None
        self._reader = CallCache(settings.replay or settings.directory, writable=not self._replaying)
        self._writer = self._reader if self._replaying else CallCache(settings.directory)
        spent = 0.0 if self._replaying else self._reader.spent_usd(settings.run_id)
        self._budget = Budget(settings.max_cost, spent)
        self._limiters: dict[tuple[str, str | None], Limiter] = {}
        self._permits: dict[str, _Permit] = {}
        self._current: dict[str, str] = {}
        self._expired: set[str] = set()
        self._stopped: RunStopped | None = None
        self._lost = 0
        # One thread writes, one thing after the other, whichever waiting task is cancelled meanwhile.
        self._writing = ThreadPoolExecutor(1, "oversight-calls")
        self._completed: SimpleQueue[_Completed] = SimpleQueue()
        self._reclaiming: set[asyncio.Task[None]] = set()

    async def admit(self, call: Call) -> CachedCall | RunStopped | None:
        """See `Gate.admit`."""
        await self._reclaim(call.worker)
        try:
            if found := self._reader.find(call, anything=self._replaying):
                return found
        except StoreError as error:
            return await self._stop(StopReason.STORE, str(error))
        if self._stopped or self._replaying:
            return self._stopped
        if reason := await self._budget.reserve(call.id, call.model, call.most_usd):
            return await self._stop(reason, self._budget.explain(reason))
        limiter = self._limiter(call.model)
        try:
            started = await limiter.enter(call.tokens)
        except BaseException:
            await self._budget.release(call.id)
            raise
        if self._stopped or call.worker in self._expired:  # while this one waited
            limiter.withdraw(started, call.tokens)
            await self._budget.release(call.id)
            return self._stopped
        longest = self._settings.limits[call.model].longest_s + _GRACE_S
        expiry = asyncio.get_running_loop().call_later(longest, self._expire, call.id)
        self._permits[call.id] = _Permit(call, limiter, started, expiry)
        return None

    async def settle(self, call: Call, outcome: CallOutcome) -> ChatReply | RunStopped | None:
        """See `Gate.settle`."""
        if permit := self._permits.pop(call.id, None):
            permit.expiry.cancel()
            used = (outcome.reply.prompt_tokens or 0) + (outcome.reply.completion_tokens or 0) if outcome.reply else 0
            permit.limiter.observe(permit.started, call.tokens, used, outcome.failure, outcome.retry_after)
            permit.limiter.leave()
        try:
            reply = await self._keep(call, outcome) if outcome.reply is not None else None
        except StoreError as error:
            self._lost += 1
            stopped = await self._stop(StopReason.STORE, str(error))
            return RunStopped(stopped.reason, stopped.message, self._lost)
        finally:
            await self._budget.settle(call.id, call.model, outcome)
        name = self._settings.limits[call.model].name
        if outcome.failure in _REFUSED:
            return await self._stop(StopReason.REFUSED, f"model {name}: {outcome.detail}")
        if permit and permit.limiter.is_open:
            return await self._stop(StopReason.UNREACHABLE, f"model {name} does not answer: {outcome.detail}")
        return reply

    async def mark_unreadable(self, record: str, detail: str) -> None:
        """See `Gate.mark_unreadable`."""
        if self._replaying:
            return
        try:
            await asyncio.wrap_future(self._writing.submit(self._writer.mark_unreadable, record, detail))
        except StoreError as error:
            await self._stop(StopReason.STORE, str(error))

    def close(self) -> None:
        """Close the call cache, when all that was handed over is in it."""
        self._writing.shutdown()
        self._reader.close()
        self._writer.close()

    async def _stop(self, reason: StopReason, message: str) -> RunStopped:
        """No call is let in from here on; the first reason counts."""
        self._stopped = self._stopped or RunStopped(reason, message)
        for limiter in self._limiters.values():
            limiter.close()
        await self._budget.stop(self._stopped.reason)
        return self._stopped

    def _limiter(self, model: str) -> Limiter:
        own = self._settings.limits[model]
        place = (own.name, own.address)
        if place not in self._limiters:
            together = [each for each in self._settings.limits.values() if (each.name, each.address) == place]
            self._limiters[place] = Limiter(
                min(each.most for each in together),
                _least(each.requests_per_minute for each in together),
                _least(each.tokens_per_minute for each in together),
            )
        return self._limiters[place]

    async def _reclaim(self, worker: str) -> None:
        """Reclaim the permits of a dead worker: one that was restarted in the same place has another second name."""
        if worker in self._expired:
            return  # it asked before it died
        place = worker.partition(":")[0]
        before, self._current[place] = self._current.get(place, worker), worker
        if before != worker:
            self._expired.add(before)
            for name in [name for name, permit in self._permits.items() if permit.call.worker == before]:
                await self._lose(name)

    def _expire(self, name: str) -> None:
        """Take back what was never told of, for example because the worker's machine is gone."""
        task = asyncio.ensure_future(self._lose(name))
        self._reclaiming.add(task)
        task.add_done_callback(self._reclaiming.discard)

    async def _lose(self, name: str) -> None:
        if permit := self._permits.pop(name, None):
            permit.expiry.cancel()
            permit.limiter.leave()
            await self._budget.lose(name)

    async def _keep(self, call: Call, outcome: CallOutcome) -> ChatReply | None:
        """Write a completed call to disk; those that end while others are written go together, with one fsync."""
        kept: Future[ChatReply | None] = Future()
        self._completed.put(_Completed(call, outcome, kept))
        self._writing.submit(self._write)
        return await asyncio.wrap_future(kept)

    def _write(self) -> None:
        """Write all that has completed; runs in the writing thread."""
        batch: list[_Completed] = []
        while True:
            try:
                batch.append(self._completed.get_nowait())
            except Empty:
                break
        if not batch:
            return  # it went with the one before
        # A reply that no task awaits is written too: it was paid for.
        waited_for = [each.kept.set_running_or_notify_cancel() for each in batch]
        try:
            replies = self._writer.keep(self._settings.run_id, [(each.call, each.outcome) for each in batch])
        except Exception as error:
            for each, waits in zip(batch, waited_for, strict=True):
                if waits:
                    each.kept.set_exception(error)
        else:
            for each, waits, reply in zip(batch, waited_for, replies, strict=True):
                if waits:
                    each.kept.set_result(reply)


def _least(limits: Iterable[float | None]) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)
