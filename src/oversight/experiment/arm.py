"""An arm of an experiment, and the episodes it stands for on one question: where all draws are made (rule 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

from oversight.core.assignments import assignments_of
from oversight.core.episode_limits import EpisodeLimits
from oversight.core.outcome import EpisodeSpec
from oversight.core.protocol import Protocol
from oversight.core.side import Assignment
from oversight.experiment.dry_run import DryRun
from oversight.experiment.packed_questions import AskedQuestions, PlannedQuestion
from oversight.experiment.protocol_binding import ProtocolBinding
from oversight.models.binding import Binding
from oversight.util.digest import canonical, digest_of, draw

__all__ = ["Arm", "PlannedEpisode", "Seating", "episodes_of"]

Turns: TypeAlias = "tuple[tuple[str, tuple[int, ...]], ...]"
"""For each role that several models are bound to, the order in which its seats take them."""


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
    limits: EpisodeLimits
    dry_run: DryRun

    def model_name(self, *roles: str) -> str | None:
        """The names of the models bound to the first of ``roles`` there is."""
        bound = next((self.cast[role] for role in roles if role in self.cast), None)
        return None if bound is None else " + ".join(binding.name for binding in bound)


@dataclass(frozen=True)
class Seating:
    """What the episodes of an arm share that ask different questions of the same models in the same seats.

    Attributes:
        arm: the arm.
        protocol: its protocol's name.
        cast: role -> keys of the models bound to it, in the order in which seats take them.
        seed, repeat: with the question, what every draw depends on.
        identity: what an episode's id says of all this, around its draws and its question.
    """

    arm: Arm
    protocol: str
    cast: dict[str, tuple[str, ...]]
    seed: int
    repeat: int
    identity: tuple[str, str]

    @classmethod
    def of(cls, arm: Arm, bound: Mapping[str, Sequence[Binding]], seed: int, repeat: int) -> Seating:
        """Seat the models, which stand in the order in which seats take them."""
        name = arm.protocol.create().name
        cast = canonical({role: [[b.identity, b.key] for b in those] for role, those in bound.items()})
        protocol = canonical([name, arm.protocol.version, arm.protocol.options])
        return cls(
            arm,
            name,
            {role: tuple(b.key for b in those) for role, those in bound.items()},
            seed,
            repeat,
            (f'{{"cast":{cast},"draws":', f',"protocol":{protocol},"question":'),
        )

    def episode_id(self, question: PlannedQuestion, order: tuple[int, ...], assignment: Assignment) -> str:
        """Return the digest of everything that determines an episode."""
        before, after = self.identity
        draws = _drawn(self.seed, self.repeat, order, assignment)
        # The JSON of one object with its keys in order: most of it is the same for hundreds of thousands of episodes.
        return digest_of(f'{before}{draws}{after}"{question.key}"}}')


@lru_cache(maxsize=4096)
def _drawn(seed: int, repeat: int, order: tuple[int, ...], assignment: Assignment) -> str:
    """Return what an episode's id says of its draws, which most share with many others."""
    return canonical([seed, repeat, order, assignment])


