"""A model that says what a test tells it to: a real class with a queue, nothing is patched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from oversight.core.chat import ChatReply, ChatRequest
from oversight.errors import CallFailed
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.dry_run_model import example_reply

__all__ = ["Scripted", "ScriptedModel"]

Scripted = str | ChatReply | CallFailed | Callable[[ChatRequest], str | ChatReply]
"""What to answer: a text, a whole reply, a failure to raise, or a function of the request."""


class ScriptedModel(ChatModel):
    """Answers from a queue, then in whatever form is asked; keeps every request it got.

    Args:
        replies: what to answer, in order.
        belief: how beliefs are elicited from it, as in an experiment file.
        then: what to answer once the queue is empty, instead of a reply in the form asked for.
        settings: other settings of a model (`oversight.models.base.ModelSettings`).
    """

    def __init__(
        self,
        replies: Iterable[Scripted] = (),
        *,
        belief: str = "logprob",
        then: Scripted | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(ModelSettings(model="scripted", belief=belief, **settings))
        self.requests: list[ChatRequest] = []
        self._queue = deque(replies)
        self._then = then

    def enqueue(self, *replies: Scripted) -> None:
        """Add to the queue."""
        self._queue.extend(replies)

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer the next in the queue."""
        self.requests.append(request)
        scripted = self._queue.popleft() if self._queue else self._then
        if scripted is None:
            return example_reply(request)
        if isinstance(scripted, CallFailed):
            raise scripted
        answer = scripted if isinstance(scripted, str | ChatReply) else scripted(request)
        return ChatReply(text=answer) if isinstance(answer, str) else answer
