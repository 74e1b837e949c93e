"""Where episodes run: the same worker in this process and on Ray.

This is the one boundary at which an episode's errors become data. Whatever a plugin or a model does wrong
ends as a failed episode with its class; what is wrong with the machinery itself propagates.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from oversight.episode import Episode
from oversight.errors import CallFailed, FailureClass
from oversight.experiment.arm import ProtocolBinding
from oversight.models.base import ChatModel
from oversight.models.binding import Binding
from oversight.record import EpisodeOutcome, EpisodeSpec
from oversight.secrets import redact
from oversight.templates import Templates
from oversight.verdict import Verdict

__all__ = ["Bundle", "Worker"]


class Bundle(NamedTuple):
    """Everything a worker needs besides the episodes themselves; it is pickled to each worker once.

    Attributes:
        protocols: by `EpisodeSpec.protocol_key`.
        models: by the keys in `EpisodeSpec.cast`, each with the state its `prepare` returned.
    """

    protocols: Mapping[str, ProtocolBinding]
    models: Mapping[str, tuple[Binding, object]]


class Worker:
    """Runs episodes, many at a time on one event loop."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._models: dict[str, ChatModel] = {}
        self._templates: dict[str, Templates] = {}

    async def run(self, spec: EpisodeSpec) -> EpisodeOutcome:
        """Run one episode and report what became of it."""
        started_at, started = datetime.now(UTC), time.perf_counter()
        episode: Episode | None = None
        verdict: Verdict | None = None
        failure = detail = None
        try:
            protocol = self._bundle.protocols[spec.protocol_key].create()
            episode = Episode(
                spec.question,
                templates=self._templates_for(spec.protocol_key),
                cast={role: [self._model(key) for key in keys] for role, keys in spec.cast.items()},
                options=protocol.options,
                assignment=spec.assignment,
                seed=spec.seed,
                repeat=spec.repeat,
            )
            verdict = _checked(await protocol.run(episode), spec)
        except CallFailed as error:
            failure, detail = error.failure.value, redact(str(error))
        except (Exception, SystemExit, asyncio.CancelledError):
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise  # somebody stopped the run; a plugin that cancels itself is one that failed
            failure, detail = FailureClass.PLUGIN.value, redact(traceback.format_exc())
        return EpisodeOutcome(
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

    def _model(self, key: str) -> ChatModel:
        if key not in self._models:
            binding, state = self._bundle.models[key]
            self._models[key] = binding.create(state)
        return self._models[key]

    def _templates_for(self, key: str) -> Templates:
        if key not in self._templates:
            self._templates[key] = self._bundle.protocols[key].templates()
        return self._templates[key]


def _checked(verdict: object, spec: EpisodeSpec) -> Verdict:
    """What a plugin returned must be a verdict on this question."""
    if not isinstance(verdict, Verdict):
        raise TypeError(f"{spec.protocol}.run returned {type(verdict).__name__}, not a Verdict")
    probs = verdict.belief.probs
    if probs is not None and len(probs) != len(spec.question.answers):
        raise ValueError(f"the verdict has {len(probs)} probabilities for {len(spec.question.answers)} answers")
    return verdict
