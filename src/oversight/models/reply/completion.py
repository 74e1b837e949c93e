"""Reading a chat completion in OpenAI's shape, which most servers send and LiteLLM translates the others to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oversight.core.chat import ChatReply
from oversight.core.notices import NO_PROBS, NO_USAGE, THINKING
from oversight.errors import CallFailed, FailureClass
from oversight.models.reply.probabilities import ChoiceProbs, choice_probs
from oversight.models.reply.thought import Tag
from oversight.models.reply.usage import read_usage

__all__ = ["Completion", "read_completion"]

_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
_THOUGHT_LISTS = ("reasoning_details", "thinking_blocks")
_THOUGHT_PARTS = frozenset({"thinking", "reasoning", "redacted_thinking"})
_LONGEST_MESSAGE = 200


class Completion(NamedTuple):
    """What a response says, before the rules that hold for every reply (`oversight.models.reply.check_reply`).

    Attributes:
        reply: the reply, its price and latency left open.
        failure: why it is of no use whatever it holds: a refusal, or an error where a reply should be.
        detail: one line about the failure.
        probs: the probabilities of the choices, or why there are none; None where they were not asked for.
    """

    reply: ChatReply
    failure: FailureClass | None = None
    detail: str = ""
    probs: ChoiceProbs | None = None


def read_completion(
    payload: Mapping[str, Any], choices: Sequence[str] = (), tags: Sequence[Tag] = (), *, probs: bool = False
) -> Completion:
    """Read a response.

    Args:
        payload: the response, as decoded JSON.
        choices: the labels whose probabilities are wanted.
        tags: a model's own tags of thoughts.
        probs: whether token probabilities were asked for.

    Raises:
        CallFailed: malformed, because it holds no message, or something that is none.
    """
    try:
        return _read(payload, choices, tags, probs)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # A field that is of no use is of another type than any server was seen to send.
        raise CallFailed(FailureClass.MALFORMED, f"the response cannot be read: {type(error).__name__}") from None


def _read(payload: Mapping[str, Any], choices: Sequence[str], tags: Sequence[Tag], probs: bool) -> Completion:
    listed = payload.get("choices")
    choice = listed[0] if isinstance(listed, Sequence) and listed else None
    if not isinstance(choice, Mapping):
        raise CallFailed(FailureClass.MALFORMED, "the response has no choices")
    message = choice.get("message")
    if not isinstance(message, Mapping):
        message = {"content": choice.get("text")}
    text, thought = _content(message.get("content"))
    thought = "\n\n".join(part for part in (*_field_thoughts(message), thought) if part.strip())
    usage = read_usage(payload.get("usage"), spoke=bool(text.strip() or thought))
    found = choice_probs(choice, choices, tags) if probs else None
    if found is not None and found.probs is not None and (thought or usage.reasoning):
        found = ChoiceProbs(None, THINKING, lasting=True)
    notices = [f"{NO_USAGE}: {usage.why}"] if usage.why else []
    if found is not None and found.why:
        notices.append(f"{NO_PROBS}: {found.why}")
    reply = ChatReply(
        text=text,
        finish_reason=str(choice.get("finish_reason") or "stop"),
        choice_probs=None if found is None else found.probs,
        model=str(payload.get("model") or ""),
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        cached_tokens=usage.cached,
        thought=thought,
        notices=tuple(notices),
    )
    failure, detail = _failure(payload, choice, message)
    return Completion(reply, failure, detail, found)


def _failure(
    payload: Mapping[str, Any], choice: Mapping[str, Any], message: Mapping[str, Any]
) -> tuple[FailureClass | None, str]:
    more: Mapping[str, Any] = message.get("provider_specific_fields") or {}
    if message.get("refusal") or more.get("refusal"):
        return FailureClass.REFUSED, "the model refused"
    inner: Mapping[str, Any] = choice.get("provider_specific_fields") or {}
    for error in (choice.get("error"), inner.get("error"), payload.get("error")):
        if error:
            said = error.get("message") if isinstance(error, Mapping) else error
            return FailureClass.SERVER_ERROR, f"an error inside the response: {said!s:.{_LONGEST_MESSAGE}}"
    return None, ""


def _content(content: Any) -> tuple[str, str]:
    """Return the text and the thought of a message's content, which may be a list of parts."""
    if content is None or isinstance(content, str):
        return content or "", ""
    if not isinstance(content, Sequence):
        raise CallFailed(FailureClass.MALFORMED, f"the message's content is a {type(content).__name__}")
    said: list[str] = []
    thoughts: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else "text"
        (thoughts if kind in _THOUGHT_PARTS else said).append(_words(part))
    return "".join(said), "\n\n".join(filter(None, thoughts))


def _field_thoughts(message: Mapping[str, Any]) -> list[str]:
    """Return the thoughts in a message's fields; one that several fields repeat is taken once."""
    more: Mapping[str, Any] = message.get("provider_specific_fields") or {}
    told = [_words(fields.get(name)) for fields in (message, more) for name in _THOUGHT_FIELDS]
    listed = ["".join(map(_words, message.get(name) or ())) for name in _THOUGHT_LISTS]
    plain = [thought for thought in dict.fromkeys(told) if thought]
    return plain or [thought for thought in dict.fromkeys(listed) if thought][:1]


def _words(part: Any) -> str:
    """Return the text of a part of a message, however deep it stands."""
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        return next((_words(part[name]) for name in ("text", "thinking", "content", "summary") if part.get(name)), "")
    return "".join(map(_words, part)) if isinstance(part, Sequence) else ""
