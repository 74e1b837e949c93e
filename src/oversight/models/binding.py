"""From what an experiment file says about a model to a model that answers."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from oversight.models.base import ChatModel, ModelSettings
from oversight.plugins import Plugin, find_plugin
from oversight.util.digest import digest

__all__ = ["Binding", "plugin_for"]

_EMBEDDED = "embedded/"


class Binding(BaseModel):
    """A model as the experiment binds it: where its class is, and the settings the user wrote."""

    model_config = ConfigDict(frozen=True)

    plugin: Plugin
    settings: dict[str, Any]
    seed: int

    @property
    def name(self) -> str:
        """The model's name in the experiment file."""
        return str(self.settings["model"])

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The settings that say what the model is; not those that only say how it is reached."""
        manner = self.checked()[1].NON_IDENTITY_SETTINGS
        return {name: value for name, value in self.settings.items() if name not in manner}

    @cached_property
    def key(self) -> str:
        """A digest of what determines the model; the seed counts only for models that are made here."""
        made_here = self.seed if self.name.startswith(_EMBEDDED) or self.plugin.source else None
        return digest([self.identity, made_here, self.plugin.source])

    def held_to(self, other: Binding) -> Binding:
        """This model, held to the limits that ``other``, the same model bound elsewhere, states as well."""
        stricter = {
            name: min(limit for limit in (self.settings.get(name), other.settings.get(name)) if limit is not None)
            for name in ModelSettings.NON_IDENTITY_SETTINGS
            if name in self.settings or name in other.settings
        }
        return self.model_copy(update={"settings": {**self.settings, **stricter}})

    def checked(self) -> tuple[type[ChatModel], ModelSettings]:
        """The class, and its validated settings."""
        model = self.plugin.load(ChatModel)
        return model, model.Settings.model_validate(self.settings)

    @property
    def endpoint(self) -> str | None:
        """Where its calls go, as a list for people says it; None if they stay on this machine."""
        model, settings = self.checked()
        stated = model.endpoint(settings)
        # A model of the user's own file may call whatever it likes.
        return stated if stated is not None or not (self.plugin.source and model.metered) else f"what {self.name} calls"

    def price(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What these tokens would cost, in US dollars; None where the price is unknown."""
        model, settings = self.checked()
        return model.price(settings, prompt_tokens, completion_tokens)

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` takes, about."""
        model, settings = self.checked()
        return model.count_tokens(settings, text)

    def check(self) -> None:
        """Raise `UsageError` if the model cannot be called from here."""
        model, settings = self.checked()
        model.check(settings)

    def prepare(self) -> object:
        """Do what precedes the first call (see `ChatModel.prepare`)."""
        model, settings = self.checked()
        return model.prepare(settings, self.seed)

    def create(self, state: object) -> ChatModel:
        """Make the model, with what `prepare` returned."""
        model, settings = self.checked()
        return model(settings, state)


def plugin_for(name: str, base: Path) -> Plugin:
    """Which class serves a model name: ``embedded/NAME``, ``./file.py:Class``, or else LiteLLM.

    Raises:
        UsageError: no such embedded model or file.
    """
    if name.startswith(_EMBEDDED):
        return find_plugin(ChatModel, name.removeprefix(_EMBEDDED))
    if ".py:" in name:
        return find_plugin(ChatModel, name, base)
    return Plugin(module="oversight.models.litellm.litellm_model", qualname="LiteLLMModel")
