"""Reading a belief off a model's reply.

Three ways, and the record says which: the probabilities the model gives the answers' labels as its next
token, probabilities it states, or the shares of several sampled replies. A reply that cannot be read is a
failure of its own class; it never becomes an even split.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.chat import ChatReply
from oversight.errors import CallFailed, FailureClass
from oversight.prompting.letters import named_label
from oversight.prompting.objects import final_object

__all__ = [
    "MINIMUM_MASS",
    "even_statement",
    "from_choices",
    "from_form",
    "from_samples",
    "from_statement",
    "instruction",
    "letters_asked_for",
    "statement_schema",
    "without_instruction",
]

Form = TypeVar("Form", bound=BaseModel)

# How it was chosen: docs/replies.md.
MINIMUM_MASS = 0.07
"""Below this share of probability on the labels, the model was not answering with a label at all."""

_WRITTEN_NUMBER = re.compile(r"\+?(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})\s*(%?)", re.ASCII)

_LETTER = "Reply with the letter of one answer and nothing else: "
_ONE_LETTER = re.compile(rf"{_LETTER}([A-Z](?:, [A-Z])*)\.$")

_NEAR_ONE = ((0.9, 1.1), (90.0, 110.0))
"""Stated probabilities are scaled to 1 if they sum to about 1, or to about 100 per cent; else they are unreadable."""


def instruction(source: BeliefSource, labels: Sequence[str]) -> str:
    """Return what the judge is told about the form of its reply."""
    if source is not BeliefSource.STATED:
        return f"{_LETTER}{', '.join(labels)}."
    # No numbers, which a model would repeat, and no valid JSON: a copy of the form is no answer.
    form = ", ".join([*(f'"{label}": probability of {label}' for label in labels), '"abstain": true or false'])
    return (
        "Reply with one JSON object and nothing else: the probability that each answer is right, summing to 1, "
        f"in the form {{{form}}}. Set abstain to true only if you cannot judge at all."
    )


def _former_instruction(labels: Sequence[str]) -> str:
    """The words in which stated beliefs were asked for once; transcripts in older stores hold them."""
    example = json.dumps({label: round(1 / len(labels), 3) for label in labels} | {"abstain": False})
    return (
        "Reply with one JSON object and nothing else: the probability that each answer is right, summing to 1, "
        f"for example {example}. Set abstain to true only if you cannot judge at all."
    )


def letters_asked_for(request: str) -> list[str]:
    """Return the letters of which a request wants one, as `instruction` asks for it; none if it wants no letter."""
    found = _ONE_LETTER.search(request)
    return found[1].split(", ") if found else []


def without_instruction(request: str, labels: Sequence[str]) -> str:
    """Return a request for a belief as its author worded it, without what `instruction` adds or once added."""
    added = {instruction(source, labels) for source in BeliefSource} | {_former_instruction(labels)}
    for words in added:
        request = request.removesuffix("\n\n" + words)
    return request


def statement_schema(labels: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of a stated belief."""
    probabilities: dict[str, Any] = {label: {"type": "number"} for label in labels}
    return {
        "type": "object",
        "properties": probabilities | {"abstain": {"type": "boolean"}},
        "required": [*labels, "abstain"],
        "additionalProperties": False,
    }


