"""What LiteLLM's exceptions mean, read off what its release 1.106 was seen to raise."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from oversight.errors import CallFailed, FailureClass
from oversight.models.litellm.address import error_chain, failed_connection, through_proxy
from oversight.util.secrets import redact

__all__ = ["call_failed", "status_of"]

_LONGEST_MESSAGE = 300
_BY_STATUS = {
    HTTPStatus.UNAUTHORIZED: FailureClass.AUTHENTICATION,
    HTTPStatus.PAYMENT_REQUIRED: FailureClass.AUTHENTICATION,
    HTTPStatus.FORBIDDEN: FailureClass.AUTHENTICATION,
    HTTPStatus.REQUEST_TIMEOUT: FailureClass.TIMEOUT,
    HTTPStatus.CONFLICT: FailureClass.SERVER_ERROR,
    HTTPStatus.TOO_MANY_REQUESTS: FailureClass.RATE_LIMITED,
    HTTPStatus.GATEWAY_TIMEOUT: FailureClass.TIMEOUT,
}
# In this order; the names are of exceptions anywhere in the chain, or of their base classes.
_BY_NAME = {
    "ContextWindowExceededError": FailureClass.CONTEXT_LENGTH,
    "ContentPolicyViolationError": FailureClass.CONTENT_FILTER,
    "JSONDecodeError": FailureClass.MALFORMED,
    "TimeoutError": FailureClass.TIMEOUT,
    "TimeoutException": FailureClass.TIMEOUT,
    "TransportError": FailureClass.CONNECTION,
    "ClientConnectionError": FailureClass.CONNECTION,
}
_NO_FUNDS = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|billing", re.IGNORECASE)
_FILTERED = re.compile(r"content[ _](filter|policy)|content management policy", re.IGNORECASE)
_NO_PROVIDER = re.compile(r"LLM Provider NOT provided|model_not_found|invalid model", re.IGNORECASE)
# What LiteLLM reports with a 500 of its own, where no server sent one.
_BY_MESSAGE = {
    re.compile(r"missing\b.{0,20}\b(credentials|api key)|_API_KEY is not set", re.IGNORECASE): (
        FailureClass.AUTHENTICATION
    ),
    re.compile(r"No module named|pip install"): FailureClass.INVALID_REQUEST,
    re.compile(r"invalid response", re.IGNORECASE): FailureClass.MALFORMED,
}


def call_failed(error: Exception) -> CallFailed:
    """The framework's own error for one that LiteLLM raised.

    It holds nothing of the original: LiteLLM's exceptions do not unpickle, and their texts may hold keys.
    """
    # LiteLLM puts tracebacks, with the arguments of the call, into some of its messages.
    message = str(error).split("Traceback (most recent", 1)[0] or type(error).__name__
    line = " ".join(redact(message).split())
    failure = _failure_class(error, line)
    if failure is FailureClass.CONNECTION:
        line = redact(failed_connection(error) or line)
    elif proxy := through_proxy(error):
        # A proxy that refuses answers with a status of its own, which looks like the provider's.
        line = line[: _LONGEST_MESSAGE - len(proxy)] + proxy
    return CallFailed(failure, line[:_LONGEST_MESSAGE], _retry_after(error))


def status_of(error: Exception) -> int | None:
    """The HTTP status that came with ``error``, or that LiteLLM made up for it."""
    status = getattr(error, "status_code", None)
    return int(status) if status is not None else None


def _failure_class(error: Exception, message: str) -> FailureClass:
    names = {base.__name__ for link in error_chain(error) for base in type(link).__mro__}
    for name, failure in _BY_NAME.items():
        if name in names:
            return failure
    status = status_of(error)
    if status is None or status < HTTPStatus.BAD_REQUEST:
        return FailureClass.MALFORMED
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _refused(status, message)
    if status in _BY_STATUS:
        return _BY_STATUS[HTTPStatus(status)]
    return FailureClass.SERVER_ERROR if "HTTPStatusError" in names else _made_up(message)


def _refused(status: int, message: str) -> FailureClass:
    """What a status between 400 and 499 means."""
    if _NO_FUNDS.search(message):
        return FailureClass.AUTHENTICATION  # like a wrong key, no later call will fare better
    if status in _BY_STATUS:
        return _BY_STATUS[HTTPStatus(status)]
    if status == HTTPStatus.NOT_FOUND or _NO_PROVIDER.search(message):
        return FailureClass.UNKNOWN_MODEL
    return FailureClass.CONTENT_FILTER if _FILTERED.search(message) else FailureClass.INVALID_REQUEST


def _made_up(message: str) -> FailureClass:
    """What a 500 of LiteLLM's own means."""
    for pattern, failure in _BY_MESSAGE.items():
        if pattern.search(message):
            return failure
    return FailureClass.SERVER_ERROR


def _retry_after(error: Exception) -> float | None:
    """Seconds that the response's Retry-After header asks for, given as a number or as a date."""
    response = getattr(error, "response", None)
    for headers in (getattr(error, "litellm_response_headers", None), getattr(response, "headers", None)):
        value = _header(headers, "retry-after")
        if value is None:
            continue
        try:
            seconds = float(value)
        except ValueError:
            try:
                date = parsedate_to_datetime(value)
            except ValueError:
                continue
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _header(headers: Mapping[str, Any] | None, name: str) -> str | None:
    return next((str(value) for key, value in (headers or {}).items() if key.lower() == name), None)
