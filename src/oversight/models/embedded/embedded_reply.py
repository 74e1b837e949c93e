"""The reply of a model that runs here: it costs nothing, and words count where others count tokens."""

from __future__ import annotations

import time
from collections.abc import Mapping

from oversight.core.chat import ChatReply, ChatRequest

__all__ = ["embedded_reply"]


def embedded_reply(
    model: str, request: ChatRequest, text: str, started: float, choice_probs: Mapping[str, float] | None = None
) -> ChatReply:
    """What ``model`` answers; ``started`` is `time.perf_counter` when it began."""
    return ChatReply(
        text=text,
        choice_probs=choice_probs,
        model=model,
        provider="embedded",
        prompt_tokens=sum(len(message.content.split()) for message in request.messages),
        completion_tokens=len(text.split()),
        cost_usd=0.0,
        latency_s=time.perf_counter() - started,
    )
