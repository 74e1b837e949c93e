"""One execution of an experiment, from its file to its rows in the store."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

from oversight.aio import run_sync
from oversight.engine.base import Engine, LocalEngine
from oversight.engine.budget import Budget
from oversight.engine.drive import Driven, drive
from oversight.engine.ray_engine import RayEngine, probe
from oversight.engine.worker import Bundle
from oversight.errors import OversightError, UsageError
from oversight.experiment.file import Experiment, load_experiment
from oversight.experiment.plan import Plan, PlannedEpisode, build_plan
from oversight.models.binding import Binding
from oversight.store import RunRow, Store, StoreWriter, open_store

__all__ = ["DEFAULT_STORE", "RunResult", "RunSettings", "Watching", "run_experiment"]

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
    """

    store: Path = DEFAULT_STORE
    engine: Literal["local", "ray"] = "ray"
    address: str | None = None
    workers: int | None = None
    concurrency: int = _CONCURRENCY
    max_cost: float | None = None


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
    driven: Driven


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
    _check_reachable(plan, settings)
    # Into a new store nothing is written before its models are ready; an old one first says which are needed.
    bundle = None if settings.store.exists() else _bundle(plan, plan.episodes)
    with StoreWriter.open(settings.store) as writer:
        ids = [planned.spec.episode_id for planned in plan.episodes]
        judged, attempts = writer.judged(ids), writer.attempts(ids)
        pending = [_next_attempt(p, attempts) for p in _interleaved(plan) if p.spec.episode_id not in judged]
        bundle = bundle or _bundle(plan, pending)
        _begin(writer, experiment, plan)
        driven = Driven()
        with _recorded(writer, plan.run_id):
            if pending:
                with _watching(watch, plan, settings.store, len(pending)):
                    driven = _drive(pending, bundle, plan, writer, settings)
        stopped = driven.interrupted or driven.over_budget
        detail = {"judged": driven.judged, "failed": len(driven.failed), "over_budget": driven.over_budget}
        writer.event(plan.run_id, "interrupted" if stopped else "finished", detail)
        return RunResult(plan.run_id, len(plan.episodes), len(judged), driven)


def _check_reachable(plan: Plan, settings: RunSettings) -> None:
    """What would stop the run at once is said before anything is written."""
    for binding in plan.models.values():
        binding.check()
    if settings.address is not None:
        probe(settings.address)


def _interleaved(plan: Plan) -> list[PlannedEpisode]:
    """All arms of one cluster of questions before the next, so that arms are paired whenever a run stops."""
    first: dict[tuple[int, int, str], int] = {}
    for place, planned in enumerate(plan.episodes):
        first.setdefault((planned.spec.seed, planned.spec.repeat, planned.spec.question.cluster), place)
    return sorted(plan.episodes, key=lambda p: first[p.spec.seed, p.spec.repeat, p.spec.question.cluster])


def _next_attempt(planned: PlannedEpisode, attempts: dict[str, int]) -> PlannedEpisode:
    before = attempts.get(planned.spec.episode_id, 0)
    return PlannedEpisode(planned.spec.model_copy(update={"attempt": before}), planned.arm) if before else planned


def _bundle(plan: Plan, pending: Sequence[PlannedEpisode]) -> Bundle:
    """The code and models that the pending episodes need; models train or load here, once."""
    wanted = {key for planned in pending for keys in planned.spec.cast.values() for key in keys}
    return Bundle(plan.protocols, {key: (b, _prepared(b)) for key, b in plan.models.items() if key in wanted})


def _prepared(binding: Binding) -> object:
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
    writer.plan(plan.run_id, [(planned.arm, planned.spec) for planned in plan.episodes], plan.items.values())


def _drive(
    pending: list[PlannedEpisode], bundle: Bundle, plan: Plan, writer: StoreWriter, settings: RunSettings
) -> Driven:
    async def driving(engine: Engine) -> Driven:
        stop = asyncio.Event()
        with _stopped_by_signals(stop):
            return await drive(
                pending,
                engine,
                partial(writer.write, plan.run_id),
                concurrency=settings.concurrency,
                stop=stop,
                budget=_budget(plan.run_id, settings),
            )

    with _engine(bundle, settings) as engine:
        return run_sync(driving(engine))


def _budget(run_id: str, settings: RunSettings) -> Budget:
    """The budget, less what earlier executions of the run have spent."""
    if settings.max_cost is None:
        return Budget(None)
    query = """
        WITH episode AS (
            SELECT sum(cost_usd) AS usd
            FROM plan JOIN calls USING (episode_id)
            WHERE plan.run_id = ?
            GROUP BY episode_id
        )
        SELECT sum(usd) AS spent, max(usd) AS dearest FROM episode
    """
    (row,) = open_store(settings.store).arrow(query, [run_id]).to_pylist()
    return Budget(settings.max_cost, row["spent"] or 0.0, row["dearest"])


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
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
