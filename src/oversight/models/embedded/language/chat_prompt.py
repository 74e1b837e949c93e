"""From a chat to the text that a model was trained to continue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from oversight.core.chat import ChatMessage
from oversight.models.base import without_system

__all__ = ["Prompter", "merged"]

_PROBE = "SYSTEM-ROLE-PROBE"


class Prompter:
    """Writes prompts by a tokenizer's chat template.

    A template that has no system role, or drops its text, gets it in front of the first user message; one that wants
    user and assistant in turn gets the messages of a role that follow each other as one.

    Args:
        tokenizer: a Transformers tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._marks = sorted(_marks(tokenizer), key=len, reverse=True)
        self._knows_system = self._has_system_role()

    def text(self, messages: Sequence[ChatMessage]) -> str:
        """Return the prompt, up to where the assistant's reply begins."""
        chat = [ChatMessage(role, self._harmless(content)) for role, content in messages]
        if not self._knows_system:
            chat = list(without_system(chat))
        if not self._tokenizer.chat_template:
            said = "".join(f"{message.role.capitalize()}: {message.content}\n\n" for message in chat)
            return f"{said}Assistant:"
        try:
            return self._render(chat)
        except Exception:  # a template's own complaint, of whatever kind: roles that do not alternate
            return self._render(merged(chat))

    def _render(self, chat: Iterable[ChatMessage]) -> str:
        told = [message._asdict() for message in chat]
        return str(self._tokenizer.apply_chat_template(told, add_generation_prompt=True, tokenize=False))

    def _has_system_role(self) -> bool:
        if not self._tokenizer.chat_template:
            return True
        try:
            return _PROBE in self._render([ChatMessage("system", _PROBE), ChatMessage("user", "?")])
        except Exception:  # as above: the template refuses the role
            return False

    def _harmless(self, content: str) -> str:
        """Break the tokenizer's control tokens in texts: text cannot forge structure (rule 3)."""
        for mark in self._marks:
            content = content.replace(mark, f"{mark[0]} {mark[1:]}")
        return content


def merged(chat: Iterable[ChatMessage]) -> list[ChatMessage]:
    """Join the messages of one role that follow each other."""
    return [
        ChatMessage(role, "\n\n".join(message.content for message in group))
        for role, group in groupby(chat, key=lambda message: message.role)
    ]


def _marks(tokenizer: Any) -> set[str]:
    """Return the texts that a tokenizer turns into control tokens."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return {mark for mark in added | set(tokenizer.all_special_tokens) if len(mark) > 1}
