"""An exception in one line, whatever it holds: what people read of a plugin's errors."""

from __future__ import annotations

import re
import traceback

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from oversight.errors import CallFailed, OversightError
from oversight.util.secrets import redact

__all__ = ["describe_error", "describe_validation", "message_of", "release_frames", "traceback_of"]

_LONGEST = 400
"""Characters of an exception's text that are shown."""

_FRAMES = 20
_LINKS = 5
"""Innermost frames, and exceptions that led to each other, that a traceback shows."""

_UNPRINTABLE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""ANSI sequences and control characters: they would steer a terminal, or break the line."""


def describe_error(error: BaseException) -> str:
    """Return the class and the text of ``error`` in one line of bounded length, without keys and control characters.

    Our own errors are sentences for people, and stand for themselves.
    """
    text = _text(error)
    if isinstance(error, OversightError) and not isinstance(error, CallFailed) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def describe_validation(error: ValidationError) -> str:
    """Return what is wrong with a model's fields, as the validators say it: no input, no link to a manual."""
    parts = []
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"])
        parts.append(f"{place}: {message_of(each)}" if place else message_of(each))
    return f"{error.title}: {'; '.join(parts)}"


def message_of(details: ErrorDetails) -> str:
    """Return what a validator said of one field, in one line; of an error that holds others, what those say."""
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, Exception):
        return _text(cause) or "it is not accepted"
    return _in_one_line(details["msg"]) or "it is not accepted"


def traceback_of(error: BaseException) -> str:
    """Return where ``error``, and what led to it, was raised; each text is one line, and the last line says why."""
    blocks: list[str] = []
    link: BaseException | None = error
    while link is not None and len(blocks) < _LINKS:
        frames = "".join(traceback.format_tb(link.__traceback__, -_FRAMES))
        blocks.append(f"Traceback (most recent call last):\n{frames}{describe_error(link)}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n\nThis led to:\n\n".join(reversed(blocks))


def release_frames(error: BaseException) -> None:
    """Let go of the frames that a validation error's causes hold, which Python's collector cannot see into."""
    link: BaseException | None = error
    while link is not None:
        for each in link.errors(include_url=False) if isinstance(link, ValidationError) else ():
            cause = each.get("ctx", {}).get("error")
            if isinstance(cause, BaseException):
                cause.__traceback__ = cause.__context__ = cause.__cause__ = None
        link = link.__cause__ or link.__context__


def _text(error: BaseException) -> str:
    try:
        text = describe_validation(error) if isinstance(error, ValidationError) else str(error)
    except Exception:  # a plugin's own __str__ may raise, too
        return "(its text cannot be read)"
    return _in_one_line(text)


def _in_one_line(text: str) -> str:
    line = " ".join(_UNPRINTABLE.sub(" ", redact(text)[: 4 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
