"""What a reply shape is: how a plain reply is written down by one kind of server or model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple

from oversight.errors import FailureClass
from oversight.testing.faults import Reply

__all__ = [
    "EVERY",
    "SPEECHES",
    "Sent",
    "Shape",
    "ShapeRequest",
    "Write",
    "asked_for",
    "label_of",
    "number_canary",
    "stated_in",
]

_LABEL = re.compile(r"[A-Z]")
_WORD_LIMIT = re.compile(r"at most \d+ words", re.IGNORECASE)
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_CANARIES = 10**9


class ShapeRequest(StrEnum):
    """What a request wants, as told from the request and its plain reply together."""

    SPEECH = "speech"
    LIMITED_SPEECH = "speech with a word limit"
    LETTER = "letter"
    PROBABILITIES = "letter with token probabilities"
    BELIEF = "stated belief"
    FORM = "form"


EVERY = frozenset(ShapeRequest)
SPEECHES = frozenset({ShapeRequest.SPEECH, ShapeRequest.LIMITED_SPEECH})


class Sent(NamedTuple):
    """What a shape changes in the ``chat.completion`` object of the plain reply.

    Attributes:
        message: fields that are added to the choice's message or replace its own.
        choice: the same of the choice, ``finish_reason`` and ``logprobs`` for example.
        usage: the same of the usage; None leaves the usage out.
    """

    message: Mapping[str, Any] = _NOTHING
    choice: Mapping[str, Any] = _NOTHING
    usage: Mapping[str, Any] | None = _NOTHING

    @classmethod
    def said(cls, content: Any, **choice: Any) -> Sent:
        """Change the content, and fields of the choice where some are given."""
        return cls({"content": content}, choice)

    def applied_to(self, completion: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plain completion with these changes."""
        [plain] = completion["choices"]
        choice = {**plain, "message": {**plain["message"], **self.message}, **self.choice}
        changed = {**completion, "choices": [choice]}
        if self.usage is None:
            del changed["usage"]
        else:
            changed["usage"] = {**changed["usage"], **self.usage}
        return changed


Write = Callable[[Mapping[str, Any], Reply, Random], Sent]
"""Writes the plain reply to a request body in another way; the same from the same arguments."""


class Shape(NamedTuple):
    """One way in which real servers and models write a reply.

    Attributes:
        write: see `Write`.
        asked: the kinds of request whose replies come in this shape.
        same_content: a reader that does its work gets exactly the plain reply's speech, form or belief.
        falls_back: the token probabilities are of no use, so the belief must come from a request for a stated one.
        failure: the class of a reply that is of no use. It is stored unless the call, made again, is answered.
        usage_unknown: the token counts cannot be true, so neither counts nor a price may be stored.
    """

    write: Write
    asked: frozenset[ShapeRequest] = EVERY
    same_content: bool = True
    falls_back: bool = False
    failure: FailureClass | None = None
    usage_unknown: bool = False


def asked_for(body: Mapping[str, Any], reply: Reply) -> ShapeRequest | None:
    """Say what a request wants; None if its plain reply is none that a shape could be given to."""
    if reply.refusal or reply.finish_reason != "stop" or not reply.text.strip():
        return None
    if body.get("logprobs") and reply.first_token:
        return ShapeRequest.PROBABILITIES
    if stated_in(reply) is not None:
        return ShapeRequest.BELIEF
    if isinstance(_object_in(reply), dict):
        return ShapeRequest.FORM
    if _LABEL.fullmatch(reply.text.strip()):
        return ShapeRequest.LETTER
    # Only the request itself: the limit of an earlier turn says nothing about this one.
    return (
        ShapeRequest.LIMITED_SPEECH if _WORD_LIMIT.search(str(body["messages"][-1]["content"])) else ShapeRequest.SPEECH
    )


def stated_in(reply: Reply) -> dict[str, Any] | None:
    """Return the stated belief that a plain reply is; None if it is something else."""
    stated = _object_in(reply)
    if not isinstance(stated, dict):
        return None
    shares = {name: share for name, share in stated.items() if name != "abstain"}
    states = all(_LABEL.fullmatch(name) and isinstance(share, int | float) for name, share in shares.items())
    return stated if len(shares) > 1 and states else None


def label_of(reply: Reply) -> str:
    """Return the letter that a plain reply is."""
    return reply.text.strip()


def number_canary(rng: Random) -> str:
    """Return a text that stands in one private thought and nowhere else."""
    return f"PRIVATE-THOUGHT-{rng.randrange(_CANARIES)}"


def _object_in(reply: Reply) -> Any:
    try:
        return json.loads(reply.text)
    except ValueError:
        return None
