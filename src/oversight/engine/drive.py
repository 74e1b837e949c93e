"""Driving a run: episodes out to the engine, outcomes back to the store, with back-pressure in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from oversight.engine.base import Engine
from oversight.engine.budget import Budget
from oversight.experiment.plan import PlannedEpisode
from oversight.record import EpisodeOutcome, EpisodeSpec

__all__ = ["Driven", "Record", "drive"]

_BATCH = 256
_BATCH_S = 0.25
_WAITING = 512
"""Outcomes that may wait for the writer before workers are held back."""

Record = Callable[[list[tuple[EpisodeSpec, EpisodeOutcome]]], object]
"""Stores a batch durably; called from one thread at a time."""


@dataclass
class Driven:
    """What became of the episodes that were to be run."""

    judged: int = 0
    failed: list[tuple[EpisodeSpec, EpisodeOutcome]] = field(default_factory=list)
    calls: int = 0
    spent_usd: float = 0.0
    interrupted: bool = False
    over_budget: bool = False
    unpriced: bool = False

    def add(self, spec: EpisodeSpec, outcome: EpisodeOutcome) -> None:
        """Count one outcome."""
        self.calls += len(outcome.calls)
        self.spent_usd += outcome.cost_usd
        if outcome.status == "judged":
            self.judged += 1
        else:
            self.failed.append((spec, outcome))


async def drive(
    episodes: Iterable[PlannedEpisode],
    engine: Engine,
    record: Record,
    *,
    concurrency: int,
    stop: asyncio.Event,
    budget: Budget | None = None,
) -> Driven:
    """Run ``episodes``, at most ``concurrency`` at a time, and record each outcome as it comes.

    When ``stop`` is set, what is in flight is dropped and what has finished is kept. When ``budget``
    admits no further episode, those in flight finish.

    Raises:
        Exception: whatever the engine or ``record`` raised; outcomes until then are recorded.
    """
    driven = Driven()
    waiting: asyncio.Queue[tuple[EpisodeSpec, EpisodeOutcome] | None] = asyncio.Queue()
    pending = deque(episodes)
    allowed = budget or Budget(None)

    async def lane() -> None:
        while pending and await allowed.admit():
            if not pending:
                await allowed.withdraw()
                break
            planned = pending.popleft()
            outcome = await engine.run(planned.spec)
            await allowed.settle(outcome)
            driven.add(planned.spec, outcome)
            # First handed over, then held back: what has finished is kept even if this lane is cancelled here.
            # The pause also gives others their turn, because embedded models never wait for anything.
            waiting.put_nowait((planned.spec, outcome))
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
        driven.over_budget, driven.unpriced = allowed.reached and bool(pending), allowed.unpriced
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


async def _recorder(waiting: asyncio.Queue[tuple[EpisodeSpec, EpisodeOutcome] | None], record: Record) -> None:
    """Collect outcomes into batches and record them, until None comes."""
    ended = False
    while not ended:
        batch: list[tuple[EpisodeSpec, EpisodeOutcome]] = []
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
