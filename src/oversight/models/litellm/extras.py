"""What is asked of a provider on top of the messages, and how it is found out what a server does not take.

A provider's own refusal says more than any table: a call that fails with an extra and works without it shows that
the extra has to be left out, in whatever words and with whatever status it was refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from oversight.core.chat import ChatRequest

__all__ = ["LIMITS", "Change", "Terms", "changes", "response_format"]

LIMITS = ("max_tokens", "max_completion_tokens")
"""What providers call the limit on a reply's tokens."""

MOST_LOGPROBS = 20
FEW_LOGPROBS = 5
"""Where Fireworks, Together and older vLLM draw the line."""


class Terms(NamedTuple):
    """What is asked of a server, as far as it is known to take it.

    Attributes:
        top_logprobs: how many alternatives to the first token; 0 for no token probabilities.
        schema: whether a form comes with its JSON schema.
        limit: whether a choice is held to one token, which spares the rest.
        limits: what a limit on tokens is called, where the settings call it otherwise.
        system: whether instructions come as a system message, and not in front of the first user message.
    """

    top_logprobs: int = MOST_LOGPROBS
    schema: bool = True
    limit: bool = True
    limits: Mapping[str, str] = {}
    system: bool = True

    def changed(self, change: Change) -> Terms:
        """Return the terms with one more thing left out; what another call found out meanwhile stays."""
        terms = self._replace(**change.fields)
        return terms._replace(top_logprobs=min(self.top_logprobs, terms.top_logprobs))


class Change(NamedTuple):
    """Something that may have to be asked otherwise.

    Attributes:
        extra: what it is, in words for a person.
        fields: what it changes of the terms.
    """

    extra: str
    fields: Mapping[str, Any]


_PROBABILITIES, _SCHEMA, _LIMIT, _SYSTEM = "token probabilities", "the JSON schema", "a token limit", "a system message"
_NAMED = {
    _PROBABILITIES: re.compile(r"log.?prob", re.IGNORECASE),
    _SCHEMA: re.compile(r"response_format|schema|grammar|structured|guided|json", re.IGNORECASE),
    _LIMIT: re.compile(r"max_(completion_|output_)?tokens", re.IGNORECASE),
    _SYSTEM: re.compile(r"\bsystem\b|\broles?\b|alternate|template", re.IGNORECASE),
}
"""Which extra a refusal seems to be about: only the order in which they are tried depends on it."""

_OVER_LIMIT = re.compile(r"<=|at most|less than|between|max|greater|range|exceed", re.IGNORECASE)
"""A refusal that seems to be about the number of alternatives, of which fewer are asked for then."""


def changes(
    terms: Terms, asked: Mapping[str, Any], request: ChatRequest, refusal: str, *, answered: bool = False
) -> list[Change]:
    """List what to try, one at a time, after a call was refused: what the refusal names first, all at once last.

    Args:
        terms: under which the call was made.
        asked: the arguments that it had.
        request: what was asked.
        refusal: its message.
        answered: whether the server has answered calls that had a system message and a limit, so that neither can be
            what it does not take.
    """
    found: list[Change] = []
    # Without probabilities no limit is set either: the limit alone comes first, so that it alone is left out.
    for name in () if answered else LIMITS:
        if name in asked and name not in terms.limits.values():
            other = LIMITS[1 - LIMITS.index(name)]
            found.append(Change(_LIMIT, {"limits": {name: other}}))
    if request.choices and terms.limit and any(asked.get(name) == 1 for name in LIMITS):
        found.append(Change(_LIMIT, {"limit": False}))
    if "top_logprobs" in asked:
        fewer = [FEW_LOGPROBS] if asked["top_logprobs"] > FEW_LOGPROBS and _OVER_LIMIT.search(refusal) else []
        found += [Change(_PROBABILITIES, {"top_logprobs": count}) for count in (*fewer, 0)]
    if "response_format" in asked:
        found.append(Change(_SCHEMA, {"schema": False}))
    if not answered and terms.system and any(message.role == "system" for message in request.messages):
        found.append(Change(_SYSTEM, {"system": False}))
    found.sort(key=lambda change: _NAMED[change.extra].search(refusal) is None)
    if len({change.extra for change in found}) > 1:
        every = {name: value for change in found for name, value in change.fields.items()}
        found.append(Change(" and ".join(dict.fromkeys(change.extra for change in found)), every))
    return found


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON schema as OpenAI's ``response_format``; strict where it may be."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": dict(schema), "strict": _is_strict(schema)},
    }


def _is_strict(schema: Any) -> bool:
    """Return whether OpenAI's strict mode takes a schema: closed objects, every property required, no defaults."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
        return all(map(_is_strict, properties.values())) and _is_strict(schema.get("$defs", {}))
    if schema.keys() & {"default", "allOf", "oneOf", "not"} or ("$ref" in schema and len(schema) > 1):
        return False
    return all(map(_is_strict, schema.values()))
