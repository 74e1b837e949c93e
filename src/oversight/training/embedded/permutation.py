"""Permutation powering: what does a permutation, applied k times, make of x?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from oversight.training.embedded.factored_task import Ask, Encoding, FactoredTask, Tokens, look_up

__all__ = ["PermutationPowering"]


class PermutationPowering(FactoredTask):
    """sigma^k(x), for a permutation sigma given as facts (x, sigma(x)): the paper's ``IterTask``.

    A question is x and the bits of k, lowest first; its difficulty is k's length in bits. H looks sigma(x) up,
    and otherwise has X apply half the exponent twice, and sigma once more if k is odd. sigma is uniform over all
    permutations, so which symbol stands where says nothing.

    The paper's code lets H look up every sub-question that is simple; here X answers all of them.
    """

    name: ClassVar[str] = "permutation"

    class Settings(FactoredTask.Settings):
        """How large the permutation is, and how long the exponent."""

        size: int = Field(8, ge=3, le=64, description="symbols that the permutation moves")
        bits: int = Field(3, ge=1, le=16, description="bits of the longest exponent, which is the hardest difficulty")

    @property
    def encoding(self) -> Encoding:
        """Two symbols a fact; a symbol and the bits of an exponent a question; a symbol."""
        size = self.settings.size
        return Encoding((size, size), (size,) + (2,) * self.settings.bits, size)

    @property
    def difficulties(self) -> int:
        """The longest exponent's bits."""
        bits: int = self.settings.bits
        return bits

    def draw(self, rng: np.random.Generator, count: int) -> Tokens:
        """Uniform permutations."""
        symbols = np.broadcast_to(np.arange(self.settings.size), (count, self.settings.size))
        return np.stack([symbols, rng.permuted(symbols, axis=1)], axis=-1)

    def questions(self, rng: np.random.Generator, facts: Tokens, difficulty: Tokens) -> Tokens:
        """A uniform symbol, and an exponent uniform among those of as many bits."""
        highest = 1 << (difficulty - 1)
        exponents = highest + rng.integers(0, highest)
        return self._question(rng.integers(0, self.settings.size, difficulty.shape), exponents)

    def difficulty_of(self, facts: Tokens, questions: Tokens) -> Tokens:
        """The exponent's length in bits."""
        length: Tokens = np.max(questions[..., 1:] * np.arange(1, self.difficulties + 1), axis=-1)
        return length

    def decompose(self, facts: Tokens, questions: Tokens, ask: Ask) -> Tokens:
        """sigma^k(x) from sigma^(k//2), asked for twice."""
        x, k = questions[..., 0], self._exponents(questions)
        longer, odd = k > 1, k % 2 == 1
        a = ask(facts, self._question(x, k // 2), longer)
        b = ask(facts, self._question(a, k // 2), longer)
        c = ask(facts, self._question(b, np.ones_like(k)), longer & odd)
        return np.where(longer, np.where(odd, c, b), look_up(facts, x))

    def truth(self, facts: Tokens, questions: Tokens) -> Tokens:
        """The symbol after k applications of sigma."""
        reached, left = questions[..., 0], self._exponents(questions)
        while np.any(left > 0):
            reached = np.where(left > 0, look_up(facts, reached), reached)
            left = left - 1
        return reached

    def _question(self, symbols: Tokens, exponents: Tokens) -> Tokens:
        bits = exponents[..., None] >> np.arange(self.settings.bits) & 1
        return np.concatenate([symbols[..., None], bits], axis=-1)

    def _exponents(self, questions: Tokens) -> Tokens:
        exponents: Tokens = questions[..., 1:] @ (1 << np.arange(self.settings.bits))
        return exponents
