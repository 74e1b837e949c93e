"""A protocol as an arm of an experiment binds it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from oversight.core.plugin_shape import make_plugin
from oversight.core.protocol import Protocol
from oversight.plugins import Plugin
from oversight.prompting.templates import Templates
from oversight.util.digest import digest

__all__ = ["ProtocolBinding"]


class ProtocolBinding:
    """A protocol as an arm binds it: its class, its options as the user wrote them, and its prompts."""

    def __init__(self, plugin: Plugin, options: dict[str, Any]) -> None:
        self.plugin = plugin
        self.options = options
        self.key = digest([plugin.model_dump(), options])

    def create(self) -> Protocol:
        """Load the class and make it with its options."""
        protocol = self.plugin.load(Protocol)
        return make_plugin(protocol, protocol.Options.model_validate(self.options))

    @cached_property
    def version(self) -> str:
        """What an episode's id says about the plugin: its own version, and what its prompts are."""
        return f"{self.plugin.load(Protocol).version}+{self.plugin.fingerprint}"

    def templates(self) -> Templates:
        """The prompts that travelled with the plugin."""
        return Templates(self.plugin.prompts)
