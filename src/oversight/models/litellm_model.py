"""Every model that LiteLLM serves, behind the framework's chat interface.

LiteLLM's own retries, fallbacks and router stay off: `oversight.models.retry` decides, and every attempt is on
record.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar

from oversight.errors import CallFailed, FailureClass, UsageError
from oversight.models.base import ChatModel, ChatReply, ChatRequest, ModelSettings
from oversight.models.litellm_failures import call_failed, status_of
from oversight.models.litellm_forms import response_format, useless
from oversight.models.litellm_library import load_litellm
from oversight.models.litellm_settings import LiteLLMSettings
from oversight.models.tokens import first_token_probs
from oversight.secrets import adopt_key_files

__all__ = ["LiteLLMModel"]

_MOST_LOGPROBS = 20
_FEW_LOGPROBS = 5  # where Fireworks, Together and older vLLM draw the line
_OVER_LIMIT = re.compile(r"<=|at most|less than|between|max|greater|range|exceed", re.IGNORECASE)
_NO_LOGPROBS = re.compile(r"logprobs|max_(completion_)?tokens", re.IGNORECASE)
_NO_SCHEMA = re.compile(r"response_format|json_schema|structured output", re.IGNORECASE)
_REJECTED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})
_DUMMY_KEY = "not-needed"
_USUAL_KEYS = {
    "openai": ("OPENAI_API_KEY", ("OPENAI_",)),
    "anthropic": ("ANTHROPIC_API_KEY", ("ANTHROPIC_",)),
    "gemini": ("GEMINI_API_KEY", ("GEMINI_", "GOOGLE_")),
    "openrouter": ("OPENROUTER_API_KEY", ("OPENROUTER_", "OR_")),
}
"""Provider -> the variable that usually holds its key, and how all of its variables begin."""


class LiteLLMModel(ChatModel):
    """A model that LiteLLM reaches, by its ``provider/model`` name.

    What the model turns out not to take (token probabilities, JSON schemas) is left out from then on: a
    provider's own answer says more about that than any table.
    """

    Settings: ClassVar[type[ModelSettings]] = LiteLLMSettings
    settings: LiteLLMSettings

    def __init__(self, settings: ModelSettings, state: object = None) -> None:
        super().__init__(settings, state)
        self._top_logprobs = _MOST_LOGPROBS
        if settings.belief != "logprob":
            self._ask_for_logprobs(0)
        self._takes_schema = True

    @classmethod
    def check(cls, settings: ModelSettings) -> None:
        """The variable that ``api_key_env`` names, or that everybody has for this provider, must be set.

        Raises:
            UsageError: it is not.
        """
        assert isinstance(settings, LiteLLMSettings)
        adopt_key_files()
        if missing := _missing_key(settings):
            raise UsageError(f"model {settings.model}: {missing}")

    @classmethod
    def price(cls, settings: ModelSettings, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What these tokens would cost, in US dollars, by the user's prices or LiteLLM's table; None if unknown."""
        assert isinstance(settings, LiteLLMSettings)
        if settings.input_cost_per_token is not None:
            return _stated_price(settings, prompt_tokens, completion_tokens)
        with suppress(Exception):
            costs = load_litellm().cost_per_token(settings.model, prompt_tokens, completion_tokens)
            return float(sum(costs))
        return None

    @classmethod
    def count_tokens(cls, settings: ModelSettings, text: str) -> int:
        """How many tokens ``text`` takes by the model's own tokenizer, or by one like it."""
        with suppress(Exception):
            return int(load_litellm().token_counter(model=settings.model, text=text))
        return super().count_tokens(settings, text)

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer one request with one call, or one more where the model rejects what was asked on top.

        Raises:
            CallFailed: the call gave nothing usable.
        """
        litellm = load_litellm()
        while True:
            extras = self._extras(request)
            started = time.perf_counter()
            outcome = await self._send(litellm, request, extras)
            # Raised here, with no exception being handled and no key in a local variable.
            if isinstance(outcome, CallFailed):
                raise outcome
            if outcome is not None:
                return self._read(litellm, outcome, request, extras, time.perf_counter() - started)

    def _extras(self, request: ChatRequest) -> dict[str, Any]:
        """The arguments that come from this request and not from the settings."""
        extras: dict[str, Any] = {}
        arguments = self.settings.arguments()
        if request.json_schema is not None and self._takes_schema:
            extras["response_format"] = response_format(request.json_schema)
        if request.choices and self._top_logprobs:
            extras |= {"logprobs": True, "top_logprobs": self._top_logprobs}
            if not {"max_tokens", "max_completion_tokens"} & arguments.keys() and request.json_schema is None:
                extras["max_tokens"] = 1
        if request.sample and "seed" in arguments:
            extras["seed"] = arguments["seed"] + request.sample
        return extras

    async def _send(self, litellm: Any, request: ChatRequest, extras: Mapping[str, Any]) -> Any:
        """LiteLLM's response, or why there is none; None: make the call again, asking for less."""
        if missing := _missing_key(self.settings):
            return CallFailed(FailureClass.AUTHENTICATION, f"{missing} (on {socket.gethostname()})")
        arguments = {
            **self.settings.arguments(),
            **extras,
            "messages": self._messages(litellm, request),
            "num_retries": 0,
            "max_retries": 0,
        }
        if key := self._key(litellm):
            arguments["api_key"] = key
        try:
            # LiteLLM's timeout bounds each read; a server that trickles would outlive it.
            async with asyncio.timeout(self.settings.timeout):
                return await litellm.acompletion(**arguments)
        except TimeoutError:
            return CallFailed(FailureClass.TIMEOUT, f"no reply within {self.settings.timeout:g} s")
        except Exception as error:
            return None if self._learns(extras, error) else call_failed(error)

    def _messages(self, litellm: Any, request: ChatRequest) -> list[dict[str, Any]]:
        """The messages, the last of them marked where the history will grow and the provider wants to be told."""
        messages: list[dict[str, Any]] = [message._asdict() for message in request.messages]
        grows = not request.choices and request.json_schema is None
        if grows and self.settings.prompt_cache and _wants_cache_hints(litellm, self.settings.model):
            block = {"type": "text", "text": messages[-1]["content"], "cache_control": {"type": "ephemeral"}}
            messages[-1]["content"] = [block]
        return messages

    def _key(self, litellm: Any) -> str | None:
        """The key to pass, read anew each time so that none is kept; None leaves the choice to LiteLLM."""
        settings = self.settings
        if settings.api_key_env:
            return os.environ.get(settings.api_key_env)
        if settings.api_base and _lacks_only_a_key(litellm, settings.model):
            return _DUMMY_KEY
        return None

    def _learns(self, extras: Mapping[str, Any], error: Exception) -> bool:
        """Whether the model rejected one of ``extras``; it is asked for less from now on."""
        if status_of(error) not in _REJECTED:
            return False
        message = str(error)
        # Many calls may be under way when the first is rejected: only what this one asked for is taken back.
        if "top_logprobs" in extras and _NO_LOGPROBS.search(message):
            too_many = extras["top_logprobs"] > _FEW_LOGPROBS and _OVER_LIMIT.search(message)
            self._ask_for_logprobs(_FEW_LOGPROBS if too_many else 0)
            return True
        if "response_format" in extras and _NO_SCHEMA.search(message):
            self._takes_schema = False
            return True
        return False

    def _ask_for_logprobs(self, at_most: int) -> None:
        self._top_logprobs = min(self._top_logprobs, at_most)
        self.gives_probabilities = self._top_logprobs > 0

    def _read(
        self, litellm: Any, response: Any, request: ChatRequest, extras: Mapping[str, Any], latency: float
    ) -> ChatReply:
        """The reply in a response.

        Raises:
            CallFailed: it holds none.
        """
        if not getattr(response, "choices", None):
            raise CallFailed(FailureClass.MALFORMED, "the response has no choices")
        choice = response.choices[0]
        text, finish_reason = choice.message.content or "", choice.finish_reason or "stop"
        probs = first_token_probs(choice, request.choices) if "top_logprobs" in extras else None
        failure = useless(choice.message, finish_reason, bool(text.strip() or probs), request, extras)
        # A reply of no use says nothing about what the model gives, unless our own limit cut off all of it.
        if "top_logprobs" in extras and probs is None and (failure is None or finish_reason == "length"):
            self._ask_for_logprobs(0)
        usage = getattr(response, "usage", None)
        details = getattr(usage, "prompt_tokens_details", None)
        prompt_tokens = getattr(usage, "prompt_tokens", 0) or 0
        completion_tokens = getattr(usage, "completion_tokens", 0) or 0
        cached_tokens = getattr(details, "cached_tokens", 0) or 0
        reply = ChatReply(
            text=text,
            finish_reason=finish_reason,
            choice_probs=probs,
            model=response.model or "",
            provider=_provider(litellm, response, self.settings.model),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cached_tokens=cached_tokens,
            cost_usd=self._cost(litellm, response, prompt_tokens, completion_tokens, cached_tokens),
            latency_s=latency,
        )
        if failure:
            # It was paid for all the same.
            raise CallFailed(failure, f"finish_reason {finish_reason}, {len(text.split())} words", None, reply)
        return reply

    def _cost(
        self, litellm: Any, response: Any, prompt_tokens: int, completion_tokens: int, cached_tokens: int
    ) -> float | None:
        """US dollars by the user's prices, else by LiteLLM's table; None where neither has one."""
        if self.settings.input_cost_per_token is not None:
            return _stated_price(self.settings, prompt_tokens, completion_tokens, cached_tokens)
        # The answering model's own name first: an Azure deployment's name says nothing about its price.
        for model in (None, self.settings.model):
            with suppress(Exception):
                return float(litellm.completion_cost(completion_response=response, model=model))
        return None


