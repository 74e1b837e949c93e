"""Running an arm once with models that only pretend, to see what it would do and what it would take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from oversight.aio import run_sync
from oversight.digest import draw
from oversight.episode import Episode
from oversight.models.base import ModelSettings
from oversight.models.binding import Binding
from oversight.models.rehearsal import RehearsalModel
from oversight.question import Item

if TYPE_CHECKING:
    from oversight.experiment.arm import ProtocolBinding

__all__ = ["Expected", "Rehearsal", "rehearse"]


class Expected(NamedTuple):
    """What one role takes in one episode, on average, in calls and characters; ``sample`` is one prompt."""

    calls: float
    prompt_chars: float
    reply_chars: float
    sample: str


class Rehearsal(NamedTuple):
    """What a rehearsal showed.

    Attributes:
        reads_assigned: whether the protocol asks which answer was assigned, so that every answer must be.
        expected: per role.
        error: what went wrong, if something did; the run goes on, and its episodes fail with the traceback.
    """

    reads_assigned: bool
    expected: dict[str, Expected]
    error: str | None = None


def rehearse(
    protocol: ProtocolBinding, cast: Mapping[str, Sequence[Binding]], items: Sequence[Item], seed: int
) -> Rehearsal:
    """Run ``protocol`` on each of ``items`` with rehearsal models in every role."""
    models = {role: RehearsalModel(_as_elicited(bound[0])) for role, bound in cast.items()}
    reads_assigned, error = False, None
    for item in items:
        instance = protocol.create()
        asked = instance.assignments(item.question, draw(seed, item.question.id, "rehearsal"))
        episode = Episode(
            item.question,
            templates=protocol.templates(),
            cast={role: (model,) for role, model in models.items()},
            options=instance.options,
            assignment=asked[0] if asked else (0,),
        )
        try:
            run_sync(instance.run(episode))
        except (Exception, SystemExit, asyncio.CancelledError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        reads_assigned |= episode.reads_assigned
    count = max(1, len(items))
    expected = {
        role: Expected(model.calls / count, model.prompt_chars / count, model.reply_chars / count, model.sample)
        for role, model in models.items()
    }
    return Rehearsal(reads_assigned, expected, error)


def _as_elicited(binding: Binding) -> ModelSettings:
    """What a rehearsal needs to know of a model: its name, and how it speaks and its beliefs are elicited."""
    settings = binding.checked()[1]
    return ModelSettings.model_validate(settings.model_dump(include=set(ModelSettings.model_fields)))
