"""What an experiment may set for a model that LiteLLM serves; never a key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from oversight.models.base import ModelSettings
from oversight.util.secret_search import has_key_in_url
from oversight.util.secrets import SECRET_NAME, SECRET_VALUE

__all__ = ["LiteLLMSettings"]

_PRICES = frozenset({"input_cost_per_token", "output_cost_per_token", "cached_cost_per_token"})
_PUBLIC_NAMES = _PRICES | {"api_key_env", "prompt_cache_key"}
_RESERVED = frozenset(
    {
        "messages",
        "stream",
        "n",
        "logprobs",
        "top_logprobs",
        "response_format",
        "num_retries",
        "max_retries",
        "fallbacks",
        "base_url",
        "request_timeout",
    }
)


class LiteLLMSettings(ModelSettings):
    """One model's entry under ``models:``; what is not set is the provider's default.

    Most names are LiteLLM's own (https://docs.litellm.ai/docs/completion/input).

    Attributes:
        api_base: the server's URL; a dummy key is sent where the environment has none, as local servers want.
        api_key_env: the environment variable that holds the key, where it is not the provider's usual one.
        timeout: seconds for one whole attempt.
        input_cost_per_token: US dollars; with ``output_cost_per_token`` it replaces LiteLLM's price.
        cached_cost_per_token: US dollars for prompt tokens that the provider had cached; by default as others.
        prompt_cache: mark histories that will grow as worth caching, where the provider wants to be told
            (Claude, at whichever provider); the others cache by themselves.
        extra_body: fields to add to the JSON body, as the provider spells them.
        params: any rarer argument of ``litellm.acompletion``, passed on as it stands.
    """

    NON_IDENTITY_SETTINGS: ClassVar[frozenset[str]] = (
        ModelSettings.NON_IDENTITY_SETTINGS | _PRICES | {"timeout", "api_key_env", "prompt_cache"}
    )

    # A refused entry may hold a key, so an error must not show it.
    model_config = ConfigDict(hide_input_in_errors=True)

    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    reasoning_effort: str | None = None
    thinking: dict[str, Any] | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    api_base: str | None = None
    api_version: str | None = None
    api_key_env: str | None = None
    organization: str | None = None
    timeout: float = Field(120.0, gt=0)
    input_cost_per_token: float | None = Field(None, ge=0)
    output_cost_per_token: float | None = Field(None, ge=0)
    cached_cost_per_token: float | None = Field(None, ge=0)
    prompt_cache: bool = True
    aws_region_name: str | None = None
    vertex_project: str | None = None
    vertex_location: str | None = None
    extra_headers: dict[str, str] | None = None
    extra_body: dict[str, Any] | None = None
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _holds_no_secret(cls, entry: Any) -> Any:
        for path, value in _texts(entry, ()):
            name = path[-1].lower().replace("-", "_") if path else ""
            named = name not in _PUBLIC_NAMES and SECRET_NAME.search(name)
            if value and (named or SECRET_VALUE.search(value) or has_key_in_url(value)):
                raise ValueError(
                    f"{'.'.join(path)} looks like a secret, and keys come from the environment: "
                    "export it there and write api_key_env: NAME_OF_THE_VARIABLE"
                )
        return entry

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if taken := sorted(self.params.keys() & type(self).model_fields.keys()):
            raise ValueError(f"params.{taken[0]}: write {taken[0]} beside model, not inside params")
        if taken := sorted(self.params.keys() & _RESERVED):
            raise ValueError(f"params.{taken[0]} is set by the framework: remove it")
        if (self.input_cost_per_token is None) != (self.output_cost_per_token is None):
            raise ValueError("input_cost_per_token and output_cost_per_token go together: set both or neither")
        return self

    @property
    def completion_limit(self) -> int | None:
        """Tokens of a reply at most, where the settings say."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def address(self) -> str | None:
        """The server's URL, where it is not the provider's own."""
        return self.api_base

    @property
    def longest_s(self) -> float:
        """Seconds after which a call that has not ended is given up for lost."""
        return 3 * self.timeout  # a call may be made again, asking for less; what is refused is refused at once

    def arguments(self) -> dict[str, Any]:
        """What LiteLLM is called with, key, messages and prices aside."""
        ours = set(ModelSettings.model_fields) | _PRICES | {"api_key_env", "params", "prompt_cache"}
        return {"model": self.model, **self.model_dump(exclude=ours, exclude_none=True), **self.params}


def _texts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every string inside ``value``, with the keys that lead to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _texts(part, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part, path)
