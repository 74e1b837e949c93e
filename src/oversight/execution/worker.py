"""Where episodes run: the same worker in this process and on Ray.

This is the one boundary at which an episode's errors become data. Whatever a plugin or a model does wrong
ends as a failed episode with its class; what is wrong with the machinery itself propagates.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from oversight.calls.gate import Gate, GateSettings
from oversight.calls.metered import Meter
from oversight.core.bounded_run import run_bounded
from oversight.core.conduct import conduct
from oversight.core.episode import Episode
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.verdict import Verdict
from oversight.errors import CallFailed, FailureClass, LimitReached, RunStopped
from oversight.execution.loop_watch import work_for
from oversight.experiment.protocol_binding import ProtocolBinding
from oversight.models.base import ChatModel
from oversight.models.binding import Binding
from oversight.models.client import ModelCast
from oversight.prompting.templates import Templates
from oversight.util.describe import traceback_of
from oversight.util.secrets import redact, without_values

__all__ = ["Bundle", "ModelPool", "Worker", "guarded"]

T = TypeVar("T")


class Bundle(NamedTuple):
    """Everything a worker needs besides the episodes themselves; it is pickled to each worker once.

    Attributes:
        protocols: by `EpisodeSpec.protocol_key`.
        models: by the keys in `EpisodeSpec.cast`, each with the state its `prepare` returned.
        gate: what the calls of metered models go through; None if there is no such model.
    """

    protocols: Mapping[str, ProtocolBinding]
    models: Mapping[str, tuple[Binding, object]]
    gate: GateSettings | None = None


class ModelPool:
    """The models of one process, each made when it is first wanted.

    Args:
        bundle: what they are made from.
        gate: what the calls of metered models go through.
        place: see `Worker`.
    """

    def __init__(self, bundle: Bundle, gate: Gate | None, place: int = 0) -> None:
        self._bundle = bundle
        self._gate = gate
        self._name = f"{place}:{uuid.uuid4().hex}"
        self._models: dict[str, ChatModel | Meter] = {}

    def get(self, key: str, episode_id: str, attempt: int, seed: int) -> ChatModel:
        """A model as one attempt at an episode calls it: through the gate, if its calls cost something."""
        if key not in self._models:
            binding, state = self._bundle.models[key]
            model = binding.create(state)
            metered = model.metered and self._gate is not None and self._bundle.gate is not None
            self._models[key] = self._meter(model, key) if metered else model
        found = self._models[key]
        return found.for_attempt(episode_id, attempt, seed) if isinstance(found, Meter) else found

    def _meter(self, model: ChatModel, key: str) -> Meter:
        assert self._gate is not None
        assert self._bundle.gate is not None
        return Meter(model, key, self._gate, self._name, self._bundle.gate)


class Worker:
    """Runs episodes, many at a time on one event loop.

    Args:
        bundle: what the episodes need.
        gate: the gate of the run, wherever it is; None if there is none.
        place: this worker's place among the run's workers; the one that takes a dead one's place has the same.
    """

    def __init__(self, bundle: Bundle, gate: Gate | None, place: int = 0) -> None:
        self._bundle = bundle
        self._models = ModelPool(bundle, gate, place)
        self._templates: dict[str, Templates] = {}

    async def run(self, spec: EpisodeSpec) -> EpisodeOutcome:
        """Run one episode and report what became of it.

        Raises:
            RunStopped: it needs a call and no further call is made; its calls so far are kept.
        """
        work_for(spec.arm)
        started_at, started = datetime.now(UTC), time.perf_counter()
        episode: Episode | None = None

        async def perform() -> Verdict:
            nonlocal episode
            protocol = self._bundle.protocols[spec.protocol_key].create()
            attempt = (spec.episode_id, spec.attempt, spec.seed)
            cast = {role: [self._models.get(key, *attempt) for key in keys] for role, keys in spec.cast.items()}
            episode = Episode(
                spec.question,
                templates=self._templates_for(spec.protocol_key),
                cast=ModelCast(cast),
                options=protocol.options,
                assignment=spec.assignment,
                seed=spec.seed,
                repeat=spec.repeat,
                limits=spec.limits,
            )
            return await run_bounded(episode.usage, conduct(protocol, episode))

        verdict, failure, detail = await guarded(perform())
        outcome = EpisodeOutcome(
            episode_id=spec.episode_id,
            attempt=spec.attempt,
            status="judged" if verdict else "failed",
            started_at=started_at,
            duration_s=time.perf_counter() - started,
            messages=episode.messages if episode else (),
            calls=tuple(episode.calls) if episode else (),
            sides=tuple(episode.sides) if episode else (),
            verdict=verdict,
            failure=failure,
            detail=detail,
        )
        return without_values(outcome)  # replies hold no keys; what a plugin says may

    def _templates_for(self, key: str) -> Templates:
        if key not in self._templates:
            self._templates[key] = self._bundle.protocols[key].templates()
        return self._templates[key]


async def guarded(work: Awaitable[T]) -> tuple[T | None, str | None, str | None]:
    """Do what a plugin or a model may get wrong: its result, or else the failure's class and its detail.

    Raises:
        RunStopped: no further call is made, which is not a failure of the episode.
    """
    try:
        return await work, None, None
    except RunStopped:
        raise
    except CallFailed as error:
        return None, error.failure.value, redact(str(error))
    except LimitReached as error:
        return None, FailureClass.LIMIT.value, redact(str(error))
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise  # the run was stopped; a plugin that cancels itself has failed
        return None, FailureClass.PLUGIN.value, redact(traceback_of(error))
