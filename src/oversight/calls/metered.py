"""A model whose calls go through the gate: nothing else in an episode knows that there is one."""

from __future__ import annotations

import uuid

from oversight.calls.call_cache import CachedCall, Call, CallOutcome
from oversight.calls.gate import Gate, GateSettings
from oversight.core.chat import ChatReply, ChatRequest, reply_of
from oversight.errors import CallFailed, FailureClass, RunStopped
from oversight.models.base import ChatModel
from oversight.models.reply import ask, check_reply
from oversight.util.digest import digest

__all__ = ["Meter", "MeteredModel"]

_USUAL_COMPLETION = 300
_LONGEST_COMPLETION = 4096
_DENSE_CHARACTERS_PER_TOKEN = 3
"""For an upper bound; English prose has four and more."""

_USUAL_CHARACTERS_PER_TOKEN = 4


class Meter:
    """One model of a worker, with what is known of the length of its replies.

    Args:
        model: the model itself.
        key: of its settings (`Binding.key`).
        gate: what its calls go through.
        worker: this process's name for the gate.
        settings: the gate's.
    """

    def __init__(self, model: ChatModel, key: str, gate: Gate, worker: str, settings: GateSettings) -> None:
        self.model = model
        self.key = key
        self.gate = gate
        self.worker = worker
        self.replaying = settings.replay is not None
        self._budgeted = settings.max_cost is not None
        self._limit = model.settings.completion_limit
        self._longest = 0
        self._usual = float(_USUAL_COMPLETION)

    def for_attempt(self, episode_id: str, attempt: int, seed: int) -> MeteredModel:
        """The model as one attempt at an episode calls it."""
        return MeteredModel(self, episode_id, attempt, seed)

    def observe(self, reply: ChatReply) -> None:
        """Take in the length of a reply."""
        if reply.completion_tokens is not None:
            self._longest = max(self._longest, reply.completion_tokens)
            self._usual += (reply.completion_tokens - self._usual) / 10

    def tokens(self, request: ChatRequest) -> int:
        """How many tokens a call will take, about."""
        return round(_characters(request) / _USUAL_CHARACTERS_PER_TOKEN + min(self._usual, self._limit or self._usual))

    def most_usd(self, request: ChatRequest) -> float | None:
        """What a call may cost at most; None where no budget asks for it or the price is unknown."""
        if not self._budgeted:
            return None
        longest = max(self._limit or 0, request.room or 0) or (
            2 * self._longest if self._longest else _LONGEST_COMPLETION
        )
        prompt = _characters(request) // _DENSE_CHARACTERS_PER_TOKEN + 1
        return self.model.price(self.model.settings, prompt, longest)


class MeteredModel(ChatModel):
    """Asks the gate before each call and tells it afterwards; what is known already is not asked again.

    A call is known by everything that determines its reply: the model's settings, the prompt, the form asked
    for, the seat, the seed and the number of the sample, which counts repeats too.
    """

    def __init__(self, meter: Meter, episode_id: str, attempt: int, seed: int) -> None:
        super().__init__(meter.model.settings)
        self._meter = meter
        self._episode_id = episode_id
        self._attempt = attempt
        self._seed = seed
        self._outcomes: dict[str, int] = {}

    @property
    def gives_probabilities(self) -> bool:
        """The model's own."""
        return self._meter.model.gives_probabilities

    @gives_probabilities.setter
    def gives_probabilities(self, known: bool) -> None:
        self._meter.model.gives_probabilities = known

    async def unreadable(self, reply: ChatReply, detail: str) -> None:
        """Note it in the cache, so that another attempt asks again."""
        await self._meter.gate.mark_unreadable(reply.record, detail)

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer one request from the call cache, or else with one call.

        Raises:
            CallFailed: the call gave nothing usable, now or when it was made.
            RunStopped: no further call is made.
        """
        call = self._call(request)
        found = await self._meter.gate.admit(call)
        if isinstance(found, RunStopped):
            raise found
        if found is not None:
            self._outcomes[call.key] = call.outcomes + 1
            return await self._read_again(found, request)
        if self._meter.replaying:
            # A judge that was found to give no probabilities was not asked for them, but for stated ones.
            kind = FailureClass.UNPARSABLE if request.choices else FailureClass.UNRECORDED
            raise CallFailed(kind, f"the replayed store holds no such call of seat {request.seat}")
        return await self._make(call, request)

    async def _read_again(self, found: CachedCall, request: ChatRequest) -> ChatReply:
        """Read a reply on record by today's rules; one that they refuse is not used for another episode."""
        kept = found.failure is FailureClass.TRUNCATED and request.truncation == "keep"
        if found.failure is not None and found.failure is not FailureClass.UNPARSABLE and not kept:
            raise CallFailed(found.failure, found.detail, 0.0, found.reply)
        try:
            return check_reply(found.reply, request, self.settings)
        except CallFailed as failure:
            if found.failure is None:
                await self._meter.gate.mark_unreadable(found.reply.record, failure.message)
            raise CallFailed(failure.failure, failure.message, 0.0, failure.reply) from None

    async def _make(self, call: Call, request: ChatRequest) -> ChatReply:
        gate = self._meter.gate
        failure: CallFailed | None = None
        try:
            try:
                outcome = CallOutcome(await ask(self._meter.model, request))
            except CallFailed as failed:
                failure = failed
                outcome = CallOutcome(reply_of(failed), failed.failure, failed.message, failed.retry_after)
        except BaseException:
            await gate.settle(call, CallOutcome(None, FailureClass.PLUGIN))
            raise
        settled = await gate.settle(call, outcome)
        if isinstance(settled, RunStopped):
            raise settled
        if settled is not None:
            self._outcomes[call.key] = call.outcomes + 1
            self._meter.observe(settled)
        if failure is not None:
            raise CallFailed(failure.failure, failure.message, failure.retry_after, settled)
        assert settled is not None
        return settled

    def _call(self, request: ChatRequest) -> Call:
        asked = [request.messages, request.choices, request.json_schema, request.sample, request.seat]
        if request.room is not None:
            asked.append(request.room)
        key = digest([self._meter.key, self._seed, *asked])
        return Call(
            id=uuid.uuid4().hex,
            key=key,
            episode_id=self._episode_id,
            attempt=self._attempt,
            outcomes=self._outcomes.get(key, 0),
            model=self._meter.key,
            worker=self._meter.worker,
            tokens=self._meter.tokens(request),
            most_usd=self._meter.most_usd(request),
        )


def _characters(request: ChatRequest) -> int:
    return sum(len(message.content) for message in request.messages)
