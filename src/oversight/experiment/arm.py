"""An arm of an experiment, and the episodes it stands for on one question: where all draws are made (rule 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oversight.digest import digest, draw
from oversight.experiment.rehearsal import Rehearsal
from oversight.models.binding import Binding
from oversight.protocol import Assignment, Protocol
from oversight.question import Item, Question
from oversight.record import EpisodeSpec
from oversight.registry import Plugin
from oversight.templates import Templates

__all__ = ["Arm", "ProtocolBinding", "episodes_of"]


class ProtocolBinding:
    """A protocol as an arm binds it: its class, its options as the user wrote them, and its prompts."""

    def __init__(self, plugin: Plugin, options: dict[str, Any]) -> None:
        self.plugin = plugin
        self.options = options
        self.key = digest([plugin.model_dump(), options])

    def create(self) -> Protocol:
        """Load the class and make it with its options."""
        protocol = self.plugin.load(Protocol)
        return protocol(protocol.Options.model_validate(self.options))

    @property
    def version(self) -> str:
        """What an episode's id says about the plugin: its own version, and what its prompts are."""
        return f"{self.plugin.load(Protocol).version}+{self.plugin.fingerprint}"

    def templates(self) -> Templates:
        """The prompts that travelled with the plugin."""
        return Templates(self.plugin.prompts)


@dataclass(frozen=True)
class Arm:
    """One row of the experiment's table: a protocol with its options, on a task, with a cast.

    ``entry`` is what the experiment calls it before swept values are added to its ``label``.
    """

    label: str
    entry: str
    task: str
    protocol: ProtocolBinding
    cast: dict[str, tuple[Binding, ...]]
    rehearsal: Rehearsal

    def model_name(self, *roles: str) -> str | None:
        """The names of the models bound to the first of ``roles`` there is."""
        bound = next((self.cast[role] for role in roles if role in self.cast), None)
        return None if bound is None else " + ".join(binding.name for binding in bound)


def episodes_of(
    arm: Arm, cast: Mapping[str, Sequence[Binding]], item: Item, seed: int, repeat: int
) -> Iterator[EpisodeSpec]:
    """The episodes of one arm on one question: one per assignment of sides; ``cast`` is the arm's at this seed."""
    places = list(range(len(item.question.answers)))
    order = tuple(draw(seed, repeat, item.question.id, "answer order").sample(places, len(places)))
    presented = item.question.presented(order)
    protocol = arm.protocol.create()
    settings = {
        role: [bound[place] for place in _turns(len(bound), seed, repeat, item.question, role)]
        for role, bound in cast.items()
    }
    version = arm.protocol.version
    for assignment in _assignments(protocol, presented, arm.rehearsal, seed, repeat):
        identity = {
            "question": item.key,
            "protocol": [protocol.name, version, arm.protocol.options],
            "cast": {role: [[b.identity, b.key] for b in bound] for role, bound in settings.items()},
            "draws": [seed, repeat, order, assignment],
        }
        yield EpisodeSpec(
            episode_id=digest(identity),
            arm=arm.label,
            task=arm.task,
            protocol=protocol.name,
            protocol_version=version,
            protocol_key=arm.protocol.key,
            options=arm.protocol.options,
            cast={role: tuple(b.key for b in bound) for role, bound in settings.items()},
            judge=arm.model_name("judge", "overseer"),
            strong=arm.model_name("strong"),
            question=presented,
            question_key=item.key,
            answer_order=order,
            assignment=assignment,
            seed=seed,
            repeat=repeat,
        )


def _assignments(
    protocol: Protocol, question: Question, rehearsal: Rehearsal, seed: int, repeat: int
) -> list[Assignment]:
    """Every assignment the protocol asks for; where it reads ``assigned``, each answer is argued once."""
    asked = protocol.assignments(question, draw(seed, repeat, question.id, "seat to answer"))
    if asked is not None:
        return list(asked)
    return [(place,) for place in range(len(question.answers))] if rehearsal.reads_assigned else [()]


def _turns(count: int, seed: int, repeat: int, question: Question, role: str) -> list[int]:
    """In which order the seats of one role take the models bound to it."""
    return draw(seed, repeat, question.id, "model to seat", role).sample(range(count), count)
