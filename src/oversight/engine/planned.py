"""The episodes of a plan that are not judged yet: run, and into an open store."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from oversight.aio import run_sync
from oversight.calls.gate import GateSettings, Limits
from oversight.engine.base import Engine, LocalEngine
from oversight.engine.drive import Driven, drive
from oversight.engine.ray_engine import RayEngine
from oversight.engine.worker import Bundle
from oversight.errors import OversightError, UsageError
from oversight.experiment.plan import Plan, PlannedEpisode
from oversight.models.binding import Binding
from oversight.record import EpisodeOutcome, EpisodeSpec
from oversight.store import Store, StoreWriter, open_store

__all__ = [
    "DEFAULT_STORE",
    "EpisodesDriven",
    "Pending",
    "RunSettings",
    "Watch",
    "Watching",
    "bundle_for",
    "find_pending",
    "gate_settings",
    "prepared",
    "run_pending",
    "stopped_by_signals",
]

DEFAULT_STORE = Path("oversight-store")

_CONCURRENCY = 64


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
    """

    store: Path = DEFAULT_STORE
    engine: Literal["local", "ray"] = "ray"
    address: str | None = None
    workers: int | None = None
    concurrency: int = _CONCURRENCY
    max_cost: float | None = None
    replay: Path | None = None


EpisodesDriven: TypeAlias = Driven[EpisodeSpec, EpisodeOutcome]


class Watching(NamedTuple):
    """What somebody who watches a run is told: its size, and the store to read the rest from."""

    run_id: str
    planned: int
    pending: int
    store: Store


Watch = Callable[[Watching], Iterator[None]]
"""A generator function that shows progress: it starts, yields once while episodes run, and cleans up."""


class Pending(NamedTuple):
    """What is left to run of a plan.

    Attributes:
        already: how many of its episodes had been judged before.
        episodes: the others.
        bundle: the code and models that they need, made ready.
    """

    already: int
    episodes: list[PlannedEpisode]
    bundle: Bundle


def find_pending(writer: StoreWriter, plan: Plan, settings: RunSettings, bundle: Bundle | None = None) -> Pending:
    """See which episodes of a plan are not judged yet, and make their models ready unless a bundle is.

    Raises:
        UsageError: a model cannot be used.
    """
    ids = [planned.spec.episode_id for planned in plan.episodes]
    judged, attempts = writer.judged(ids), writer.attempts(ids)
    pending = [_next_attempt(p, attempts) for p in _interleaved(plan) if p.spec.episode_id not in judged]
    return Pending(len(judged), pending, bundle or bundle_for(plan, pending, settings))


def run_pending(
    writer: StoreWriter, plan: Plan, pending: Pending, settings: RunSettings, watch: Watch | None = None
) -> EpisodesDriven:
    """Run what is left of a plan that the open store has already."""
    if not pending.episodes:
        return Driven()
    with _watching(watch, plan, settings.store, len(pending.episodes)):
        return _drive(pending.episodes, pending.bundle, plan, writer, settings)


def _interleaved(plan: Plan) -> list[PlannedEpisode]:
    """All arms of one cluster of questions before the next, so that arms are paired whenever a run stops."""
    first: dict[tuple[int, int, str], int] = {}
    for place, planned in enumerate(plan.episodes):
        first.setdefault((planned.spec.seed, planned.spec.repeat, planned.spec.question.cluster), place)
    return sorted(plan.episodes, key=lambda p: first[p.spec.seed, p.spec.repeat, p.spec.question.cluster])


def _next_attempt(planned: PlannedEpisode, attempts: dict[str, int]) -> PlannedEpisode:
    before = attempts.get(planned.spec.episode_id, 0)
    return PlannedEpisode(planned.spec.model_copy(update={"attempt": before}), planned.arm) if before else planned


def bundle_for(plan: Plan, pending: Sequence[PlannedEpisode], settings: RunSettings) -> Bundle:
    """The code and models that the pending episodes need; models train or load here, once."""
    wanted = {key for planned in pending for keys in planned.spec.cast.values() for key in keys}
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
    except Exception as error:
        reason = " ".join(str(error).split())
        message = f"model '{binding.name}' cannot be made ready: {type(error).__name__}: {reason}"
        raise UsageError(message) from error


def _drive(
    pending: list[PlannedEpisode], bundle: Bundle, plan: Plan, writer: StoreWriter, settings: RunSettings
) -> EpisodesDriven:
    async def driving(engine: Engine) -> EpisodesDriven:
        stop = asyncio.Event()
        with stopped_by_signals(stop):
            return await drive(
                [planned.spec for planned in pending],
                engine.run,
                partial(writer.write, plan.run_id),
                concurrency=settings.concurrency,
                stop=stop,
            )

    with _engine(bundle, settings) as engine:
        return run_sync(driving(engine))


@contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set ``stop``; in a notebook's thread they keep their usual meaning."""
    signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _engine(bundle: Bundle, settings: RunSettings) -> Engine:
    if settings.engine == "local":
        return LocalEngine(bundle)
    return RayEngine(bundle, workers=settings.workers, concurrency=settings.concurrency, address=settings.address)


@contextmanager
def _watching(watch: Watch | None, plan: Plan, store: Path, pending: int) -> Iterator[None]:
    if watch is None:
        yield
        return
    with contextmanager(watch)(Watching(plan.run_id, len(plan.episodes), pending, open_store(store))):
        yield
