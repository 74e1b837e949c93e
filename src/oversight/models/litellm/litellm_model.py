"""Every model that LiteLLM serves, behind the framework's chat interface.

LiteLLM's own retries, fallbacks and router stay off: `oversight.models.retry` decides, and every attempt is on
record.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

from oversight.core.chat import ChatReply, ChatRequest
from oversight.core.notices import LEFT_OUT
from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ModelSettings, without_system
from oversight.models.litellm.account import lacks_only_a_key, missing_key, stated_price
from oversight.models.litellm.extras import LIMITS, Change, Terms, changes, response_format
from oversight.models.litellm.library import load_litellm, openai_payload, plain_payload
from oversight.models.litellm.litellm_settings import LiteLLMSettings
from oversight.models.litellm.model_facts import LiteLLMFacts
from oversight.models.litellm.provider_failures import call_failed, status_of
from oversight.models.litellm.redirects import own_redirects_only
from oversight.models.reply import check_reply, read_completion
from oversight.util.digest import digest

__all__ = ["LiteLLMModel"]

_BROKE_AGAIN = 2
"""How often a request must break a server before what is asked on top of it is suspected."""

_NOT_ABOUT_EXTRAS = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
)
_DUMMY_KEY = "not-needed"
_NO_PROBABILITIES = Change("token probabilities", {"top_logprobs": 0})


class _Sent(NamedTuple):
    """A call that was made.

    Attributes:
        asked: its arguments, messages and key aside.
        failure: why nothing came of it, if so; ``status`` is the server's then, where it sent one.
        payload: what the server sent, as decoded JSON in OpenAI's shape.
        response: what LiteLLM made of it; None where it could make nothing of it.
        notices: what was found out by it.
    """

    asked: Mapping[str, Any]
    failure: CallFailed | None = None
    status: int | None = None
    payload: Mapping[str, Any] = {}
    response: Any = None
    latency_s: float = 0.0
    notices: tuple[str, ...] = ()


class LiteLLMModel(LiteLLMFacts):
    """A model that LiteLLM reaches, by its ``provider/model`` name.

    What the server turns out not to take (`oversight.models.litellm.extras`) is left out from then on.
    """

    settings: LiteLLMSettings

    def __init__(self, settings: ModelSettings, state: object = None) -> None:
        super().__init__(settings, state)
        self._terms = Terms()
        self._proven: frozenset[str] = frozenset()
        self._broke: Counter[str] = Counter()
        if settings.belief != "logprob":
            self._adopt(_NO_PROBABILITIES)

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer one request with one call, or with more where the server refuses what is asked on top.

        Raises:
            CallFailed: the call gave nothing usable.
        """
        litellm = load_litellm()
        terms = self._terms
        sent = await self._send(litellm, request, terms)
        if sent.failure is None:
            self._proven |= _extras_of(sent.asked)
            return self._read(litellm, sent, request)
        refusal = sent.failure
        if self._may_be_refused(sent, request):
            answered = "messages" in self._proven
            for change in changes(terms, sent.asked, request, refusal.message, answered=answered):
                sent = await self._send(litellm, request, terms.changed(change))
                if sent.failure is None:
                    self._adopt(change)
                    why = f"{change.extra} {LEFT_OUT}: {refusal.message}"
                    return self._read(litellm, sent._replace(notices=(why,)), request)
                if not _refused(sent) and sent.failure.failure is not refusal.failure:
                    refusal = sent.failure
                    break
        # Raised here, with no exception being handled and no key in a local variable.
        raise refusal

    async def _send(self, litellm: Any, request: ChatRequest, terms: Terms) -> _Sent:
        """Make one call: LiteLLM's response and what the server sent, or why there is none."""
        if missing := missing_key(self.settings):
            return _Sent({}, CallFailed(FailureClass.AUTHENTICATION, f"{missing} (on {socket.gethostname()})"))
        asked = self._asked(request, terms)
        bodies: list[Any] = []
        arguments = {
            **asked,
            "messages": self._messages(litellm, request, terms),
            "num_retries": 0,
            "max_retries": 0,
            # Told of the response's body before LiteLLM translates it, which loses or refuses odd ones.
            "logger_fn": lambda details: bodies.append(details.get("original_response")),
        }
        if key := self._key(litellm):
            arguments["api_key"] = key
        started = time.perf_counter()
        try:
            # LiteLLM's timeout bounds each read; a server that trickles would outlive it.
            async with asyncio.timeout(self.settings.timeout):
                with own_redirects_only() as refused:
                    response = await litellm.acompletion(**arguments)
        except TimeoutError:
            return _Sent(asked, CallFailed(FailureClass.TIMEOUT, f"no reply within {self.settings.timeout:g} s"))
        except Exception as error:
            payload = openai_payload(bodies)  # the server answered, and LiteLLM could not read it
            if refused:
                return _Sent(asked, CallFailed(FailureClass.INVALID_REQUEST, refused[0]))
            if payload is None:
                return _Sent(asked, call_failed(error), status_of(error))
            return _Sent(asked, payload=payload, latency_s=time.perf_counter() - started)
        payload = openai_payload(bodies) or plain_payload(response)
        return _Sent(asked, payload=payload, response=response, latency_s=time.perf_counter() - started)

    def _asked(self, request: ChatRequest, terms: Terms) -> dict[str, Any]:
        """The arguments of a call, messages and key aside."""
        asked = self.settings.arguments()
        if request.sample and "seed" in asked:
            asked["seed"] += request.sample
        if request.json_schema is not None and terms.schema:
            asked["response_format"] = response_format(request.json_schema)
        limited = any(name in asked for name in LIMITS)
        if request.choices and terms.top_logprobs:
            asked |= {"logprobs": True, "top_logprobs": terms.top_logprobs}
            if terms.limit and not limited and request.json_schema is None:
                asked["max_tokens"] = 1
        if request.room is not None:
            name = next((name for name in LIMITS if name in asked), LIMITS[0])
            asked[name] = max(request.room, asked.get(name, 0))
        return {terms.limits.get(name, name): value for name, value in asked.items()}

    def _may_be_refused(self, sent: _Sent, request: ChatRequest) -> bool:
        """Whether a failure may be about what was asked on top: at once for a refusal, else when it comes again."""
        assert sent.failure is not None
        if _refused(sent):
            # These two are about what the messages say.
            return sent.failure.failure not in (FailureClass.CONTEXT_LENGTH, FailureClass.CONTENT_FILTER)
        if sent.failure.failure not in (FailureClass.SERVER_ERROR, FailureClass.MALFORMED):
            return False
        if not _extras_of(sent.asked) - self._proven:
            return False  # the server has taken all of this before, so it is the server
        key = digest([request.messages, request.choices, request.json_schema, request.sample, request.seat])
        self._broke[key] += 1
        return self._broke[key] == _BROKE_AGAIN

    def _adopt(self, change: Change) -> None:
        """Ask otherwise from now on."""
        # Many calls may be under way when the first is refused: what another one found out stays.
        self._terms = self._terms.changed(change)
        self.gives_probabilities = self._terms.top_logprobs > 0

    def _messages(self, litellm: Any, request: ChatRequest, terms: Terms) -> list[dict[str, Any]]:
        """The messages, the last of them marked where the history will grow and the provider wants to be told."""
        given = request.messages if terms.system else without_system(request.messages)
        messages: list[dict[str, Any]] = [message._asdict() for message in given]
        grows = not request.choices and request.json_schema is None
        if grows and self.settings.prompt_cache and _wants_cache_hints(litellm, self.settings.model):
            block = {"type": "text", "text": messages[-1]["content"], "cache_control": {"type": "ephemeral"}}
            messages[-1]["content"] = [block]
        return messages

    def _key(self, litellm: Any) -> str | None:
        """The key to pass, read each time so that none is kept; None leaves the choice to LiteLLM."""
        settings = self.settings
        if settings.api_key_env:
            return os.environ.get(settings.api_key_env)
        if settings.api_base and lacks_only_a_key(litellm, settings.model):
            return _DUMMY_KEY
        return None

    def _read(self, litellm: Any, sent: _Sent, request: ChatRequest) -> ChatReply:
        """The reply in a response.

        Raises:
            CallFailed: it holds none, or none that is of use.
        """
        probed = "top_logprobs" in sent.asked
        found = read_completion(sent.payload, request.choices, self.settings.thought_tags, probs=probed)
        reply = found.reply._replace(
            provider=_provider(litellm, sent.response, self.settings.model),
            cost_usd=self._cost(litellm, sent.response, found.reply),
            latency_s=sent.latency_s,
            notices=(*sent.notices, *found.reply.notices),
        )
        if found.failure is not None:
            # It was paid for all the same.
            raise CallFailed(found.failure, found.detail, None, reply)
        own_limit = self.settings.completion_limit is None and any(sent.asked.get(name) == 1 for name in LIMITS)
        try:
            checked = check_reply(reply, request, self.settings)
        except CallFailed as failure:
            if not own_limit or failure.failure is not FailureClass.TRUNCATED:
                raise  # and a reply of no use says nothing about what the model gives
            # The model thinks first, and our own limit cut that off; the next attempt sets none.
            self._adopt(_NO_PROBABILITIES)
            raise CallFailed(FailureClass.BLANK, "a thought, cut off after one token", None, failure.reply) from None
        if found.probs is not None and found.probs.lasting:
            self._adopt(_NO_PROBABILITIES)
        return checked

    def _cost(self, litellm: Any, response: Any, reply: ChatReply) -> float | None:
        """US dollars by the user's prices, else by LiteLLM's table; None where neither has one."""
        prompt, completion, cached = reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens
        if prompt is None or completion is None or cached is None:
            return None
        if self.settings.input_cost_per_token is not None:
            return stated_price(self.settings, prompt, completion, cached)
        if response is None:
            return self.price(self.settings, prompt, completion)
        # The answering model's own name first: an Azure deployment's name says nothing about its price.
        for model in (None, self.settings.model):
            with suppress(Exception):
                return float(litellm.completion_cost(completion_response=response, model=model))
        return None


def _refused(sent: _Sent) -> bool:
    """Whether a call failed with a status that says: not like this."""
    client_error = sent.status is not None and HTTPStatus.BAD_REQUEST <= sent.status < HTTPStatus.INTERNAL_SERVER_ERROR
    timed_out = sent.failure is not None and sent.failure.failure is FailureClass.TIMEOUT
    return client_error and sent.status not in _NOT_ABOUT_EXTRAS and not timed_out


def _extras_of(asked: Mapping[str, Any]) -> frozenset[str]:
    """What a call asked for on top, as far as a server may choke on it."""
    return frozenset(asked.keys() & {"top_logprobs", "response_format"} | {"messages"})


@functools.cache
def _wants_cache_hints(litellm: Any, model: str) -> bool:
    """Whether the model caches prompts only where told to, as Claude does with every provider."""
    with suppress(Exception):
        return "claude" in model.lower() and bool(litellm.utils.supports_prompt_caching(model=model))
    return False


def _provider(litellm: Any, response: Any, model: str) -> str:
    hidden = getattr(response, "_hidden_params", None) or {}
    return str(hidden.get("custom_llm_provider") or litellm.get_llm_provider(model)[1])
