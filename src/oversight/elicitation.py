"""Reading a belief off a model's reply.

Three ways, and the record says which: the probabilities the model gives the answers' labels as its next
token, probabilities it states, or the shares of several sampled replies. A reply that cannot be read is a
failure of its own class; it never becomes an even split.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from oversight.belief import Belief, BeliefSource, BeliefStatus
from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ChatReply

__all__ = [
    "even_statement",
    "first_json_object",
    "from_choices",
    "from_samples",
    "from_statement",
    "instruction",
    "letters_asked_for",
    "statement_schema",
    "without_instruction",
]

_MINIMUM_MASS = 0.05
"""Below this share of probability on the labels, the model was not answering with a label at all."""

_NAMES_ONE = re.compile(
    r"(?:(?:the |my )?answer(?: is)?\W{0,4})?\W*(?P<label>[A-Z])\W*(?:\).*)?", re.IGNORECASE | re.DOTALL
)
"""A reply that is a label, alone, after "the answer is", or in front of its answer as in "B) the mill"."""

_LETTER = "Reply with the letter of one answer and nothing else: "
_ONE_LETTER = re.compile(rf"{_LETTER}([A-Z](?:, [A-Z])*)\.$")

_NEAR_ONE = ((0.9, 1.1), (90.0, 110.0))
"""Stated probabilities are scaled to 1 if they sum to about 1, or to about 100 per cent; else they are unreadable."""


def instruction(source: BeliefSource, labels: Sequence[str]) -> str:
    """What the judge is told about the form of its reply."""
    if source is not BeliefSource.STATED:
        return f"{_LETTER}{', '.join(labels)}."
    example = json.dumps({label: round(1 / len(labels), 3) for label in labels} | {"abstain": False})
    return (
        "Reply with one JSON object and nothing else: the probability that each answer is right, summing to 1, "
        f"for example {example}. Set abstain to true only if you cannot judge at all."
    )


def letters_asked_for(request: str) -> list[str]:
    """The letters of which a request wants one in plain words, as `instruction` adds it; none if it wants no letter."""
    found = _ONE_LETTER.search(request)
    return found[1].split(", ") if found else []


def without_instruction(request: str, labels: Sequence[str]) -> str:
    """A request for a belief as its author worded it, without what `instruction` added to it."""
    for source in BeliefSource:
        request = request.removesuffix("\n\n" + instruction(source, labels))
    return request


def statement_schema(labels: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of a stated belief."""
    probabilities: dict[str, Any] = {label: {"type": "number"} for label in labels}
    return {
        "type": "object",
        "properties": probabilities | {"abstain": {"type": "boolean"}},
        "required": [*labels, "abstain"],
        "additionalProperties": False,
    }


def even_statement(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """An even belief in the form that `statement_schema` asks for, or None if ``schema`` asks for something else."""
    labels = [name for name in schema.get("properties", {}) if name != "abstain"]
    if schema != statement_schema(labels):
        return None
    return {label: 1 / len(labels) for label in labels} | {"abstain": False}


def from_choices(reply: ChatReply, labels: Sequence[str]) -> Belief:
    """Read the labels' token probabilities.

    Raises:
        CallFailed: unparsable, because there are none, or next to none lies on the labels.
    """
    if reply.choice_probs is None:
        raise _unparsable("the reply came without token probabilities")
    weights = [reply.choice_probs.get(label, 0.0) for label in labels]
    if sum(weights) < _MINIMUM_MASS:
        raise _unparsable(f"only {sum(weights):.3f} of the probability lies on the answers' labels")
    return Belief.from_weights(weights, BeliefSource.LOGPROB)


def from_statement(reply: ChatReply, labels: Sequence[str]) -> Belief:
    """Read stated probabilities.

    Raises:
        CallFailed: unparsable, because there is no JSON object, a label is missing, or the numbers are no
            distribution.
    """
    stated = first_json_object(reply.text)
    if stated.get("abstain") is True:
        return Belief(probs=None, source=BeliefSource.STATED, status=BeliefStatus.ABSTAINED)
    values = [stated.get(label) for label in labels]
    try:
        weights = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(weights) == len(labels) and any(low <= sum(weights) <= high for low, high in _NEAR_ONE):
            return Belief.from_weights(weights, BeliefSource.STATED)
    except (OverflowError, ValueError) as error:
        raise _unparsable(str(error)) from None
    raise _unparsable("the reply does not give every answer a probability")


def from_samples(replies: Sequence[ChatReply], labels: Sequence[str]) -> Belief:
    """Count which label each of several replies names; ``mass`` is the share that named exactly one.

    Raises:
        CallFailed: unparsable, because not one of them did.
    """
    named = [_NAMES_ONE.fullmatch(reply.text.strip()) for reply in replies]
    votes = Counter(match["label"] for match in named if match and match["label"] in labels)
    if not votes:
        raise _unparsable("no sampled reply names exactly one answer")
    shares = [votes[label] / votes.total() for label in labels]
    return Belief(probs=tuple(shares), source=BeliefSource.SAMPLED, mass=votes.total() / len(replies))


def first_json_object(text: str) -> dict[str, Any]:
    """The first JSON object in ``text``, whatever stands around it.

    Raises:
        CallFailed: unparsable, because there is none.
    """
    start = text.find("{")
    while start >= 0:
        end = _closing(text, start)
        with suppress(ValueError, RecursionError):
            value = json.loads(text[start : end + 1])
            if isinstance(value, dict):
                return value
        # What stands inside an object that cannot be read is not what was stated; doubled braces are just that.
        doubled = text[start + 1 :].lstrip().startswith("{")
        start = text.find("{", (start if doubled else max(end, start)) + 1)
    raise _unparsable("the reply holds no JSON object")


def _closing(text: str, start: int) -> int:
    """Where the brace that opens at ``start`` is closed, or -1; braces inside strings do not count."""
    depth = 0
    for match in re.compile(r'"(?:[^"\\]|\\.)*"|[{}]').finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return -1


def _unparsable(message: str) -> CallFailed:
    return CallFailed(FailureClass.UNPARSABLE, message)
