"""The episodes of a plan that are not judged yet: run, and into an open store."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from oversight.calls.gate import GateSettings, Limits
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.errors import OversightError, UsageError
from oversight.execution.engine import Engine, LocalEngine
from oversight.execution.lost_calls import warn_of_lost_calls
from oversight.execution.ray_engine import RayEngine
from oversight.execution.scheduler import RunStats, run_jobs
from oversight.execution.worker import Bundle
from oversight.experiment.arm import PlannedEpisode
from oversight.experiment.plan import Plan
from oversight.models.binding import Binding
from oversight.store import Store, StoreWriter, open_store
from oversight.util.aio import run_sync
from oversight.util.describe import describe_error
from oversight.util.interrupts import stopped_by_signals

__all__ = [
    "DEFAULT_STORE",
    "EpisodeStats",
    "PendingEpisodes",
    "ProgressHook",
    "RunSettings",
    "RunView",
    "bundle_for",
    "find_pending",
    "gate_settings",
    "prepared",
    "run_pending",
]

DEFAULT_STORE = Path("oversight-store")

_CONCURRENCY = 64
MOST_IN_FLIGHT = 10_000
"""Episodes at once; each holds its transcript and a coroutine in memory."""
MOST_WORKERS = 10_000


@dataclass(frozen=True)
class RunSettings:
    """How to execute an experiment; nothing in here changes what its episodes are.

    Attributes:
        store: the store's directory.
        engine: ``ray``, or ``local`` for this process alone.
        address: of a running Ray cluster; None starts a private one.
        workers: Ray actors; by default one per CPU.
        concurrency: episodes in flight at once.
        max_cost: US dollars this run may cost altogether, earlier executions included.
        replay: a store directory; every call is answered from what it holds, and none is made.
        keep_going: whether an arm that fails in its dry run is run all the same, and its failures stored.
    """

    store: Path = DEFAULT_STORE
    engine: Literal["local", "ray"] = "ray"
    address: str | None = None
    workers: int | None = None
    concurrency: int = _CONCURRENCY
    max_cost: float | None = None
    replay: Path | None = None
    keep_going: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers beyond reason before anything is started for them."""
        for name, most in (("concurrency", MOST_IN_FLIGHT), ("workers", MOST_WORKERS)):
            count = getattr(self, name)
            if count is not None and not 1 <= count <= most:
                raise UsageError(f"{name}: {count:,} is not between 1 and {most:,}")
        if self.max_cost is not None and not 0 <= self.max_cost < math.inf:
            raise UsageError(f"max-cost: {self.max_cost:g} US dollars is no bound")


EpisodeStats: TypeAlias = RunStats[EpisodeSpec, EpisodeOutcome]


class RunView(NamedTuple):
    """What a progress hook is told of a run: its size, and the store to read the rest from."""

    run_id: str
    planned: int
    pending: int
    store: Store


ProgressHook = Callable[[RunView], Iterator[None]]
"""A generator function that shows progress: it starts, yields once while episodes run, and cleans up."""


class PendingEpisodes(NamedTuple):
    """What is left to run of a plan.

    Attributes:
        already: how many of its episodes had been judged before.
        episodes: the others.
        bundle: the code and models that they need, made ready.
    """

    already: int
    episodes: list[PlannedEpisode]
    bundle: Bundle


def find_pending(
    writer: StoreWriter, plan: Plan, settings: RunSettings, bundle: Bundle | None = None
) -> PendingEpisodes:
    """See which episodes of a plan are not judged yet, and make their models ready unless a bundle is.

    Raises:
        UsageError: a model cannot be used.
    """
    ids = [planned.episode_id for planned in plan.episodes]
    judged, attempts = writer.judged(ids), writer.attempts(ids)
    pending = [_next_attempt(p, attempts) for p in _interleaved(plan) if p.episode_id not in judged]
    return PendingEpisodes(len(judged), pending, bundle or bundle_for(plan, pending, settings))


