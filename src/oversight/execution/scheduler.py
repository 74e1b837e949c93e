"""Scheduling a run: jobs to an engine, outcomes to the store, with back-pressure in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from oversight.core.chat import CacheStatus, CallRecord
from oversight.errors import RunStopped
from oversight.execution.loop_watch import watched_loop

__all__ = ["RunStats", "run_jobs"]

_BATCH = 256
_BATCH_S = 0.25
_WAITING = 512
"""Outcomes that may wait for the writer before workers are held back."""

Job = TypeVar("Job")


class SchedulerOutcome(Protocol):
    """What a job leaves behind."""

    @property
    def status(self) -> str:
        """``judged`` or ``failed``."""

    @property
    def calls(self) -> tuple[CallRecord, ...]:
        """Every attempt at a model call."""


Done = TypeVar("Done", bound=SchedulerOutcome)


@dataclass
class RunStats(Generic[Job, Done]):
    """What became of the episodes that were to be run, or judged again.

    Attributes:
        judged: how many have a verdict.
        failed: those that failed.
        calls: attempts at model calls that were made for them, and what those cost.
        interrupted: whether it was stopped from outside.
        stopped: why no further call was made, if so.
        notices: what was odd about replies that were used all the same: a line for each model and kind of oddity.
    """

    judged: int = 0
    failed: list[tuple[Job, Done]] = field(default_factory=list)
    calls: int = 0
    spent_usd: float = 0.0
    interrupted: bool = False
    stopped: RunStopped | None = None
    notices: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, job: Job, outcome: Done) -> None:
        """Count one outcome."""
        made = [call for call in outcome.calls if call.origin is CacheStatus.MISS]
        self.calls += len(made)
        self.spent_usd += sum(call.cost_usd or 0.0 for call in made)
        for call in made:
            for notice in (call.notice or "").splitlines():
                # A kind of oddity ends at the colon; its reason may differ from call to call.
                kind = notice.partition(":")[0]
                self.notices.setdefault((call.model, kind), f"model {call.model}: {notice}")
        if outcome.status == "judged":
            self.judged += 1
        else:
            self.failed.append((job, outcome))

    def include(self, other: RunStats[Job, Done]) -> None:
        """Count what became of others as well."""
        self.judged += other.judged
        self.failed += other.failed
        self.calls += other.calls
        self.spent_usd += other.spent_usd
        self.interrupted |= other.interrupted
        self.stopped = self.stopped or other.stopped
        self.notices = {**other.notices, **self.notices}


async def run_jobs(
    jobs: Iterable[Job],
    perform: Callable[[Job], Awaitable[Done]],
    record: Callable[[list[tuple[Job, Done]]], object],
    *,
    concurrency: int,
    stop: asyncio.Event,
) -> RunStats[Job, Done]:
    """Do ``jobs``, at most ``concurrency`` at a time, and record each outcome as it comes.

    ``record`` stores a batch durably; it is called from one thread at a time.

    When ``stop`` is set, what is in flight is dropped and what has finished is kept. When no further call is
    made, the episodes that need none finish.

    Raises:
        Exception: whatever ``perform`` or ``record`` raised; outcomes until then are recorded.
    """
    with watched_loop():
        return await _drive(jobs, perform, record, concurrency, stop)


async def _drive(
    jobs: Iterable[Job],
    perform: Callable[[Job], Awaitable[Done]],
    record: Callable[[list[tuple[Job, Done]]], object],
    concurrency: int,
    stop: asyncio.Event,
) -> RunStats[Job, Done]:
    driven: RunStats[Job, Done] = RunStats()
    waiting: asyncio.Queue[tuple[Job, Done] | None] = asyncio.Queue()
    pending = iter(jobs)

    async def lane() -> None:
        for job in pending:
            if driven.stopped is not None:
                return
            try:
                outcome = await perform(job)
            except RunStopped as error:
                if driven.stopped is None or driven.stopped.lost < error.lost:
                    driven.stopped = error
                return
            driven.add(job, outcome)
            # First handed over, then held back: what has finished is kept even if this lane is cancelled here.
            # The pause also gives others their turn, because embedded models never wait for anything.
            waiting.put_nowait((job, outcome))
            await asyncio.sleep(0)
            while waiting.qsize() >= _WAITING:
                await asyncio.sleep(_BATCH_S)

    recorder = asyncio.create_task(_recorder(waiting, record))
    running = asyncio.gather(*(lane() for _ in range(concurrency)))
    stopped = asyncio.create_task(stop.wait())
    try:
        endings: set[asyncio.Future[Any]] = {running, stopped, recorder}
        await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        driven.interrupted = stop.is_set()
        if running.done() and (error := running.exception()) is not None:
            raise error
    finally:
        running.cancel()
        stopped.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if not recorder.done():
            waiting.put_nowait(None)
        await recorder
    return driven


async def _recorder(
    waiting: asyncio.Queue[tuple[Job, Done] | None], record: Callable[[list[tuple[Job, Done]]], object]
) -> None:
    """Collect outcomes into batches and record them, until None comes."""
    ended = False
    while not ended:
        batch: list[tuple[Job, Done]] = []
        try:
            async with asyncio.timeout(None) as patience:
                while len(batch) < _BATCH and not ended:
                    got = await waiting.get()
                    ended = got is None
                    batch += [got] if got is not None else []
                    if len(batch) == 1:
                        patience.reschedule(asyncio.get_running_loop().time() + _BATCH_S)
        except TimeoutError:
            pass
        if batch:
            await asyncio.to_thread(record, batch)
