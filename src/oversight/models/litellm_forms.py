"""What is asked of a provider in its own form, and whether what came back can be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oversight.errors import FailureClass
from oversight.models.base import ChatRequest

__all__ = ["response_format", "useless"]


def useless(
    message: Any, finish_reason: str, answered: bool, request: ChatRequest, extras: Mapping[str, Any]
) -> FailureClass | None:
    """Why a reply that came cannot be used, if so."""
    more = getattr(message, "provider_specific_fields", None) or {}
    if getattr(message, "refusal", None) or more.get("refusal"):
        return FailureClass.REFUSED
    if finish_reason == "content_filter":
        return FailureClass.CONTENT_FILTER
    if answered:
        # A choice is made by its first token; whatever a limit cut off after that is not missed.
        return FailureClass.TRUNCATED if finish_reason == "length" and not request.choices else None
    # Where our own limit left nothing, a chain of thought was cut, and the next attempt sets no limit.
    own_limit = "max_tokens" in extras
    return FailureClass.TRUNCATED if finish_reason == "length" and not own_limit else FailureClass.BLANK


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema as OpenAI's ``response_format``; strict where it may be."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": dict(schema), "strict": _is_strict(schema)},
    }


def _is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a schema: closed objects, every property required, no defaults."""
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
