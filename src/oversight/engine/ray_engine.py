"""Episodes on Ray: one asynchronous actor per core, each running many episodes at once.

The pattern and its limits were measured. Actors restart when they die, and their episodes run again on those that
answer: Ray's own retries wait for the same actor, which a lost node may never give back, or else are used up before
it knows that the node is lost. Results come back as return values, because streaming generators lose and double
items when an actor restarts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from datetime import UTC, datetime
from typing import Any

from oversight.calls.gate import CallGate, Gate, GateSettings
from oversight.calls.journal import Call, Journal, Outcome, Recorded
from oversight.digest import digest
from oversight.engine.base import Engine
from oversight.engine.worker import Bundle, Worker
from oversight.errors import FailureClass, OversightError, RunStopped, StopReason, UsageError
from oversight.models.base import ChatReply
from oversight.record import EpisodeOutcome, EpisodeSpec
from oversight.secrets import redact

__all__ = ["RayEngine", "probe"]

_TRIES = 4
"""How often an episode is begun, where its worker dies each time; a fault of its own is an outcome, not a death."""

_LOOK_AGAIN_S = 0.5
_FAR_BEHIND = 8
_WAITING_CALLS = 10_000
_PROBE_S = 5.0

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Under `uv run`, Ray would otherwise ship the whole project and build another environment.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


class RayEngine(Engine):
    """Runs episodes on a Ray cluster: a private one on this machine, or the one at ``address``.

    Args:
        bundle: what the workers need.
        workers: how many actors; by default one per CPU of the cluster.
        concurrency: episodes in flight, over all workers.
        address: of a running cluster, as ``ray start`` prints it.

    Raises:
        UsageError: no cluster answers at ``address``.
    """

    def __init__(
        self, bundle: Bundle, *, workers: int | None = None, concurrency: int = 64, address: str | None = None
    ) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if address is not None:
            # `ray start` turns token authentication on for its cluster; a driver must say that it has the token.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        import ray

        self._ray: Any = ray
        try:
            self._ray.init(
                address=address or "local",
                num_cpus=None if address else workers,
                logging_level=logging.ERROR,
                log_to_driver=False,
                include_dashboard=False if address is None else None,
                configure_logging=True,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"--address {address}: no Ray cluster answers there: {str(error).splitlines()[0]}"
            ) from None
        count = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        actor = ray.remote(_Actor).options(
            num_cpus=1,
            max_concurrency=concurrency + 1,  # all of them where it is the last, and an answer whether it is there
            max_restarts=-1,
            max_task_retries=0,
        )
        gate = _gate_actor(ray, bundle.gate) if bundle.gate is not None else None
        self._journal = bundle.gate.directory if bundle.gate is not None and bundle.gate.replay is None else None
        # Held here for as long as the actors live: one that restarts fetches them again.
        self._needs = [self._ray.put(bundle), gate]
        self._actors: list[Any] = [actor.remote(place) for place in range(count)]
        self._in_flight = [0] * count
        self._down: dict[int, asyncio.Task[None]] = {}
        self._revived = asyncio.Event()
        self._hopeless: OversightError | None = None
        lost = ray.exceptions
        self._lost = (lost.RayActorError, lost.ObjectLostError, lost.OutOfMemoryError)

    async def run(self, spec: EpisodeSpec) -> EpisodeOutcome:
        """Run one episode, again on a worker that answers if its own dies; one that keeps dying has failed."""
        started_at, started = datetime.now(UTC), time.perf_counter()
        reason = ""
        for _ in range(_TRIES):
            place = await self._place(spec)
            self._in_flight[place] += 1
            try:
                outcome: EpisodeOutcome = await self._actors[place].run.remote(spec, self._needs)
                return outcome
            except self._ray.exceptions.RayTaskError as error:
                # Our own errors come back wrapped, with a traceback from another machine as their text.
                raise (error.cause if isinstance(error.cause, OversightError) else error) from None
            except self._lost as error:
                reason = redact(" ".join(str(error).split()))
                if place not in self._down:
                    self._down[place] = asyncio.create_task(self._revive(place))
            finally:
                self._in_flight[place] -= 1
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

    async def _place(self, spec: EpisodeSpec) -> int:
        """The worker that has the fewest episodes, or the question's own if that is not far behind.

        Models that run here keep what they worked out about a question for the next episode on it.
        """
        while len(self._down) == len(self._actors) and self._hopeless is None:
            self._revived.clear()
            await self._revived.wait()
        if self._hopeless is not None:
            raise self._hopeless
        place = min((n for n in range(len(self._actors)) if n not in self._down), key=self._in_flight.__getitem__)
        own = int(digest(spec.question.cluster), 16) % len(self._actors)
        near = own not in self._down and self._in_flight[own] <= self._in_flight[place] + _FAR_BEHIND
        return own if near else place

    async def _revive(self, place: int) -> None:
        """Wait until the worker answers again, which may take a node that joins."""
        while True:
            try:
                await self._actors[place].answer.remote()
                del self._down[place]
                break
            except self._ray.exceptions.ActorDiedError as error:
                # Ray does not start it any more, which is what becomes of one that cannot even begin.
                reason = redact(" ".join(str(error).split()))
                self._hopeless = OversightError(f"a worker cannot be started: {reason}")
                break
            except self._lost:
                await asyncio.sleep(_LOOK_AGAIN_S)
        self._revived.set()

    def close(self) -> None:
        """Shut the private cluster down, or leave the one at ``address``."""
        self._ray.shutdown()
        if self._journal is not None:
            Journal(self._journal).close()  # the gate was killed: fold its log into the file, so that one can be copied


def probe(address: str) -> None:
    """Find out in seconds that nobody answers at ``address``; Ray itself keeps trying for minutes.

    Raises:
        UsageError: nobody does, or it is no address.
    """
    if address.startswith("ray://"):
        raise UsageError(f"--address {address}: run on a node of the cluster, where the store is, and write HOST:PORT")
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        raise UsageError(f"--address {address}: write it as HOST:PORT, as 'ray start' prints it")
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_S).close()
    except OSError as error:
        raise UsageError(f"--address {address}: no Ray cluster answers there: {error.strerror or error}") from None


class _Actor:
    """A worker as a Ray actor; it fetches what it needs, bundle and gate, with the first episode."""

    def __init__(self, place: int) -> None:
        self._place = place
        self._worker: Worker | None = None

    async def answer(self) -> None:
        """Say that there is a worker."""

    async def run(self, spec: EpisodeSpec, needs: list[Any]) -> EpisodeOutcome:
        if self._worker is None:
            bundle, gate = await needs[0], needs[1]
            remote = _RemoteGate(gate) if gate is not None else None
            self._worker = self._worker or Worker(bundle, remote, self._place)
        return await self._worker.run(spec)


def _gate_actor(ray: Any, settings: GateSettings) -> Any:
    """The gate, in a process of its own on the driver's machine, where the store is.

    Raises:
        StoreError: the journal cannot be used, which is found out here and not by each worker.
    """
    CallGate(settings).close()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(_GateActor).options(
        num_cpus=0, max_concurrency=_WAITING_CALLS, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here
    )
    return actor.remote(settings)


class _GateActor:
    """The gate as a Ray actor. It may die and start anew: what it told anybody is on disk."""

    def __init__(self, settings: GateSettings) -> None:
        self._gate = CallGate(settings)

    async def admit(self, call: Call) -> Recorded | RunStopped | None:
        return await self._gate.admit(call)

    async def settle(self, call: Call, outcome: Outcome) -> ChatReply | RunStopped | None:
        return await self._gate.settle(call, outcome)

    async def mark_unreadable(self, record: str, detail: str) -> None:
        await self._gate.mark_unreadable(record, detail)


class _RemoteGate(Gate):
    """The gate's actor as workers see it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def admit(self, call: Call) -> Recorded | RunStopped | None:
        found: Recorded | RunStopped | None = await self._told(self._actor.admit.remote(call))
        return found

    async def settle(self, call: Call, outcome: Outcome) -> ChatReply | RunStopped | None:
        settled: ChatReply | RunStopped | None = await self._told(self._actor.settle.remote(call, outcome))
        return settled

    async def mark_unreadable(self, record: str, detail: str) -> None:
        await self._told(self._actor.mark_unreadable.remote(record, detail))

    async def _told(self, answer: Any) -> Any:
        """What the gate answers; that it cannot be asked any more is no fault of an episode's."""
        from ray.exceptions import RayError

        try:
            return await answer
        except RayError as error:
            reason = str(error).splitlines()[0]
            raise RunStopped(StopReason.STORE, f"the process that keeps completed calls is gone: {reason}") from None
