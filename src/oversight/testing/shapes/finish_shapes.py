"""Replies that end in another way than by the model's own word."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from oversight.errors import FailureClass
from oversight.testing.faults import Reply
from oversight.testing.shapes.shape import EVERY, SPEECHES, Sent, Shape, ShapeRequest, Write

__all__ = ["FINISH_SHAPES"]

_LIMITED = frozenset({ShapeRequest.LIMITED_SPEECH})
_ENDS = (".", "!", "?")


def _broken_off(finish_reason: str) -> Write:
    """Make a shape of what a router sends when the model behind it breaks off: half of the text, and an error."""

    def write(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
        error = {"code": rng.choice([502, 503, 529]), "message": "Upstream error: the provider broke off"}
        return Sent.said(reply.text[: len(reply.text) // 2], finish_reason=finish_reason, error=error)

    return write


def _after_sentence(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    """Meet the token limit where a sentence ends; a plain reply without an end cannot do that and is sent as it is."""
    return Sent(choice={"finish_reason": "length"}) if reply.text.rstrip().endswith(_ENDS) else Sent()


def _in_sentence(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    if not reply.text.rstrip().endswith(_ENDS):
        return Sent()
    return Sent.said(f"{reply.text} Besides, it is well known that", finish_reason="length")


def _without_limit(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    return Sent.said(f"{reply.text} Besides, it is well known that", finish_reason="length")


_SERVER_ERROR = FailureClass.SERVER_ERROR

FINISH_SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "error_in_choice": Shape(_broken_off("error"), EVERY, same_content=False, failure=_SERVER_ERROR),
        "error_beside_stop": Shape(_broken_off("stop"), EVERY, same_content=False, failure=_SERVER_ERROR),
        "length_after_sentence": Shape(_after_sentence, _LIMITED),
        "length_in_sentence": Shape(_in_sentence, _LIMITED),
        "length_without_limit": Shape(
            _without_limit, SPEECHES - _LIMITED, same_content=False, failure=FailureClass.TRUNCATED
        ),
    }
)
