"""What an embedded task is: a way to draw instances, and a human's way to take a question about one apart."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oversight.errors import UsageError
from oversight.plugins import Pluggable, PluginKind

__all__ = ["Ask", "Encoding", "FactoredTask", "Mask", "Tokens", "look_up"]

Tokens: TypeAlias = NDArray[np.int64]
"""Facts (B, F, fact slots), questions (B, Q, question slots) or answers (B, Q): B instances, Q questions of each."""

Mask: TypeAlias = NDArray[np.bool_]

Ask: TypeAlias = Callable[[Tokens, Tokens, Mask], Tokens]
"""Facts, one sub-question in place of every question (B, Q, slots), and which of them are really asked (B, Q).

It returns answers (B, Q); where nothing was asked they mean nothing.
"""

_SHARES = 5
"""One instance in five is held out."""

_TRIES = 100
"""Draws in vain, each of 64 instances or more, after which a split is taken to be empty."""


class Encoding(NamedTuple):
    """How many values each slot can take, which is all that a learner knows of a task.

    Attributes:
        facts: of a fact, slot by slot.
        question: of a question, slot by slot.
        answers: how many answers there are.
    """

    facts: tuple[int, ...]
    question: tuple[int, ...]
    answers: int


class FactoredTask(Pluggable, ABC):
    """A decomposition and an instance generator, and nothing else.

    An instance is a set of facts. The space of all instances is split once and for all by a digest of the
    facts: one in five is held out. So no instance that one split draws can ever come from the other, however
    many are drawn, and whatever the seed.

    Everything is vectorised: B instances at once, Q questions about each. The facts of an instance must all
    have as many slots, and instances as many facts; their order means nothing.

    Attributes:
        name: the name experiments use.
    """

    plugin_kind = PluginKind("embedded task", "oversight.embedded_tasks")

    name: ClassVar[str]

    class Settings(BaseModel):
        """What an experiment may set."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        split: Literal["train", "held_out"] = Field(
            "train", description="which instances are drawn: those to train on, or the fifth that never is"
        )

    def __init__(self, settings: BaseModel | None = None) -> None:
        self.settings: Any = settings if settings is not None else self.Settings()

    @property
    @abstractmethod
    def encoding(self) -> Encoding:
        """How many values each slot of a fact, a question and an answer can take."""

    @property
    @abstractmethod
    def difficulties(self) -> int:
        """The difficulty of the hardest questions; the easiest have 1."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> Tokens:
        """The facts (count, F, slots) of instances of either split, as the rows come."""

    @abstractmethod
    def questions(self, rng: np.random.Generator, facts: Tokens, difficulty: Tokens) -> Tokens:
        """Questions (B, Q, slots) of the difficulties (B, Q) wanted, each uniform among those there are."""

    @abstractmethod
    def difficulty_of(self, facts: Tokens, questions: Tokens) -> Tokens:
        """The difficulty (B, Q) of questions, 1 to `difficulties`. It sorts questions; no answer is in it."""

    @abstractmethod
    def decompose(self, facts: Tokens, questions: Tokens, ask: Ask) -> Tokens:
        """What H does: look a thing up in the facts, or ask sub-questions and put their answers together.

        An answer that ``ask`` gives may be wrong; it is always a possible one.
        """

    @abstractmethod
    def truth(self, facts: Tokens, questions: Tokens) -> Tokens:
        """The right answers (B, Q), for evaluation and for the ceiling alone."""

    def amplify(
        self, facts: Tokens, questions: Tokens, ask: Ask, *, rng: np.random.Generator, error_rate: float = 0.0
    ) -> Tokens:
        """What H answers with the help of ``ask``: Amplify^H(X).

        H's errors fall on what H hands over, once a question, whether it was looked up or put together: with
        probability ``error_rate`` that is replaced by an answer drawn uniformly from all there are. So with
        perfect help H is right about a share of 1 - error_rate * (1 - 1/answers). Sub-questions are answered
        by X alone, and carry no error but X's.

        Args:
            facts: (B, F, slots).
            questions: (B, Q, slots).
            ask: answers sub-questions.
            rng: draws H's errors.
            error_rate: from 0 to 1.
        """
        answers = self.decompose(facts, questions, ask)
        erred = rng.random(answers.shape) < error_rate
        return np.where(erred, rng.integers(0, self.encoding.answers, answers.shape), answers)

    def instances(self, rng: np.random.Generator, count: int) -> Tokens:
        """The facts (count, F, slots) of instances of the split that the settings name, by rejection.

        Raises:
            UsageError: none is found; there are so few in all that the split may have none.
        """
        wanted = self.settings.split == "held_out"
        kept: list[Tokens] = []
        missing, tries = count, 0
        while missing > 0:
            if missing == count and tries == _TRIES:
                split = self.settings.split
                raise UsageError(f"no instance of '{self.name}' is of the split {split}: make instances larger")
            tries += 1
            drawn = self.draw(rng, max(64, missing * (_SHARES if wanted else 2)))
            held_out = np.array([int(key[:8], 16) % _SHARES == 0 for key in self.keys(drawn)])
            kept.append(drawn[held_out == wanted][:missing])
            missing -= len(kept[-1])
        return np.concatenate(kept)

    def keys(self, facts: Tokens) -> list[str]:
        """A digest of each instance, the same in whichever order its facts come.

        It depends on nothing but the task's name and the facts, so that settings which leave instances as
        they are (longer exponents) leave the split as it is.
        """
        numbered = np.zeros(facts.shape[:2], np.int64)
        for slot, values in enumerate(self.encoding.facts):
            numbered = numbered * values + facts[..., slot]
        numbered.sort(axis=1)
        head = f"{self.name} {self.encoding.facts} ".encode()
        return [hashlib.sha256(head + row.astype("<i8").tobytes()).hexdigest()[:24] for row in numbered]


def look_up(facts: Tokens, symbols: Tokens) -> Tokens:
    """The last slot (B, Q) of the fact whose first slot is the symbol (B, Q): what H can do by itself.

    Every symbol must be the first slot of exactly one fact.
    """
    places = np.argmax(facts[:, None, :, 0] == symbols[..., None], axis=-1)
    found: Tokens = np.take_along_axis(facts[..., -1], places, axis=1)
    return found
