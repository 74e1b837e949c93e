"""The one policy by which requests to providers are made again."""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from oversight.core.chat import ChatReply, ChatRequest, reply_of
from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ChatModel
from oversight.models.reply import ask

__all__ = ["BASE_DELAY_S", "OnAttempt", "call_with_retries", "retry"]

T = TypeVar("T")

BASE_DELAY_S = 1.0
"""Upper end of the first wait; each further one is up to twice as long."""

OnAttempt = Callable[[int, ChatReply | None, CallFailed | None, float], None]
"""Told of each attempt: its number from 0, the reply or else the failure, and the seconds it took."""

_TRANSIENT_RETRIES = 4
_TURNED_AWAY_RETRIES = 10
"""For 429: nothing is paid, and limits adapt meanwhile."""

_LONGER_RETRIES = 2
"""For a truncated reply that may have more room."""

_LEAST_ROOM = 256
"""Tokens: where neither the settings nor the reply say at what length it was cut off."""

_LONGEST_BACKOFF_S = 30.0
_LONGEST_RETRY_AFTER_S = 60.0
_MOST_ATTEMPTS = 16
"""Of one call, whatever mix of failures it meets."""

# Worth another draw, but a second like outcome is the model's answer.
_ONE_MORE = frozenset({FailureClass.TRUNCATED, FailureClass.REFUSED, FailureClass.CONTENT_FILTER})

# Retries are on record as calls; without a handler they would also land on stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())


async def call_with_retries(
    model: ChatModel, request: ChatRequest, on_attempt: OnAttempt, *, base_delay: float = BASE_DELAY_S
) -> ChatReply:
    """Make one call, again where that may help, as `retry` says.

    Args:
        model: whose call it is.
        request: what it is asked.
        on_attempt: told of each attempt as it ends.
        base_delay: seconds; 0 never waits, except where the provider asks for it.

    Raises:
        CallFailed: the last attempt's failure.
    """
    numbers = itertools.count()
    asked = request

    async def attempt() -> ChatReply:
        nonlocal asked
        number, started = next(numbers), time.perf_counter()
        try:
            reply = await ask(model, asked)
        except CallFailed as failure:
            on_attempt(number, None, failure, time.perf_counter() - started)
            if failure.failure is FailureClass.TRUNCATED and request.truncation == "again":
                asked = asked._replace(room=_more_room(asked, reply_of(failure), model.settings.completion_limit))
            raise
        on_attempt(number, reply, None, time.perf_counter() - started)
        return reply

    truncated = _LONGER_RETRIES if request.truncation == "again" else 1
    return await retry(attempt, base_delay=base_delay, truncated=truncated)


async def retry(request: Callable[[], Awaitable[T]], *, base_delay: float = BASE_DELAY_S, truncated: int = 1) -> T:
    """What a request to a provider comes to, made again where that may help.

    Transient failures are retried up to four times (being turned away, ten), after a jittered exponential
    backoff or after what the provider asked for (at most a minute); a truncated, refused or filtered reply
    once; anything else never.

    Args:
        request: makes one attempt.
        base_delay: seconds; 0 never waits, except where the provider asks for it.
        truncated: how often a truncated reply is asked for again.

    Raises:
        CallFailed: the last attempt's failure.
    """
    failures: Counter[FailureClass] = Counter()

    def again(error: Exception) -> bool | float:
        if not isinstance(error, CallFailed):
            return False
        failures[error.failure] += 1
        allowed = truncated if error.failure is FailureClass.TRUNCATED else _allowed(error.failure)
        if failures[error.failure] > allowed:
            return False
        if error.retry_after is None:
            longest = min(_LONGEST_BACKOFF_S, base_delay * 2 ** (failures.total() - 1))
            return random.uniform(longest / 2, longest)
        # Those who were turned away together must not come back together.
        return min(error.retry_after, _LONGEST_RETRY_AFTER_S) + random.uniform(0, min(_LONGEST_BACKOFF_S, base_delay))

    async for attempt in stamina.retry_context(on=again, attempts=_MOST_ATTEMPTS, timeout=None):
        with attempt:
            return await request()
    raise AssertionError("stamina raises the last attempt's error")


def _more_room(request: ChatRequest, reply: ChatReply | None, limit: int | None) -> int:
    """Twice the tokens that a reply was cut off at."""
    used = reply.completion_tokens if reply is not None else None
    return 2 * max(used or 0, limit or 0, request.room or 0) or _LEAST_ROOM


def _allowed(failure: FailureClass) -> int:
    """How often a call that failed so is made again."""
    if failure is FailureClass.RATE_LIMITED:
        return _TURNED_AWAY_RETRIES
    return _TRANSIENT_RETRIES if failure.transient else int(failure in _ONE_MORE)
