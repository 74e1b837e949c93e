"""Episodes on Ray: one asynchronous actor per core, each running many episodes at once.

The pattern and its limits were measured. Actors restart and their episodes run again when one dies; results
come back as return values, because streaming generators lose and double items when an actor restarts.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from oversight.calls.gate import CallGate, Gate, GateSettings
from oversight.calls.journal import Call, Outcome, Recorded
from oversight.digest import digest
from oversight.engine.base import Engine
from oversight.engine.worker import Bundle, Worker
from oversight.errors import OversightError, RunStopped, StopReason, UsageError
from oversight.models.base import ChatReply
from oversight.record import EpisodeOutcome, EpisodeSpec

__all__ = ["RayEngine", "probe"]

_EPISODE_RETRIES = 3
"""How often an episode runs again because its worker died; a fault of its own is an outcome, not a death."""

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
            max_concurrency=max(1, -(-concurrency // count)),
            max_restarts=-1,
            max_task_retries=_EPISODE_RETRIES,
        )
        gate = _gate_actor(ray, bundle.gate) if bundle.gate is not None else None
        # Held here for as long as the actors live: one that restarts fetches them again.
        self._needs = [self._ray.put(bundle), gate]
        self._actors: list[Any] = [actor.remote(place) for place in range(count)]
        self._in_flight = [0] * count

    async def run(self, spec: EpisodeSpec) -> EpisodeOutcome:
        """Run one episode on the worker that has the fewest, or on its question's own if that is not far behind.

        Models that run here keep what they worked out about a question for the next episode on it.
        """
        place = self._in_flight.index(min(self._in_flight))
        own = int(digest(spec.question.cluster), 16) % len(self._actors)
        if self._in_flight[own] <= self._in_flight[place] + _FAR_BEHIND:
            place = own
        self._in_flight[place] += 1
        try:
            outcome: EpisodeOutcome = await self._actors[place].run.remote(spec, self._needs)
            return outcome
        except self._ray.exceptions.RayTaskError as error:
            # Our own errors come back wrapped, with a traceback from another machine as their text.
            raise (error.cause if isinstance(error.cause, OversightError) else error) from None
        finally:
            self._in_flight[place] -= 1

    def close(self) -> None:
        """Shut the private cluster down, or leave the one at ``address``."""
        self._ray.shutdown()


def probe(address: str) -> None:
    """Find out in seconds that nobody answers at ``address``; Ray itself keeps trying for minutes.

    Raises:
        UsageError: nobody does, or it is no address.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
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
