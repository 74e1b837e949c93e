"""What a protocol returns: the final belief, plus what it adds."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from oversight.core.belief import Belief
from oversight.util.describe import describe_error

__all__ = ["Annotation", "Verdict"]

_LONGEST_KIND = 100
_LAST_MESSAGE = 2**31 - 1


class Annotation(BaseModel):
    """Something a protocol records about its episode: a step label, a tree node.

    Attributes:
        kind: what it is; the store's ``annotations`` table is filtered by it.
        data: its content, JSON-serialisable.
        message: the place of the message it is about, in the transcript.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(min_length=1, max_length=_LONGEST_KIND)
    data: dict[str, Any] = Field(default_factory=dict)
    message: int | None = Field(None, ge=0, le=_LAST_MESSAGE)

    @field_validator("data")
    @classmethod
    def _can_be_stored(cls, data: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(data, ensure_ascii=False).encode()  # NaN is kept; exports make it null
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"is not plain JSON: {describe_error(error)}") from None
        return data


class Verdict(BaseModel):
    """The judge's final belief over the answers in the order presented, with a protocol's own findings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    belief: Belief
    annotations: tuple[Annotation, ...] = ()
