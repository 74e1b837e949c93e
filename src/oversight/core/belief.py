"""What a judge holds about the answers at one moment, and how that was read off."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Belief", "BeliefSource", "BeliefStatus"]

_TOLERANCE = 1e-6


class BeliefSource(StrEnum):
    """How a belief was elicited."""

    LOGPROB = "logprob"
    STATED = "stated"
    SAMPLED = "sampled"
    COMPUTED = "computed"
    """Worked out by the protocol from what its seats found, as from the labels of a solution's steps."""


class BeliefStatus(StrEnum):
    """How the reply was read: as it stood, after scaling to sum 1, or as an abstention."""

    OK = "ok"
    RENORMALISED = "renormalised"
    ABSTAINED = "abstained"


class Belief(BaseModel):
    """A distribution over the answers in the order presented, or an abstention (``probs`` is None).

    Attributes:
        probs: one probability per answer, summing to 1.
        source: how it was elicited.
        status: how the reply was read.
        mass: the probability the reply gave to the answers before scaling (1 means all of it).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    probs: tuple[float, ...] | None
    source: BeliefSource
    status: BeliefStatus = BeliefStatus.OK
    mass: float | None = None

    @model_validator(mode="after")
    def _is_a_distribution(self) -> Self:
        if (self.probs is None) != (self.status is BeliefStatus.ABSTAINED):
            raise ValueError("exactly an abstention has no probabilities")
        if self.probs is not None:
            if any(not 0 <= p <= 1 for p in self.probs):
                raise ValueError(f"a probability lies outside 0..1: {self.probs}")
            if not math.isclose(sum(self.probs), 1, abs_tol=_TOLERANCE):
                raise ValueError(f"probabilities sum to {sum(self.probs):.6f}, not 1")
        return self

    @classmethod
    def from_weights(cls, weights: list[float], source: BeliefSource) -> Belief:
        """Scale non-negative weights to a distribution, remembering the mass they had.

        Raises:
            ValueError: a weight is negative or not finite, or none is positive.
        """
        if any(not math.isfinite(w) or w < 0 for w in weights) or not (mass := sum(weights)) > 0:
            raise ValueError(f"not a distribution: {weights}")
        exact = math.isclose(mass, 1, abs_tol=_TOLERANCE)
        read_as_stated = source in (BeliefSource.STATED, BeliefSource.SAMPLED)
        status = BeliefStatus.RENORMALISED if read_as_stated and not exact else BeliefStatus.OK
        return cls(probs=tuple(w / mass for w in weights), source=source, status=status, mass=mass)
