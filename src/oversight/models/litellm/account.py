"""Which key a provider wants, and what its tokens cost by the user's own prices."""

from __future__ import annotations

import os
from typing import Any

from oversight.errors import UsageError
from oversight.models.litellm.address import provider_of
from oversight.models.litellm.litellm_settings import LiteLLMSettings

__all__ = ["lacks_only_a_key", "missing_key", "stated_price"]

_USUAL_KEYS = {
    "openai": ("OPENAI_API_KEY", ("OPENAI_",)),
    "anthropic": ("ANTHROPIC_API_KEY", ("ANTHROPIC_",)),
    "gemini": ("GEMINI_API_KEY", ("GEMINI_", "GOOGLE_")),
    "openrouter": ("OPENROUTER_API_KEY", ("OPENROUTER_", "OR_")),
}
"""Provider -> the variable that usually holds its key, and how all of its variables begin."""


def missing_key(settings: LiteLLMSettings) -> str | None:
    """Why there is no key, where it is known which variable should hold one."""
    name = settings.api_key_env
    if name:
        told = f"api_key_env names {name}, which"
    else:
        try:
            name, prefixes = _USUAL_KEYS[provider_of(settings)]
        except (KeyError, UsageError):  # no variable is the usual one, or `check_address` refuses the name
            return None
        told = name
        # A user who set anything of this provider's may have another way in.
        if settings.api_base or any(value and v.startswith(prefixes) for v, value in os.environ.items()):
            return None
    if os.environ.get(name):
        return None
    return f"{told} is not set: export {name}=…, or {name}_FILE=/path/to/a/file/with/it"


def stated_price(
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


def lacks_only_a_key(litellm: Any, model: str) -> bool:
    """Whether one key is all that LiteLLM misses; clouds with identities of their own miss more, or nothing."""
    missing = litellm.validate_environment(model)["missing_keys"]
    return len(missing) == 1 and missing[0].endswith("_API_KEY")
