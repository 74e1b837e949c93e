"""Episodes on Ray: one asynchronous actor per core, each running many episodes at once.

The pattern and its limits were measured. Actors restart when they die, and their episodes run again on those that
answer: Ray's own retries wait for the same actor, which a lost node may never give back, or else are used up before
it knows that the node is lost. Results come back as return values, because streaming generators lose and double
items when an actor restarts.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from oversight.calls.call_cache import CachedCall, Call, CallCache, CallOutcome
from oversight.calls.gate import CallGate, Gate, GateSettings
from oversight.core.chat import ChatReply
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.errors import FailureClass, OversightError, RunStopped, StopReason
from oversight.execution.engine import Engine
from oversight.execution.loop_watch import LoopBlock, LoopWatch
from oversight.execution.ray_cluster import RayCluster
from oversight.execution.ray_workers import RayWorkers, WorkerLost
from oversight.execution.worker import Bundle, Worker

__all__ = ["RayEngine"]

_TRIES = 4
"""How often an episode is begun, where its worker dies each time; a fault of its own is an outcome, not a death."""

_WAITING_CALLS = 10_000
_CONTROL_CALLS = 8


class RayEngine(Engine):
    """Runs episodes on a Ray cluster: a private one on this machine, or the one at ``address``.

    Args:
        bundle: what the workers need.
        workers: how many actors; by default one per CPU of the cluster.
        concurrency: episodes in flight, over all workers.
        address: of a running cluster, as ``ray start`` prints it.

    Raises:
        UsageError: no cluster answers at ``address``.
        StoreError: the record of calls cannot be used.
    """

    def __init__(
        self, bundle: Bundle, *, workers: int | None = None, concurrency: int = 64, address: str | None = None
    ) -> None:
        if bundle.gate is not None:
            CallGate(bundle.gate).close()  # so that an unusable call cache is found out before anything starts
        self._cluster = RayCluster(address, workers)
        self._task_error = self._cluster.ray.exceptions.RayTaskError
        self._calls_in = bundle.gate.directory if bundle.gate is not None and bundle.gate.replay is None else None
        try:
            self._workers = self._started(bundle, workers or max(1, self._cluster.cpus), concurrency)
        except BaseException:
            self._cluster.close()
            raise

    def _started(self, bundle: Bundle, count: int, concurrency: int) -> RayWorkers:
        """Ask for the workers and the gate; they start when the cluster has room for them."""
        ray = self._cluster.ray
        actor = ray.remote(_Actor).options(
            num_cpus=1,
            max_concurrency=concurrency + _CONTROL_CALLS,  # all of them where it is the last, and some questions
            max_restarts=-1,
            max_task_retries=0,
        )
        gate = _gate_actor(ray, bundle.gate) if bundle.gate is not None else None
        # Held here for as long as the actors live: one that restarts fetches them again.
        needs = self._needs = [ray.put(bundle), gate]

        async def send(worker: Any, ticket: int, spec: EpisodeSpec) -> EpisodeOutcome | None:
            outcome: EpisodeOutcome | None = await worker.run.remote(ticket, spec, needs)
            return outcome

        return RayWorkers(self._cluster, [actor.remote(place) for place in range(count)], send)

    async def run(self, spec: EpisodeSpec) -> EpisodeOutcome:
        """Run one episode, again on a worker that answers if its own dies; one that keeps dying has failed."""
        started_at, started = datetime.now(UTC), time.perf_counter()
        reason = ""
        for _ in range(_TRIES):
            try:
                return await self._workers.run(spec)
            except self._task_error as error:
                # Our own errors come back wrapped, with a traceback from another machine as their text.
                raise (error.cause if isinstance(error.cause, OversightError) else error) from None
            except WorkerLost as error:
                reason = str(error)
        return EpisodeOutcome(
            episode_id=spec.episode_id,
            attempt=spec.attempt,
            status="failed",
            started_at=started_at,
            duration_s=time.perf_counter() - started,
            messages=(),
            calls=(),
            sides=(),
            failure=FailureClass.PLUGIN.value,
            detail=f"its worker's process died {_TRIES} times while it ran: {reason}",
        )

    def close(self) -> None:
        """Shut the private cluster down, or leave the one at ``address``."""
        self._cluster.close()
        if self._calls_in is not None:
            CallCache(
                self._calls_in
            ).close()  # the gate was killed: fold its log into the file, so that one can be copied


class _Actor:
    """A worker as a Ray actor; it fetches what it needs, bundle and gate, with the first episode.

    Episodes run on a loop in a thread of their own. Ray's loop only hands them over, so that it answers whatever they
    do: one that is blocked takes no further calls, not even those of another concurrency group.
    """

    def __init__(self, place: int) -> None:
        self._place = place
        self._worker: Worker | None = None
        self._watch: LoopWatch | None = None
        self._guard = threading.Lock()
        self._begun: set[int] = set()
        self._withdrawn: set[int] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._turn, name="oversight-episodes", daemon=True).start()

    async def blocked(self) -> LoopBlock | None:
        """Answer that there is a worker, and what its episodes' loop is busy with, if it does not come round."""
        return self._watch.blocked if self._watch is not None else None

    async def withdraw(self, tickets: Collection[int]) -> list[int]:
        """Never begin these episodes; returns which have not begun, and so can be run elsewhere."""
        with self._guard:
            withdrawn = [ticket for ticket in tickets if ticket not in self._begun]
            self._withdrawn.update(withdrawn)
        return withdrawn

    async def run(self, ticket: int, spec: EpisodeSpec, needs: list[Any]) -> EpisodeOutcome | None:
        """Run an episode; None if it was withdrawn."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._run(ticket, spec, needs), self._loop))

    async def _run(self, ticket: int, spec: EpisodeSpec, needs: list[Any]) -> EpisodeOutcome | None:
        self._watch = self._watch or LoopWatch()
        if self._worker is None:
            bundle, gate = await needs[0], needs[1]
            remote = _RemoteGate(gate) if gate is not None else None
            self._worker = self._worker or Worker(bundle, remote, self._place)
        with self._guard:
            if ticket in self._withdrawn:
                return None
            self._begun.add(ticket)
        return await self._worker.run(spec)

    def _turn(self) -> None:
        """Run the loop for as long as the process lives; a plugin's ``sys.exit`` in a task of its own ends neither."""
        asyncio.set_event_loop(self._loop)
        while True:
            with suppress(SystemExit):
                self._loop.run_forever()


