"""One execution of an experiment, from its file to its rows in the store."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from oversight.aio import run_sync
from oversight.calls.gate import GateSettings, Limits
from oversight.calls.journal import JOURNAL
from oversight.engine.base import Engine, LocalEngine
from oversight.engine.drive import Driven, drive
from oversight.engine.ray_engine import RayEngine, probe
from oversight.engine.worker import Bundle
from oversight.errors import OversightError, UsageError
from oversight.experiment.file import Experiment, load_experiment
from oversight.experiment.plan import Plan, PlannedEpisode, build_plan
from oversight.models.binding import Binding
from oversight.record import EpisodeOutcome, EpisodeSpec
from oversight.store import RunRow, Store, StoreWriter, open_store

__all__ = [
    "DEFAULT_STORE",
    "RunResult",
    "RunSettings",
    "Watching",
    "gate_settings",
    "prepared",
    "run_experiment",
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


class RunResult(NamedTuple):
    """What an execution did.

    Attributes:
        run_id: the same for every execution of the same experiment.
        planned: episodes the experiment asks for.
        already: how many of them were judged before.
        driven: what became of the others.
    """

    run_id: str
    planned: int
    already: int
    driven: EpisodesDriven


class Watching(NamedTuple):
    """What somebody who watches a run is told: its size, and the store to read the rest from."""

    run_id: str
    planned: int
    pending: int
    store: Store


Watch = Callable[[Watching], Iterator[None]]
"""A generator function that shows progress: it starts, yields once while episodes run, and cleans up."""


def run_experiment(
    path: Path | str,
    settings: RunSettings = RunSettings(),
    *,
    overrides: Iterable[str] = (),
    limit: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    watch: Watch | None = None,
) -> RunResult:
    """Run an experiment file, or what of it has not been run yet.

    Args:
        path: the experiment file.
        settings: how to execute it.
        overrides: ``key=value`` changes to the file.
        limit: keep that many questions of each task.
        repeats: how often each episode is run, instead of what the file says.
        seed: instead of the file's.
        watch: shows progress.

    Raises:
        UsageError: the file, a setting, a plugin or a model cannot be used; nothing was run.
        StoreError: the store cannot be opened or written.
    """
    experiment = load_experiment(Path(path), overrides, repeats=repeats, seed=seed)
    plan = build_plan(experiment, limit)
    if settings.address is not None:
        probe(settings.address)
    if settings.replay is not None and not (settings.replay / JOURNAL).is_file():
        raise UsageError(f"--replay {settings.replay}: no calls were kept there: give the directory of a store")
    # Into a new store nothing is written before its models are ready; an old one first says which are needed.
    bundle = None if settings.store.exists() else _bundle(plan, plan.episodes, settings)
    with StoreWriter.open(settings.store) as writer:
        ids = [planned.spec.episode_id for planned in plan.episodes]
        judged, attempts = writer.judged(ids), writer.attempts(ids)
        pending = [_next_attempt(p, attempts) for p in _interleaved(plan) if p.spec.episode_id not in judged]
        bundle = bundle or _bundle(plan, pending, settings)
        _begin(writer, experiment, plan)
        driven: EpisodesDriven = Driven()
        with _recorded(writer, plan.run_id):
            if pending:
                with _watching(watch, plan, settings.store, len(pending)):
                    driven = _drive(pending, bundle, plan, writer, settings)
        stopped = driven.stopped.reason.value if driven.stopped else None
        detail = {"judged": driven.judged, "failed": len(driven.failed), "stopped": stopped}
        writer.event(plan.run_id, "interrupted" if driven.interrupted or stopped else "finished", detail)
        return RunResult(plan.run_id, len(plan.episodes), len(judged), driven)


def _interleaved(plan: Plan) -> list[PlannedEpisode]:
    """All arms of one cluster of questions before the next, so that arms are paired whenever a run stops."""
    first: dict[tuple[int, int, str], int] = {}
    for place, planned in enumerate(plan.episodes):
        first.setdefault((planned.spec.seed, planned.spec.repeat, planned.spec.question.cluster), place)
    return sorted(plan.episodes, key=lambda p: first[p.spec.seed, p.spec.repeat, p.spec.question.cluster])


def _next_attempt(planned: PlannedEpisode, attempts: dict[str, int]) -> PlannedEpisode:
    before = attempts.get(planned.spec.episode_id, 0)
    return PlannedEpisode(planned.spec.model_copy(update={"attempt": before}), planned.arm) if before else planned


def _bundle(plan: Plan, pending: Sequence[PlannedEpisode], settings: RunSettings) -> Bundle:
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


def _begin(writer: StoreWriter, experiment: Experiment, plan: Plan) -> None:
    writer.begin(
        RunRow(
            run_id=plan.run_id,
            name=experiment.file.name,
            experiment=experiment.data,
            plugins={arm.label: arm.protocol.version for arm in plan.arms},
            seed=experiment.file.seed,
            created_at=datetime.now(UTC),
            oversight_version=version("oversight"),
        )
    )
    writer.plan(
        plan.run_id, [(planned.arm, planned.spec) for planned in plan.episodes], plan.items.values(), plan.restricted
    )


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
def _recorded(writer: StoreWriter, run_id: str) -> Iterator[None]:
    """The run's log says when it started, and that it failed if the machinery did."""
    writer.event(run_id, "started")
    try:
        yield
    except BaseException as error:
        writer.event(run_id, "failed", {"error": type(error).__name__})
        raise


@contextmanager
def _watching(watch: Watch | None, plan: Plan, store: Path, pending: int) -> Iterator[None]:
    if watch is None:
        yield
        return
    with contextmanager(watch)(Watching(plan.run_id, len(plan.episodes), pending, open_store(store))):
        yield