def _missing_key(settings: LiteLLMSettings) -> str | None:
    """Why there is no key, where it is known which variable should hold one."""
    name = settings.api_key_env
    if name:
        told = f"api_key_env names {name}, which"
    else:
        provider = settings.model.partition("/")[0]
        name, prefixes = _USUAL_KEYS.get(provider, ("", ()))
        told = name
        # Whoever set anything of this provider's may have another way in.
        if not name or settings.api_base or any(value and v.startswith(prefixes) for v, value in os.environ.items()):
            return None
    if os.environ.get(name):
        return None
    return f"{told} is not set: export {name}=…, or {name}_FILE=/path/to/a/file/with/it"


def _stated_price(
    settings: LiteLLMSettings, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0
) -> float | None:
    """US dollars by the user's own prices; None where there are none."""
    fresh, reply, cached = (
        settings.input_cost_per_token,
        settings.output_cost_per_token,
        settings.cached_cost_per_token,
    )
    if fresh is None or reply is None:
        return None
    kept = fresh if cached is None else cached
    return (prompt_tokens - cached_tokens) * fresh + cached_tokens * kept + completion_tokens * reply


@functools.cache
def _wants_cache_hints(litellm: Any, model: str) -> bool:
    """Whether the model caches prompts only where told to, which is Claude's way, whoever serves it."""
    with suppress(Exception):
        return "claude" in model.lower() and bool(litellm.utils.supports_prompt_caching(model=model))
    return False


def _lacks_only_a_key(litellm: Any, model: str) -> bool:
    """Whether one key is all that LiteLLM misses; clouds with identities of their own miss more, or nothing."""
    missing = litellm.validate_environment(model)["missing_keys"]
    return len(missing) == 1 and missing[0].endswith("_API_KEY")


def _provider(litellm: Any, response: Any, model: str) -> str:
    hidden = getattr(response, "_hidden_params", None) or {}
    return str(hidden.get("custom_llm_provider") or litellm.get_llm_provider(model)[1])