def run_pending(
    writer: StoreWriter, plan: Plan, pending: PendingEpisodes, settings: RunSettings, watch: ProgressHook | None = None
) -> EpisodeStats:
    """Run what is left of a plan that the open store has already."""
    if not pending.episodes:
        return RunStats()
    warn_of_lost_calls(pending.bundle.gate)
    with _watching(watch, plan, settings.store, len(pending.episodes)):
        return _drive(pending.episodes, pending.bundle, plan, writer, settings)


def _interleaved(plan: Plan) -> list[PlannedEpisode]:
    """All arms of one cluster of questions before the next, so that arms are paired whenever a run stops."""
    first: dict[tuple[int, int, str], int] = {}
    for place, planned in enumerate(plan.episodes):
        first.setdefault((planned.seating.seed, planned.seating.repeat, planned.question.cluster), place)
    return sorted(plan.episodes, key=lambda p: first[p.seating.seed, p.seating.repeat, p.question.cluster])


def _next_attempt(planned: PlannedEpisode, attempts: dict[str, int]) -> PlannedEpisode:
    before = attempts.get(planned.episode_id, 0)
    return planned.tried(before) if before else planned


def bundle_for(plan: Plan, pending: Sequence[PlannedEpisode], settings: RunSettings) -> Bundle:
    """The code and models that the pending episodes need; models train or load here, once."""
    seatings = {id(planned.seating): planned.seating for planned in pending}
    wanted = {key for seating in seatings.values() for keys in seating.cast.values() for key in keys}
    models = {key: binding for key, binding in plan.models.items() if key in wanted}
    if settings.replay is None:
        for binding in models.values():
            binding.check()
    ready = {key: (binding, prepared(binding)) for key, binding in models.items()}
    return Bundle(plan.protocols, ready, gate_settings(plan.run_id, models, settings))


def gate_settings(run_id: str, models: Mapping[str, Binding], settings: RunSettings) -> GateSettings | None:
    """What the calls of these models are held to; None if none of them costs anything."""
    limits = {
        key: Limits(
            model.model,
            model.address,
            model.max_concurrency or settings.concurrency,
            model.longest_s,
            model.requests_per_minute,
            model.tokens_per_minute,
        )
        for key, (cls, model) in ((key, binding.checked()) for key, binding in models.items())
        if cls.metered
    }
    if not limits:
        return None
    replay = settings.replay.absolute() if settings.replay else None
    return GateSettings(settings.store.absolute(), run_id, limits, settings.max_cost, replay)


def prepared(binding: Binding) -> object:
    """What a model needs before its first call, done once for all workers.

    Raises:
        UsageError: it cannot be done.
    """
    try:
        return binding.prepare()
    except OversightError:
        raise
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())
        message = f"model '{binding.name}' cannot be made ready: {type(error).__name__}: {reason}"
        raise UsageError(message) from error


def _drive(
    pending: list[PlannedEpisode], bundle: Bundle, plan: Plan, writer: StoreWriter, settings: RunSettings
) -> EpisodeStats:
    async def driving(engine: Engine) -> EpisodeStats:
        stop = asyncio.Event()
        with stopped_by_signals(stop):
            return await run_jobs(
                (planned.spec for planned in pending),
                engine.run,
                partial(writer.write, plan.run_id),
                concurrency=settings.concurrency,
                stop=stop,
            )

    try:
        with _engine(bundle, settings) as engine:
            return run_sync(driving(engine))
    except SystemExit as error:
        # Nothing of ours asks for that: a task that a plugin made for itself does.
        raise UsageError(f"a plugin tried to end the process: {describe_error(error)}") from error


def _engine(bundle: Bundle, settings: RunSettings) -> Engine:
    if settings.engine == "local":
        return LocalEngine(bundle)
    return RayEngine(bundle, workers=settings.workers, concurrency=settings.concurrency, address=settings.address)


@contextmanager
def _watching(watch: ProgressHook | None, plan: Plan, store: Path, pending: int) -> Iterator[None]:
    if watch is None:
        yield
        return
    with contextmanager(watch)(RunView(plan.run_id, len(plan.episodes), pending, open_store(store))):
        yield
