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
    "statement_schema",
]

_MINIMUM_MASS = 0.05
"""Below this share of probability on the labels, the model was not answering with a label at all."""

_NEAR_ONE = ((0.9, 1.1), (90.0, 110.0))
"""Stated probabilities are scaled to 1 if they sum to about 1, or to about 100 per cent; else they are unreadable."""


def instruction(source: BeliefSource, labels: Sequence[str]) -> str:
    """What the judge is told about the form of its reply."""
    if source is not BeliefSource.STATED:
        return f"Reply with the letter of one answer and nothing else: {', '.join(labels)}."
    example = json.dumps({label: round(1 / len(labels), 3) for label in labels} | {"abstain": False})
    return (
        "Reply with one JSON object and nothing else: the probability that each answer is right, summing to 1, "
        f"for example {example}. Set abstain to true only if you cannot judge at all."
    )


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
        CallFailed: unparsable, because next to no probability lies on the labels.
    """
    weights = [(reply.choice_probs or {}).get(label, 0.0) for label in labels]
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
    weights = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(weights) < len(labels) or not any(low <= sum(weights) <= high for low, high in _NEAR_ONE):
        raise _unparsable("the reply does not give every answer a probability")
    try:
        return Belief.from_weights(weights, BeliefSource.STATED)
    except ValueError as error:
        raise _unparsable(str(error)) from None


def from_samples(replies: Sequence[ChatReply], labels: Sequence[str]) -> Belief:
    """Count which label each of several replies names; ``mass`` is the share that named exactly one.

    Raises:
        CallFailed: unparsable, because not one of them did.
    """
    named = [set(re.findall(r"\b[A-Z]\b", reply.text)) & set(labels) for reply in replies]
    votes = Counter(next(iter(found)) for found in named if len(found) == 1)
    if not votes:
        raise _unparsable("no sampled reply names exactly one answer")
    shares = [votes[label] / votes.total() for label in labels]
    return Belief(probs=tuple(shares), source=BeliefSource.SAMPLED, mass=votes.total() / len(replies))


def first_json_object(text: str) -> dict[str, Any]:
    """The first JSON object in ``text``, whatever stands around it.

    Raises:
        CallFailed: unparsable, because there is none.
    """
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\{", text):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (json.JSONDecodeError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    raise _unparsable("the reply holds no JSON object")


def _unparsable(message: str) -> CallFailed:
    return CallFailed(FailureClass.UNPARSABLE, message)
