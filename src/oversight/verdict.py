"""What a protocol returns: the final belief, plus what it adds."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from oversight.belief import Belief

__all__ = ["Annotation", "Verdict"]


class Annotation(BaseModel):
    """Something a protocol records about its episode: a step label, a tree node.

    Attributes:
        kind: what it is; the store's ``annotations`` table is filtered by it.
        data: its content, JSON-serialisable.
        message: the place of the message it is about, in the transcript.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    data: dict[str, Any] = Field(default_factory=dict)
    message: int | None = None


class Verdict(BaseModel):
    """The judge's final belief over the answers in the order presented, with a protocol's own findings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    belief: Belief
    annotations: tuple[Annotation, ...] = ()