def _gate_actor(ray: Any, settings: GateSettings) -> Any:
    """The gate, in a process of its own on the driver's machine, where the store is."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(_GateActor).options(
        num_cpus=0, max_concurrency=_WAITING_CALLS, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here
    )
    return actor.remote(settings)


class _GateActor:
    """The gate as a Ray actor. It may be restarted: every answer that it gave is on disk."""

    def __init__(self, settings: GateSettings) -> None:
        self._gate = CallGate(settings)

    async def admit(self, call: Call) -> CachedCall | RunStopped | None:
        return await self._gate.admit(call)

    async def settle(self, call: Call, outcome: CallOutcome) -> ChatReply | RunStopped | None:
        return await self._gate.settle(call, outcome)

    async def mark_unreadable(self, record: str, detail: str) -> None:
        await self._gate.mark_unreadable(record, detail)


class _RemoteGate(Gate):
    """The gate's actor as workers see it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def admit(self, call: Call) -> CachedCall | RunStopped | None:
        found: CachedCall | RunStopped | None = await self._told(self._actor.admit.remote(call))
        return found

    async def settle(self, call: Call, outcome: CallOutcome) -> ChatReply | RunStopped | None:
        settled: ChatReply | RunStopped | None = await self._told(self._actor.settle.remote(call, outcome))
        return settled

    async def mark_unreadable(self, record: str, detail: str) -> None:
        await self._told(self._actor.mark_unreadable.remote(record, detail))

    async def _told(self, answer: Any) -> Any:
        """What the gate answers; an unreachable gate is not a failure of the episode."""
        from ray.exceptions import RayError

        try:
            return await answer
        except RayError as error:
            reason = str(error).splitlines()[0]
            raise RunStopped(StopReason.STORE, f"the process that keeps completed calls is gone: {reason}") from None
