"""The workers of a run on Ray: which have started, which answer, and which one gets the next episode.

Episodes go only to workers that have answered and whose event loop comes round. A worker that has not started, that
does not answer, or that a plugin blocks gets none, and what is queued there and has not begun goes to another.
"""

from __future__ import annotations

import asyncio
import re
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.errors import OversightError, UsageError
from oversight.execution.loop_watch import BlockedLoops, LoopBlock
from oversight.execution.ray_cluster import RayCluster
from oversight.util.digest import digest
from oversight.util.secrets import redact

__all__ = ["RayWorkers", "WorkerLost"]

SAY_AFTER_S = 15.0
"""How long workers may take to start, or all of them be away, before a person is told."""

START_WITHIN_S = 60.0
"""How long to wait for a first worker, and how long one may take before it is said to be missing."""

GONE_FOR_S = 300.0
"""How long to wait for a worker after all have gone: a node may be on its way."""

_TOGETHER_S = 3.0
"""How much later than the first a worker may start and still get its share of the first episodes."""

_LOOK_S = 0.1
_ASK_EVERY_S = 1.0
_SILENT_S = 10.0
_BLOCKED_S = 3.0
"""From when on a blocked worker gets no episodes."""

_FAR_BEHIND = 8
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Send = Callable[[Any, int, EpisodeSpec], Awaitable[EpisodeOutcome | None]]
"""Has an actor run an episode under a ticket; None comes back if it was withdrawn before it began."""


class WorkerLost(OversightError):
    """The process of a worker ended while it ran an episode."""


class _State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    BLOCKED = "blocked"
    SILENT = "silent"
    LOST = "lost"
    """It may come back: Ray starts it again, on another node if need be."""
    ENDED = "ended"
    """Ray has given up starting it, as it does with one that fails at its start."""


@dataclass
class _Worker:
    """One worker; ``placed`` has the tickets of the episodes put on it, and what is set when one is withdrawn."""

    actor: Any
    state: _State = _State.STARTING
    lives: int = 0
    reason: str = ""
    placed: dict[int, asyncio.Future[None]] = field(default_factory=dict)


