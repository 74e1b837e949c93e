"""A seat's client of its model: every attempt at a call leaves a record, good or failed (rules 6 and 7)."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from oversight.core.chat import CallRecord, ChatMessage, ChatReply, ChatRequest, Truncation, reply_of
from oversight.core.episode_limits import EpisodeUsage
from oversight.core.model_client import Answered
from oversight.errors import CallFailed, FailureClass, ProtocolError
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.retry import OnAttempt, call_with_retries
from oversight.util.secrets import redact

__all__ = ["Client", "ModelCast"]

_SAMPLES_PER_REPEAT = 1000
"""Keeps the independent samples of one repeat apart from those of the next."""

_DETAIL = 300

T = TypeVar("T")


class ModelCast:
    """The models of an episode by role (`oversight.core.model_client.Cast`)."""

    def __init__(self, models: Mapping[str, Sequence[ChatModel]]) -> None:
        self.models = models

    def client(self, role: str, turn: int, seat: str, repeat: int, usage: EpisodeUsage) -> Client:
        """Return a seat's client of one of the role's models.

        Raises:
            ProtocolError: the experiment binds no model to the role.
        """
        models = self.models.get(role, ())
        if not models:
            raise ProtocolError(f"the experiment binds no model to role '{role}'")
        return Client(models[turn % len(models)], seat, role, repeat, usage)


class Client:
    """Calls one model for one seat; each attempt is held to the episode's limits and recorded in its usage."""

    def __init__(self, model: ChatModel, seat: str, role: str, repeat: int, usage: EpisodeUsage) -> None:
        self._model = model
        self._seat = seat
        self._role = role
        self._first_sample = repeat * _SAMPLES_PER_REPEAT
        self._usage = usage

    @property
    def settings(self) -> ModelSettings:
        """How the model is to be asked."""
        return self._model.settings

    @property
    def gives_probabilities(self) -> bool:
        """Whether token probabilities are worth asking for."""
        return self._model.gives_probabilities

    def lacks_probabilities(self) -> None:
        """Take note that a reply came without token probabilities: they are not asked for again."""
        self._model.gives_probabilities = False

    async def ask(
        self,
        purpose: str,
        messages: tuple[ChatMessage, ...],
        *,
        choices: tuple[str, ...] = (),
        json_schema: Mapping[str, Any] | None = None,
        sample: int = 0,
        word_limit: int | None = None,
        truncation: Truncation = "fail",
    ) -> Answered:
        """Call the model, again where that helps, as `ModelClient.ask` says."""

        def record(attempt: int, reply: ChatReply | None, failure: CallFailed | None, latency_s: float) -> None:
            came = reply or (failure and reply_of(failure))
            spent = came or ChatReply(text="", finish_reason="", latency_s=latency_s)
            self._usage.record(
                CallRecord(
                    number=len(self._usage.calls),
                    seat=self._seat,
                    role=self._role,
                    purpose=purpose,
                    attempt=attempt,
                    model=self._model.settings.model,
                    resolved_model=spent.model,
                    provider=spent.provider,
                    prompt_tokens=spent.prompt_tokens,
                    completion_tokens=spent.completion_tokens,
                    cached_tokens=spent.cached_tokens,
                    cost_usd=spent.cost_usd,
                    latency_s=spent.latency_s,
                    finish_reason=spent.finish_reason,
                    failure=failure.failure.value if failure else None,
                    detail=redact(failure.message)[:_DETAIL] if failure else None,
                    notice=redact("\n".join(spent.notices)) or None,
                    origin=spent.origin,
                )
            )

        first = self._first_sample + sample
        request = ChatRequest(messages, choices, json_schema, first, self._seat, word_limit, truncation)
        reply = await call_with_retries(_LimitedModel(self._model, self._usage, record), request, record)
        return Answered(reply, len(self._usage.calls) - 1)

    async def read(self, answered: Sequence[Answered], reader: Callable[[list[ChatReply]], T]) -> T:
        """Read replies, as `ModelClient.read` says; the model is told of those that cannot be read."""
        try:
            return reader([each.reply for each in answered])
        except CallFailed as failure:
            for reply, call in answered:
                detail = redact(f"{failure.message}; the reply begins: {reply.text[:_DETAIL]}")[:_DETAIL]
                await self._model.unreadable(reply, detail)
                self._usage.calls[call] = self._usage.calls[call].model_copy(
                    update={"failure": failure.failure.value, "detail": detail}
                )
            raise


class _LimitedModel(ChatModel):
    """A model as one call of an episode makes its attempts: each begins only within the episode's limits.

    Args:
        model: the model.
        usage: what the episode took so far.
        record: told of an attempt that a limit cut short; of the others `call_with_retries` tells it.
    """

    def __init__(self, model: ChatModel, usage: EpisodeUsage, record: OnAttempt) -> None:
        super().__init__(model.settings)
        self._model = model
        self._usage = usage
        self._record = record
        self._attempts = itertools.count()

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Make one attempt.

        Raises:
            CallFailed: it gave nothing usable.
            LimitReached: it may not be made.
        """
        async with self._usage.call([message.content for message in request.messages]):
            number, started = next(self._attempts), time.perf_counter()
            try:
                return await self._model.chat(request)
            except asyncio.CancelledError:
                if self._usage.reached is not None:
                    self._record(number, None, _cut_short(started), time.perf_counter() - started)
                raise


def _cut_short(started: float) -> CallFailed:
    """Why an attempt under way when the episode ended gave nothing: what it cost is not known."""
    unknown = ChatReply(
        text="",
        finish_reason="",
        prompt_tokens=None,
        completion_tokens=None,
        cached_tokens=None,
        latency_s=time.perf_counter() - started,
    )
    return CallFailed(FailureClass.LIMIT, "the episode ended before the reply came", None, unknown)
