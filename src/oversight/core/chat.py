"""A chat with a model: what is asked, what comes back, and what is kept of each attempt."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict

from oversight.errors import CallFailed

__all__ = ["CacheStatus", "CallRecord", "ChatMessage", "ChatReply", "ChatRequest", "Truncation", "reply_of"]

Truncation: TypeAlias = Literal["fail", "keep", "again"]
"""What becomes of a reply that a token limit cut off."""


class CacheStatus(StrEnum):
    """For whom a call was made whose reply an attempt at an episode uses."""

    MISS = "made"
    """For this attempt."""
    RESUMED = "kept"
    """For an earlier attempt at the same episode, whose record has the same call."""
    SHARED = "shared"
    """For another episode, which asked exactly the same."""


class ChatMessage(NamedTuple):
    """One message of a chat; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


class ChatRequest(NamedTuple):
    """What a seat asks of its model.

    Attributes:
        messages: the seat's whole history, ending with a user message.
        choices: when given, the reply is one of these, and their probabilities are wanted.
        json_schema: when given, the reply must be one JSON object that fits.
        sample: which of several independent samples of the same prompt this is.
        seat: who asks. Two seats that ask the same get answers of their own.
        word_limit: how many words of the reply will count, where a limit was set; the prompt says so too.
        truncation: what becomes of a text that a token limit cut off: it fails, it is kept, or it is asked for again
            with more room.
        room: tokens of a reply to allow at least, where a shorter limit was met before.
    """

    messages: tuple[ChatMessage, ...]
    choices: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    sample: int = 0
    seat: str = ""
    word_limit: int | None = None
    truncation: Truncation = "fail"
    room: int | None = None


class ChatReply(NamedTuple):
    """What a model answered, and what it took.

    Attributes:
        text: the reply.
        finish_reason: ``stop``, ``length``, ``content_filter`` or the provider's own word.
        choice_probs: probability of each requested choice as the reply's first token, not scaled, where the
            model gives token probabilities; None where it does not.
        model: the model that answered, as the provider names it.
        provider: who served it; ``embedded`` for models that run here.
        prompt_tokens, completion_tokens, cached_tokens: None where the server's count is missing or cannot be true.
        cost_usd: None where the price is unknown, which is not the same as free.
        latency_s: seconds from request to reply.
        origin: for whom the call was made.
        record: the call's name in the call cache; empty where none is kept.
        thought: what the model reasoned before it spoke, which no seat ever reads; empty where it showed none.
        truncated: whether a token limit cut the text off and only whole sentences of it were kept.
        notices: what was odd about a reply that is used all the same, one line each: ``what: why``.
    """

    text: str
    finish_reason: str = "stop"
    choice_probs: Mapping[str, float] | None = None
    model: str = ""
    provider: str = ""
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    cached_tokens: int | None = 0
    cost_usd: float | None = None
    latency_s: float = 0.0
    origin: CacheStatus = CacheStatus.MISS
    record: str = ""
    thought: str = ""
    truncated: bool = False
    notices: tuple[str, ...] = ()


class CallRecord(BaseModel):
    """One attempt at a model call, good or failed, as the store keeps it.

    Attributes:
        number: counts the episode's calls from 0.
        seat: who called; ``role`` and ``model`` are what the experiment bound.
        purpose: the verb (speak, think, fill, believe, decide).
        attempt: 0 for the first try of this call.
        failure: the failure class, None for a call that was used.
        detail: one line about the failure.
        notice: what was odd about a reply that came (`ChatReply.notices`).
        prompt_tokens, completion_tokens, cached_tokens: None where they are unknown.
        origin: for whom the call was made. Its price is that of the call then; money was spent only if ``made``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    number: int
    seat: str
    role: str
    purpose: str
    attempt: int
    model: str
    resolved_model: str = ""
    provider: str = ""
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    cached_tokens: int | None = 0
    cost_usd: float | None = None
    latency_s: float = 0.0
    finish_reason: str = ""
    failure: str | None = None
    detail: str | None = None
    notice: str | None = None
    origin: CacheStatus = CacheStatus.MISS


def reply_of(failure: CallFailed) -> ChatReply | None:
    """Return the reply that came with a failed call and was paid for, if one came."""
    return failure.reply if isinstance(failure.reply, ChatReply) else None
