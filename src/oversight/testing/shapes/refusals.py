"""Servers that refuse something a request may ask for on top, each in its own words and status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from oversight.testing.faults import Fault

__all__ = ["REFUSALS", "Refusal"]


class Refusal(NamedTuple):
    """What one server does not take.

    Attributes:
        asks: whether a request asks for it.
        fault: what such a request gets; all others are answered.
    """

    asks: Callable[[Mapping[str, Any]], bool]
    fault: Fault


def _asks_for(field: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda body: bool(body.get(field))


def _has_system(body: Mapping[str, Any]) -> bool:
    return any(message["role"] == "system" for message in body["messages"])


def _logprobs(status: int, message: str) -> Refusal:
    return Refusal(_asks_for("logprobs"), Fault.error(status, message))


def _schema(status: int, message: str) -> Refusal:
    return Refusal(_asks_for("response_format"), Fault.error(status, message))


def _limit(name: str, other: str) -> Refusal:
    message = f"Unsupported parameter: '{name}' is not supported with this model. Use '{other}' instead."
    return Refusal(_asks_for(name), Fault.error(400, message, code="unsupported_parameter"))


REFUSALS: Mapping[str, Refusal] = MappingProxyType(
    {
        "logprobs_400": _logprobs(400, "This model does not return the likelihood of its tokens"),
        "logprobs_403": _logprobs(403, "You are not allowed to request logprobs from this model"),
        "logprobs_404": _logprobs(404, "No endpoints found that can handle the requested parameters."),
        "logprobs_422": _logprobs(422, "body.top_logprobs: Extra inputs are not permitted"),
        "logprobs_500": _logprobs(500, "Out of range float values are not JSON compliant"),
        "logprobs_501": _logprobs(501, "Not implemented"),
        "logprobs_not_json": Refusal(_asks_for("logprobs"), Fault.not_json()),
        "schema_400": _schema(400, "failed to parse grammar"),
        "schema_422": _schema(422, "guided decoding is not available with this backend"),
        "schema_500": _schema(500, "Internal server error"),
        "system_400": Refusal(_has_system, Fault.error(400, "System role not supported")),
        "system_500": Refusal(
            _has_system, Fault.error(500, "Conversation roles must alternate user/assistant/user/assistant/...")
        ),
        "max_tokens_400": _limit("max_tokens", "max_completion_tokens"),
        "max_completion_tokens_400": _limit("max_completion_tokens", "max_tokens"),
    }
)
"""Refusals by name; a server may have several."""