class PlannedEpisode:
    """An episode that a plan asks for, kept small.

    Attributes:
        arm: the place of its arm in the plan.
        seating: what it shares with others of its arm.
        question: what it asks.
        order, assignment, attempt: as in its ``spec``.
    """

    __slots__ = ("arm", "assignment", "attempt", "episode_id", "order", "question", "seating")

    def __init__(
        self,
        arm: int,
        seating: Seating,
        question: PlannedQuestion,
        order: tuple[int, ...],
        assignment: Assignment,
        episode_id: str,
        attempt: int = 0,
    ) -> None:
        self.arm = arm
        self.seating = seating
        self.question = question
        self.order = order
        self.assignment = assignment
        self.episode_id = episode_id
        self.attempt = attempt

    def tried(self, attempts: int) -> PlannedEpisode:
        """The same episode after so many failed attempts."""
        return PlannedEpisode(
            self.arm, self.seating, self.question, self.order, self.assignment, self.episode_id, attempts
        )

    @property
    def spec(self) -> EpisodeSpec:
        """What a worker needs to run it; it is put together each time, because all of them fill the memory."""
        seating, arm = self.seating, self.seating.arm
        return EpisodeSpec(
            episode_id=self.episode_id,
            attempt=self.attempt,
            arm=arm.label,
            task=arm.task,
            protocol=seating.protocol,
            protocol_version=arm.protocol.version,
            protocol_key=arm.protocol.key,
            options=arm.protocol.options,
            cast=seating.cast,
            judge=arm.model_name("judge", "overseer"),
            strong=arm.model_name("strong"),
            question=self.question.item.question.presented(self.order),
            question_key=self.question.key,
            answer_order=self.order,
            assignment=self.assignment,
            seed=seating.seed,
            repeat=seating.repeat,
            limits=arm.limits,
        )


def episodes_of(
    arm: Arm, place: int, cast: Mapping[str, Sequence[Binding]], asked: AskedQuestions, seed: int, repeats: int
) -> list[PlannedEpisode]:
    """The episodes of the plan's arm at ``place``: for each repeat, one per question and assignment of sides.

    ``cast`` is the arm's at this seed.
    """
    protocols = [arm.protocol.create() for _ in range(repeats)]
    several = [(role, len(bound)) for role, bound in cast.items() if len(bound) > 1]
    seatings: dict[tuple[int, Turns], Seating] = {}
    sides: dict[Assignment, Assignment] = {}
    found: list[list[PlannedEpisode]] = [[] for _ in range(repeats)]
    orders = zip(*(asked.orders(seed, repeat) for repeat in range(repeats)), strict=True)
    # All repeats of a question at once, because one that its protocol is asked about is unpacked for that.
    for question, presented in zip(asked.questions, orders, strict=True):
        for repeat, assignments in enumerate(_assigned(arm, protocols, question, presented, seed)):
            turns = tuple([(role, _turns(count, seed, repeat, question.id, role)) for role, count in several])
            if (seating := seatings.get((repeat, turns))) is None:
                seating = seatings[repeat, turns] = Seating.of(arm, _seated(cast, turns), seed, repeat)
            order = presented[repeat]
            for assignment in assignments:
                episode_id = seating.episode_id(question, order, assignment)
                kept = sides.setdefault(assignment, assignment)
                found[repeat].append(PlannedEpisode(place, seating, question, order, kept, episode_id))
    return list(chain.from_iterable(found))


def _assigned(
    arm: Arm, protocols: Sequence[Protocol], question: PlannedQuestion, orders: Sequence[tuple[int, ...]], seed: int
) -> Iterator[Sequence[Assignment]]:
    """List a question's assignments in each repeat: those the protocol asks for, or each answer argued once."""
    usual = [(place,) for place in range(question.answers)] if arm.dry_run.reads_assigned else [()]
    if type(protocols[0]).assignments is Protocol.assignments:
        for _ in protocols:
            yield usual
        return
    whole = question.item.question
    presented = {order: whole.presented(order) for order in set(orders)}
    for repeat, (protocol, order) in enumerate(zip(protocols, orders, strict=True)):
        asked = assignments_of(protocol, presented[order], draw(seed, repeat, question.id, "seat to answer"))
        yield usual if asked is None else asked


def _turns(count: int, seed: int, repeat: int, question: str, role: str) -> tuple[int, ...]:
    """In which order the seats of one role take the models bound to it."""
    return tuple(draw(seed, repeat, question, "model to seat", role).sample(range(count), count))


def _seated(cast: Mapping[str, Sequence[Binding]], turns: Turns) -> dict[str, Sequence[Binding]]:
    """Return the models of each role in the order in which its seats take them."""
    return {**cast, **{role: [cast[role][at] for at in turn] for role, turn in turns}}