class RayWorkers:
    """Places episodes on workers.

    Args:
        cluster: where they are.
        actors: their actors, which may not have started.
        send: has one run an episode.
    """

    def __init__(self, cluster: RayCluster, actors: Sequence[Any], send: Send) -> None:
        lost = cluster.ray.exceptions
        self._dead = lost.ActorDiedError
        self._lost = (lost.RayActorError, lost.ObjectLostError, lost.OutOfMemoryError)
        self._cluster = cluster
        self._workers = [_Worker(actor) for actor in actors]
        self._send = send
        self._tickets = count()
        self._blocked = BlockedLoops()
        self._watching: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._failure: OversightError | None = None
        self._gathering = True

    async def run(self, spec: EpisodeSpec) -> EpisodeOutcome:
        """Run one episode on a worker, on another one if it could not begin there.

        Raises:
            WorkerLost: its worker's process ended meanwhile.
            OversightError: there is no worker.
        """
        if not self._watching:
            self._watching = [asyncio.create_task(self._watch(worker)) for worker in self._workers]
            self._watching += [asyncio.create_task(self._gather()), asyncio.create_task(self._miss())]
        while True:
            worker = await self._free(spec)
            outcome = await self._try(worker, spec)
            if outcome is not None:
                return outcome

    async def _try(self, worker: _Worker, spec: EpisodeSpec) -> EpisodeOutcome | None:
        """Put an episode on a worker; None if it was withdrawn."""
        ticket, lives = next(self._tickets), worker.lives
        withdrawn = worker.placed[ticket] = asyncio.get_running_loop().create_future()
        answer = asyncio.ensure_future(self._send(worker.actor, ticket, spec))
        try:
            await asyncio.wait({answer, withdrawn}, return_when=asyncio.FIRST_COMPLETED)
            return answer.result() if answer.done() else None
        except self._lost as error:
            if worker.lives == lives:
                worker.lives += 1
                self._become(worker, _State.LOST)
            raise WorkerLost(_reason(error)) from None
        finally:
            del worker.placed[ticket]
            if not answer.done():
                answer.cancel()

    async def _free(self, spec: EpisodeSpec) -> _Worker:
        """The worker that has the fewest episodes, or the question's own if that is not far behind.

        Models that run here keep what they worked out about a question for the next episode on it.
        """
        while self._gathering or not (ready := [worker for worker in self._workers if worker.state is _State.READY]):
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()
        least = min(ready, key=_load)
        own = self._workers[int(digest(spec.question.cluster), 16) % len(self._workers)]
        return own if own.state is _State.READY and _load(own) <= _load(least) + _FAR_BEHIND else least

    async def _watch(self, worker: _Worker) -> None:
        """Ask a worker again and again how it is; the first answer may take until it has a place in the cluster."""
        while worker.state is not _State.ENDED:
            lives = worker.lives
            asked = asyncio.ensure_future(worker.actor.blocked.remote())
            try:
                waits_s = _SILENT_S if worker.state in {_State.READY, _State.BLOCKED} else None
                await asyncio.wait({asked}, timeout=waits_s)
                if not asked.done():
                    self._become(worker, _State.SILENT)
                blocked = await asked
                if worker.lives == lives:
                    await self._heard_from(worker, blocked)
            except self._dead as error:
                worker.reason = _reason(error)
                self._become(worker, _State.ENDED)
                self._give_up(worker)
            except self._lost:
                self._become(worker, _State.LOST)
            await asyncio.sleep(_ASK_EVERY_S)

    async def _heard_from(self, worker: _Worker, blocked: LoopBlock | None) -> None:
        if blocked is None or blocked.seconds < _BLOCKED_S:
            self._become(worker, _State.READY)
            return
        self._become(worker, _State.BLOCKED)
        self._blocked.tell(blocked)
        if any(other.state is _State.READY for other in self._workers):
            withdrawn = await worker.actor.withdraw.remote(list(worker.placed))
            for ticket in withdrawn:
                if ticket in worker.placed and not worker.placed[ticket].done():
                    worker.placed[ticket].set_result(None)

    async def _gather(self) -> None:
        """Hold the first episodes back until workers that start together have all answered, to share them evenly."""
        first: float | None = None
        while any(worker.state is _State.STARTING for worker in self._workers):
            if first is None and any(worker.state is _State.READY for worker in self._workers):
                first = time.monotonic()
            if first is not None and time.monotonic() - first >= _TOGETHER_S:
                break
            await asyncio.sleep(_LOOK_S)
        self._gathering = False
        self._changed.set()

    async def _miss(self) -> None:
        """Say that workers do not start, or that all have gone, and end the run if there is none for too long."""
        begun = last = time.monotonic()
        to_say = [SAY_AFTER_S, START_WITHIN_S]
        said_gone = False
        while self._failure is None:
            await asyncio.sleep(_ASK_EVERY_S)
            now = time.monotonic()
            starting = sum(worker.state is _State.STARTING for worker in self._workers)
            there = any(worker.state in {_State.READY, _State.BLOCKED, _State.SILENT} for worker in self._workers)
            last = now if there else last
            began = starting < len(self._workers)
            if to_say and now - begun >= to_say[0]:
                seconds = to_say.pop(0)
                if starting and (there or to_say):
                    await self._say_missing(starting, seconds, there)
            if not there and not began and now - begun >= START_WITHIN_S:
                standing = await asyncio.to_thread(self._cluster.standing)
                self._fail(
                    UsageError(
                        f"no worker has started within {START_WITHIN_S:.0f} s: {standing}, and each worker takes one; "
                        "free some, or add a node, and give the same command again"
                    )
                )
            elif not there and began and now - last >= SAY_AFTER_S and not said_gone:
                said_gone = True
                warnings.warn(f"no worker answers; waiting {GONE_FOR_S:.0f} s for one", stacklevel=2)
            elif not there and began and now - last >= GONE_FOR_S:
                self._fail(OversightError(f"no worker has answered for {GONE_FOR_S:.0f} s: the same command goes on"))
            said_gone &= not there

    async def _say_missing(self, starting: int, seconds: float, there: bool) -> None:
        standing = await asyncio.to_thread(self._cluster.standing)
        who = f"{starting} of {len(self._workers)} workers {'has' if starting == 1 else 'have'} not started"
        rest = "episodes go to the others until then" if there else "waiting for a first one"
        warnings.warn(f"{who} after {seconds:.0f} s: {standing}; {rest}", stacklevel=2)

    def _give_up(self, worker: _Worker) -> None:
        left = sum(each.state is not _State.ENDED for each in self._workers)
        if not left:
            self._fail(OversightError(f"a worker cannot be started: {worker.reason}"))
        else:
            warnings.warn(f"a worker cannot be started, {left} are left: {worker.reason}", stacklevel=2)

    def _fail(self, error: OversightError) -> None:
        self._failure = error
        self._changed.set()

    def _become(self, worker: _Worker, state: _State) -> None:
        worker.state = state
        self._changed.set()


def _reason(error: BaseException) -> str:
    """Return what Ray says of a lost worker in one line; of a traceback from there, the last line alone."""
    text = _COLOUR.sub("", str(error)).strip()
    return redact(text.rpartition("\n")[2] if "Traceback" in text or 'File "' in text else " ".join(text.split()))


def _load(worker: _Worker) -> int:
    return len(worker.placed)
