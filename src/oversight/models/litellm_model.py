"""Every model that LiteLLM serves, behind the framework's chat interface.

LiteLLM takes seconds to import and is imported by the first call, so that listing plugins, planning and
embedded models never pay for it. Its own retries, fallbacks and router stay off: `oversight.models.retry`
decides, and every attempt is on record.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar

from oversight.errors import CallFailed, FailureClass, UsageError
from oversight.models.base import ChatModel, ChatReply, ChatRequest, ModelSettings
from oversight.models.litellm_failures import call_failed, status_of
from oversight.models.litellm_settings import LiteLLMSettings
from oversight.models.tokens import first_token_probs

__all__ = ["LiteLLMModel"]

_MOST_LOGPROBS = 20
_FEW_LOGPROBS = 5  # where Fireworks, Together and older vLLM draw the line
_OVER_LIMIT = re.compile(r"<=|at most|less than|between|max|greater|range|exceed", re.IGNORECASE)
_NO_LOGPROBS = re.compile(r"logprobs|max_(completion_)?tokens", re.IGNORECASE)
_NO_SCHEMA = re.compile(r"response_format|json_schema|structured output", re.IGNORECASE)
_REJECTED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})
_DUMMY_KEY = "not-needed"


class LiteLLMModel(ChatModel):
    """A model that LiteLLM reaches, by its ``provider/model`` name.

    What the model turns out not to take (token probabilities, JSON schemas) is left out from then on: a
    provider's own answer says more about that than any table.

    Raises:
        UsageError: the environment lacks the variable that ``api_key_env`` names.
    """

    Settings: ClassVar[type[ModelSettings]] = LiteLLMSettings
    settings: LiteLLMSettings

    def __init__(self, settings: ModelSettings, state: object = None) -> None:
        super().__init__(settings, state)
        self._top_logprobs = _MOST_LOGPROBS
        if settings.belief != "logprob":
            self._ask_for_logprobs(0)
        self._takes_schema = True
        self.check(settings)

    @classmethod
    def check(cls, settings: ModelSettings) -> None:
        """The variable that ``api_key_env`` names must be set.

        Raises:
            UsageError: it is not.
        """
        assert isinstance(settings, LiteLLMSettings)
        name = settings.api_key_env
        if name and not os.environ.get(name):
            raise UsageError(f"model {settings.model}: api_key_env names {name}, which is not set: export {name}=…")

    @classmethod
    def price(cls, settings: ModelSettings, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What these tokens would cost, in US dollars, by the user's prices or LiteLLM's table; None if unknown."""
        assert isinstance(settings, LiteLLMSettings)
        if settings.input_cost_per_token is not None and settings.output_cost_per_token is not None:
            return prompt_tokens * settings.input_cost_per_token + completion_tokens * settings.output_cost_per_token
        with suppress(Exception):
            costs = _load().cost_per_token(settings.model, prompt_tokens, completion_tokens)
            return float(sum(costs))
        return None

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer one request with one call, or one more where the model rejects what was asked on top.

        Raises:
            CallFailed: the call gave nothing usable.
        """
        litellm = _load()
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
            extras["response_format"] = _response_format(request.json_schema)
        if request.choices and self._top_logprobs:
            extras |= {"logprobs": True, "top_logprobs": self._top_logprobs}
            if not {"max_tokens", "max_completion_tokens"} & arguments.keys() and request.json_schema is None:
                extras["max_tokens"] = 1
        if request.sample and "seed" in arguments:
            extras["seed"] = arguments["seed"] + request.sample
        return extras

    async def _send(self, litellm: Any, request: ChatRequest, extras: Mapping[str, Any]) -> Any:
        """LiteLLM's response, or why there is none; None: make the call again, asking for less."""
        arguments = {
            **self.settings.arguments(),
            **extras,
            "messages": [message._asdict() for message in request.messages],
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
        probs = None
        if "top_logprobs" in extras:
            probs = first_token_probs(choice, request.choices)
            if probs is None:
                self._ask_for_logprobs(0)
        usage = getattr(response, "usage", None)
        details = getattr(usage, "prompt_tokens_details", None)
        prompt_tokens = getattr(usage, "prompt_tokens", 0) or 0
        completion_tokens = getattr(usage, "completion_tokens", 0) or 0
        reply = ChatReply(
            text=text,
            finish_reason=finish_reason,
            choice_probs=probs,
            model=response.model or "",
            provider=_provider(litellm, response, self.settings.model),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cached_tokens=getattr(details, "cached_tokens", 0) or 0,
            cost_usd=self._cost(litellm, response, prompt_tokens, completion_tokens),
            latency_s=latency,
        )
        if failure := _useless(choice.message, finish_reason, bool(text.strip() or probs), request, extras):
            # It was paid for all the same.
            raise CallFailed(failure, f"finish_reason {finish_reason}, {len(text.split())} words", None, reply)
        return reply

    def _cost(self, litellm: Any, response: Any, prompt_tokens: int, completion_tokens: int) -> float | None:
        """US dollars by the user's prices, else by LiteLLM's table; None where neither has one."""
        if self.settings.input_cost_per_token is not None:
            return self.price(self.settings, prompt_tokens, completion_tokens)
        # The answering model's own name first: an Azure deployment's name says nothing about its price.
        for model in (None, self.settings.model):
            with suppress(Exception):
                return float(litellm.completion_cost(completion_response=response, model=model))
        return None


@functools.cache
def _load() -> Any:
    """LiteLLM, imported without its download of prices and its hints on stdout."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        # What it logs as an error it also raises, and its text may hold a key.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # httpx logs each URL at INFO, and some providers take the key in the URL.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return litellm


def _lacks_only_a_key(litellm: Any, model: str) -> bool:
    """Whether one key is all that LiteLLM misses; clouds with identities of their own miss more, or nothing."""
    missing = litellm.validate_environment(model)["missing_keys"]
    return len(missing) == 1 and missing[0].endswith("_API_KEY")


def _provider(litellm: Any, response: Any, model: str) -> str:
    hidden = getattr(response, "_hidden_params", None) or {}
    return str(hidden.get("custom_llm_provider") or litellm.get_llm_provider(model)[1])


def _useless(
    message: Any, finish_reason: str, answered: bool, request: ChatRequest, extras: Mapping[str, Any]
) -> FailureClass | None:
    """Why a reply that came cannot be used, if so."""
    more = getattr(message, "provider_specific_fields", None) or {}
    if getattr(message, "refusal", None) or more.get("refusal"):
        return FailureClass.REFUSED
    if finish_reason == "content_filter":
        return FailureClass.CONTENT_FILTER
    if answered:
        # A choice is made by its first token; whatever a limit cut off after that is not missed.
        return FailureClass.TRUNCATED if finish_reason == "length" and not request.choices else None
    # Where our own limit left nothing, a chain of thought was cut, and the next attempt sets no limit.
    own_limit = "max_tokens" in extras
    return FailureClass.TRUNCATED if finish_reason == "length" and not own_limit else FailureClass.BLANK


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": dict(schema), "strict": _is_strict(schema)},
    }


def _is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a schema: closed objects, every property required, no defaults."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
        return all(map(_is_strict, properties.values())) and _is_strict(schema.get("$defs", {}))
    if schema.keys() & {"default", "allOf", "oneOf", "not"} or ("$ref" in schema and len(schema) > 1):
        return False
    return all(map(_is_strict, schema.values()))