def even_statement(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an even belief in the form of `statement_schema`, or None if ``schema`` is another form."""
    labels = [name for name in schema.get("properties", {}) if name != "abstain"]
    if schema != statement_schema(labels):
        return None
    return {label: 1 / len(labels) for label in labels} | {"abstain": False}


def from_choices(reply: ChatReply, labels: Sequence[str]) -> Belief:
    """Read the labels' token probabilities.

    Raises:
        CallFailed: unparsable, because there are none; low mass, because next to none lies on the labels.
    """
    if reply.choice_probs is None:
        raise _unparsable("the reply came without token probabilities")
    weights = [reply.choice_probs.get(label, 0.0) for label in labels]
    if sum(weights) < MINIMUM_MASS:
        message = f"only {sum(weights):.3f} of the probability lies on the answers' labels"
        raise CallFailed(FailureClass.LOW_MASS, message)
    return Belief.from_weights(weights, BeliefSource.LOGPROB)


def from_statement(reply: ChatReply, labels: Sequence[str], heard: Sequence[str] = ()) -> Belief:
    """Read the probabilities that a reply finally states.

    Args:
        reply: the reply.
        labels: the answers' labels.
        heard: the texts of the prompt; an object that stands there decides nothing beside one that does not.

    Raises:
        CallFailed: unparsable, because it is not clear which JSON object is the final one, a label is missing in it,
            or its numbers are no distribution.
    """

    def read(stated: dict[str, Any]) -> Belief:
        return _stated(stated, labels)

    return final_object(reply.text, read, mentions=[*labels, "abstain"], heard=heard, same=_alike)


def from_form(reply: ChatReply, form: type[Form], heard: Sequence[str] = ()) -> Form:
    """Read the object that a reply finally states, validated as ``form``; ``heard`` is as in `from_statement`.

    Raises:
        CallFailed: unparsable, because it is not clear which JSON object is the final one, or it does not fit.
    """

    def read(filled: dict[str, Any]) -> Form:
        try:
            return form.model_validate(filled)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{place}: {first['msg']}") from None

    return final_object(reply.text, read, mentions=form.model_json_schema().get("properties", {}), heard=heard)


def from_samples(replies: Sequence[ChatReply], labels: Sequence[str], answers: Sequence[str] = ()) -> Belief:
    """Count which label each of several replies names; ``mass`` is the share that named exactly one.

    Args:
        replies: the replies.
        labels: the answers' labels.
        answers: the answers' texts in the same order, which a reply may put after the letter.

    Raises:
        CallFailed: unparsable, because not one of them did.
    """
    votes = Counter(label for reply in replies if (label := named_label(reply.text, labels, answers)) is not None)
    if not votes:
        raise _unparsable("no sampled reply names exactly one answer")
    shares = [votes[label] / votes.total() for label in labels]
    return Belief(probs=tuple(shares), source=BeliefSource.SAMPLED, mass=votes.total() / len(replies))


def _stated(stated: Mapping[str, Any], labels: Sequence[str]) -> Belief:
    """Read one statement.

    Raises:
        ValueError: it neither abstains nor is a distribution.
    """
    if _abstains(stated.get("abstain")):
        return Belief(probs=None, source=BeliefSource.STATED, status=BeliefStatus.ABSTAINED)
    weights = [_number(stated.get(label)) for label in labels]
    if not any(low <= sum(weights) <= high for low, high in _NEAR_ONE):
        raise ValueError("the stated probabilities do not sum to 1")
    return Belief.from_weights(weights, BeliefSource.STATED)


def _abstains(value: object) -> bool:
    said = value.strip().casefold() if isinstance(value, str) else value
    if said is True or said == "true":
        return True
    if said is None or said is False or said == "false":
        return False
    raise ValueError("the reply does not say whether it abstains")


def _number(value: object) -> float:
    """A number as it stands, or as a text such as "0.7" or "70%"."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ValueError("a stated probability is too large for a number") from None
    written = _WRITTEN_NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if written is None:
        raise ValueError("the reply does not give every answer a probability")
    return float(written[1]) / (100 if written[2] else 1)


def _alike(one: Belief, other: Belief) -> bool:
    """Return whether two statements mean the same belief, in whatever scale each is written."""
    if one.probs is None or other.probs is None:
        return one.probs == other.probs
    return all(math.isclose(p, q, abs_tol=1e-6) for p, q in zip(one.probs, other.probs, strict=True))


def _unparsable(message: str) -> CallFailed:
    return CallFailed(FailureClass.UNPARSABLE, message)
