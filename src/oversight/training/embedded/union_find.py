"""Union find: which value does a variable have, if most are only said to equal another?"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from oversight.training.embedded.factored_task import Ask, Encoding, FactoredTask, Tokens, look_up

__all__ = ["UnionFind"]


class UnionFind(FactoredTask):
    """The value of x, where a fact gives x a value or says that x equals another variable: the paper's ``EqualsTask``.

    Facts are (x, t): t is a value for the root of each tree of equal variables, and the parent of x for all others.
    A question is x; its difficulty is one more than the steps from x to its root. H looks x up: a value is the
    answer, and of a parent it asks X for the value. Which variables are roots and parents, and the roots' values,
    are uniform given how many lie how deep, so that symbols say nothing.

    Edges point to the root, as with ``easy`` in the paper's code; where they do not, H asks for depths as well.
    """

    name: ClassVar[str] = "union_find"

    class Settings(FactoredTask.Settings):
        """How many variables and values there are, and how deep the trees."""

        size: int = Field(8, ge=2, le=64, description="variables; at least as many as the trees are deep")
        values: int = Field(8, ge=2, le=64, description="values that a root may have")
        depth: int = Field(
            4, ge=1, le=16, description="variables on the way from the deepest to its root, both counted"
        )

        @model_validator(mode="after")
        def _has_every_depth(self) -> Self:
            if self.size < self.depth:
                raise ValueError(f"size ({self.size}) must be at least depth ({self.depth})")
            return self

    @property
    def encoding(self) -> Encoding:
        """A variable and either a variable or a value a fact; a variable; a value."""
        size, values = self.settings.size, self.settings.values
        return Encoding((size, size + values), (size,), values)

    @property
    def difficulties(self) -> int:
        """The depth of the trees, roots counted."""
        depth: int = self.settings.depth
        return depth

    def draw(self, rng: np.random.Generator, count: int) -> Tokens:
        """Forests with variables at every depth: one at each, the others anywhere, under uniform parents."""
        size, depth = self.settings.size, self.settings.depth
        levels = np.concatenate(
            [np.broadcast_to(np.arange(depth), (count, depth)), rng.integers(0, depth, (count, size - depth))], axis=1
        )
        levels = rng.permuted(levels, axis=1)
        above = levels[:, None, :] == levels[:, :, None] - 1
        parents = np.argmax(above * rng.random(above.shape), axis=-1)
        roots = size + rng.integers(0, self.settings.values, (count, size))
        symbols = np.broadcast_to(np.arange(size), (count, size))
        return np.stack([symbols, np.where(levels == 0, roots, parents)], axis=-1)

    def questions(self, rng: np.random.Generator, facts: Tokens, difficulty: Tokens) -> Tokens:
        """Any variable as deep as is wanted."""
        every = np.broadcast_to(np.arange(self.settings.size), facts.shape[:2])
        depths = self.difficulty_of(facts, every[..., None])
        fits = depths[:, None, :] == difficulty[..., None]
        drawn: Tokens = np.argmax(fits * rng.random(fits.shape), axis=-1)
        return drawn[..., None]

    def difficulty_of(self, facts: Tokens, questions: Tokens) -> Tokens:
        """The variables on the way to the root, both ends counted."""
        reached = questions[..., 0]
        depths = np.ones_like(reached)
        for _ in range(self.settings.size):
            target = look_up(facts, reached)
            below = target < self.settings.size
            depths += below
            reached = np.where(below, target, reached)
        return depths

    def decompose(self, facts: Tokens, questions: Tokens, ask: Ask) -> Tokens:
        """A known value, or else the parent's."""
        target = look_up(facts, questions[..., 0])
        known = target >= self.settings.size
        asked = ask(facts, np.where(known, 0, target)[..., None], ~known)
        return np.where(known, target - self.settings.size, asked)

    def truth(self, facts: Tokens, questions: Tokens) -> Tokens:
        """The value at the root."""
        target = look_up(facts, questions[..., 0])
        while np.any(target < self.settings.size):
            below = target < self.settings.size
            target = np.where(below, look_up(facts, np.where(below, target, 0)), target)
        values: Tokens = target - self.settings.size
        return values
