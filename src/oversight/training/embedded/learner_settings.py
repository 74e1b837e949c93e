"""What the embedded distiller may be told; the defaults are those that its experiments were run with."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["DistilSettings", "LearnerSettings"]


class LearnerSettings(BaseModel):
    """The network X, and how it is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    layers: int = Field(3, ge=1, le=32, description="layers of the transformer; one per bit of the exponent does")
    width: int = Field(64, ge=8, le=1024, description="numbers that stand for a fact or a question between layers")
    heads: int = Field(4, ge=1, le=16, description="attention heads; they share the width evenly")
    hidden: int = Field(128, ge=8, le=4096, description="units between the two halves of a feed-forward block")
    learning_rate: float = Field(5e-3, gt=0, le=1, description="AdamW's highest")
    warm_up: int = Field(100, ge=1, description="steps over which the learning rate rises to its value")
    hold: int = Field(600, ge=1, description="steps after which it falls, as one over the root of the steps made")
    weight_decay: float = Field(0.1, ge=0, description="AdamW's")
    averaging: float = Field(
        0.98,
        ge=0,
        lt=1,
        description="X is a running mean of the weights in training: how much of it a step keeps",
    )
    threads: int = Field(
        1, ge=1, le=64, description="CPU threads; one wastes least, and the number is part of a result"
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self


class DistilSettings(BaseModel):
    """What is amplified in a round, and how long X learns from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    learner: LearnerSettings = LearnerSettings()
    instances: int = Field(1200, ge=1, description="training instances that are drawn for every round")
    questions: int = Field(24, ge=1, description="questions that are amplified about each of them")
    hardest: int = Field(
        12,
        ge=1,
        description="of these, how many are as hard as the curriculum has come; the others are of all up to it",
    )
    steps: int = Field(75, ge=1, description="training steps in a round")
    batch: int = Field(48, ge=1, description="instances, with all their questions, in a training step")
    agreement: float = Field(
        0.85,
        gt=0,
        le=1,
        description="the curriculum goes on to harder questions once X agrees with this share of amplified answers",
    )
    ceiling: bool = Field(True, description="whether the same network is also trained on the true answers")

    @model_validator(mode="after")
    def _hardest_fit(self) -> Self:
        if self.hardest > self.questions:
            raise ValueError(f"hardest ({self.hardest}) must be at most questions ({self.questions})")
        return self
