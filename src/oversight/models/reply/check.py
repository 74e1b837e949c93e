"""What holds for every reply, whichever model gave it and whether it came just now or is on record."""

from __future__ import annotations

from oversight.core.chat import ChatReply, ChatRequest, reply_of
from oversight.core.notices import NO_PROBS, NO_USAGE, THINKING
from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.reply.probabilities import why_impossible
from oversight.models.reply.thought import split_thought
from oversight.models.reply.usage import checked_usage
from oversight.util.secrets import redact, value_redactor

__all__ = ["ask", "check_reply"]

_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "max_length", "incomplete"})
_FILTERED = frozenset(
    {
        "content_filter",
        "content_filtered",
        "safety",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "guardrail_intervened",
        "sensitive",
    }
)
_BROKEN = frozenset(
    {"error", "abort", "aborted", "cancelled", "network_error", "insufficient_system_resource", "malformed_response"}
)
"""Providers' words for why a reply ended: at a limit, in a filter, or because the server gave up."""

_FEWEST_WORDS = 2
"""Fewer are no speech that could be kept: the last one may be broken off."""


async def ask(model: ChatModel, request: ChatRequest) -> ChatReply:
    """Call a model and check its reply.

    Raises:
        CallFailed: the call gave nothing usable; a reply that came with the failure is checked too.
    """
    try:
        reply = await model.chat(request)
    except CallFailed as failure:
        failed = failure
    else:
        return check_reply(reply, request, model.settings)
    came = reply_of(failed)
    sound = None if came is None else _sound(came, model.settings)[0]
    raise CallFailed(failed.failure, redact(failed.message), failed.retry_after, sound)


def check_reply(reply: ChatReply, request: ChatRequest, settings: ModelSettings) -> ChatReply:
    """Return a reply with its thought split off, and without probabilities, counts or a price that cannot be true.

    A checked reply passes unchanged.

    Args:
        reply: what a transport, a model or the record has.
        request: what was asked.
        settings: the model's.

    Raises:
        CallFailed: it is of no use; the failure holds the sound part of it, because it was paid for.
    """
    sound, closed = _sound(reply, settings)
    failure = _failure(sound, request, closed=closed)
    if failure is not None:
        words = f"finish_reason {sound.finish_reason}, {len(sound.text.split())} words"
        raise CallFailed(failure, words if closed else f"{words}, a thought that never ends", None, sound)
    return sound._replace(truncated=_is_cut(sound) and not request.choices)


def _sound(reply: ChatReply, settings: ModelSettings) -> tuple[ChatReply, bool]:
    """Return what of a reply can be true, in Python's own types, and whether its thought came to an end.

    A server may echo the key that it was sent: this is where it is lost, before anything is stored.
    """
    clean = value_redactor()
    thought, text, closed = split_thought(clean(str(reply.text)), settings.thought_tags)
    usage, cost = checked_usage(reply)
    notices = list(reply.notices)
    if usage.why:
        notices.append(f"{NO_USAGE}: {usage.why}")
    probs = reply.choice_probs
    kept = None if probs is None else {str(choice): float(share) for choice, share in probs.items()}
    if kept is not None and (why := THINKING if thought or reply.thought else why_impossible(kept)):
        kept = None
        notices.append(f"{NO_PROBS}: {why}")
    sound = reply._replace(
        text=text,
        finish_reason=clean(str(reply.finish_reason)),
        choice_probs=kept,
        model=clean(str(reply.model)),
        provider=clean(str(reply.provider)),
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        cached_tokens=usage.cached,
        cost_usd=cost,
        latency_s=float(reply.latency_s),
        thought="\n\n".join(part for part in (clean(reply.thought), thought) if part),
        notices=tuple(dict.fromkeys(map(clean, notices))),
    )
    return sound, closed


def _failure(reply: ChatReply, request: ChatRequest, *, closed: bool) -> FailureClass | None:
    reason = reply.finish_reason.casefold()
    spoke = bool(reply.text.strip())
    if reason in _FILTERED or reason in _BROKEN:
        return FailureClass.CONTENT_FILTER if reason in _FILTERED else FailureClass.SERVER_ERROR
    if closed and request.choices and (spoke or reply.choice_probs):
        return None  # a choice is made by its first token: whatever a limit cut off after that is not missed
    if not closed or _is_cut(reply):
        kept = closed and request.truncation == "keep" and len(reply.text.split()) >= _FEWEST_WORDS
        return None if kept else FailureClass.TRUNCATED
    if spoke:
        return None
    # Where a server tells thoughts apart, one that used up all the room leaves an empty text.
    return FailureClass.TRUNCATED if reply.thought else FailureClass.BLANK


def _is_cut(reply: ChatReply) -> bool:
    return reply.finish_reason.casefold() in _CUT
