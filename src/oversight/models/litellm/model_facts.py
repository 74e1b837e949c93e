"""What is known of a model that LiteLLM serves before it is called: where it is, what it costs, how it counts."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from oversight.errors import UsageError
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.litellm.account import missing_key, stated_price
from oversight.models.litellm.address import check_address, check_host, endpoint_of
from oversight.models.litellm.library import load_litellm
from oversight.models.litellm.litellm_settings import LiteLLMSettings
from oversight.util.secrets import adopt_key_files

__all__ = ["LiteLLMFacts"]


class LiteLLMFacts(ChatModel):
    """The part of `oversight.models.litellm.litellm_model.LiteLLMModel` that makes no call."""

    Settings: ClassVar[type[ModelSettings]] = LiteLLMSettings

    @classmethod
    def check(cls, settings: ModelSettings) -> None:
        """See that the host is known here, and that the variable with the key is set.

        The variable is the one that ``api_key_env`` names, or the provider's usual one.

        Raises:
            UsageError: one of them is not.
        """
        assert isinstance(settings, LiteLLMSettings)
        adopt_key_files()
        if missing := missing_key(settings):
            raise UsageError(f"model {settings.model}: {missing}")
        check_host(settings)

    @classmethod
    def check_address(cls, settings: ModelSettings) -> None:
        """See that the name has a provider and that the address is one.

        Raises:
            UsageError: it has none, or is none.
        """
        assert isinstance(settings, LiteLLMSettings)
        check_address(settings)

    @classmethod
    def endpoint(cls, settings: ModelSettings) -> str | None:
        """Name the host that is called, or the provider where its own address is."""
        assert isinstance(settings, LiteLLMSettings)
        return endpoint_of(settings)

    @classmethod
    def price(cls, settings: ModelSettings, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What these tokens would cost, in US dollars, by the user's prices or LiteLLM's table; None if unknown."""
        assert isinstance(settings, LiteLLMSettings)
        if settings.input_cost_per_token is not None:
            return stated_price(settings, prompt_tokens, completion_tokens)
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
