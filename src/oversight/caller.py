"""A seat's line to its model: every attempt at a call leaves a record, good or failed (rules 6 and 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from oversight.errors import CallFailed
from oversight.models.base import CallRecord, ChatMessage, ChatModel, ChatReply, ChatRequest, Truncation
from oversight.models.retry import call_with_retries
from oversight.secrets import redact

__all__ = ["Answered", "Caller"]

_SAMPLES_PER_REPEAT = 1000
"""Keeps the independent samples of one repeat apart from those of the next."""

_DETAIL = 300

T = TypeVar("T")


class Answered(NamedTuple):
    """A reply, and the number of the call that brought it."""

    reply: ChatReply
    call: int


class Caller:
    """Calls one model for one seat and records each attempt in the episode's list."""

    def __init__(self, model: ChatModel, seat: str, role: str, repeat: int, records: list[CallRecord]) -> None:
        self.model = model
        self._seat = seat
        self._role = role
        self._first_sample = repeat * _SAMPLES_PER_REPEAT
        self._records = records

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
        """Call the model, again where that helps, and return its reply.

        Raises:
            CallFailed: the last attempt's failure.
            RunStopped: no call is made any more.
        """

        def record(attempt: int, reply: ChatReply | None, failure: CallFailed | None, latency_s: float) -> None:
            spent = reply or (failure and failure.reply) or ChatReply(text="", finish_reason="", latency_s=latency_s)
            self._records.append(
                CallRecord(
                    number=len(self._records),
                    seat=self._seat,
                    role=self._role,
                    purpose=purpose,
                    attempt=attempt,
                    model=self.model.settings.model,
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
        reply = await call_with_retries(self.model, request, record)
        return Answered(reply, len(self._records) - 1)

    async def read(self, answered: Sequence[Answered], reader: Callable[[list[ChatReply]], T]) -> T:
        """Read one reply or several; what cannot be read is marked so in its call's record, with its first words.

        Raises:
            CallFailed: the reader's.
        """
        try:
            return reader([each.reply for each in answered])
        except CallFailed as failure:
            for reply, call in answered:
                detail = redact(f"{failure.message}; the reply begins: {reply.text[:_DETAIL]}")[:_DETAIL]
                await self.model.unreadable(reply, detail)
                self._records[call] = self._records[call].model_copy(
                    update={"failure": failure.failure.value, "detail": detail}
                )
            raise
