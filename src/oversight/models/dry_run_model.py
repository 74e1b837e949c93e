"""The model of dry runs: it answers in the form asked for, costs nothing, and notes what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any

from oversight.core.chat import ChatReply, ChatRequest
from oversight.core.elicitation import even_statement, letters_asked_for
from oversight.models.base import ChatModel, ModelSettings

__all__ = ["DryRunModel", "example_for_schema", "example_reply"]

_WORDS = "This is where the model would speak."
_SPEECH_WORDS = 150
"""How long a speech is taken to be where nothing limits it."""


class DryRunModel(ChatModel):
    """Stands in for a model when an experiment is planned, and speaks as long as it may.

    Attributes:
        calls: how often it was asked.
        prompt_chars, reply_chars: what it read and said in all, in characters.
        sample: the longest prompt it read.
    """

    def __init__(self, settings: ModelSettings, state: object = None) -> None:
        super().__init__(settings, state)
        self.calls = 0
        self.prompt_chars = 0
        self.reply_chars = 0
        self.sample = ""

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer with the first choice, a JSON object that fits, or prose up to the word limit."""
        await asyncio.sleep(0)  # as every real model does: else a protocol without end would never be interrupted
        prompt = "".join(message.content for message in request.messages)
        formal = request.choices or request.json_schema is not None
        self.calls += 1
        # Numbered, because protocols ask only once what two forms say alike.
        words = f"{_WORDS} {self.calls}" if formal else _speech(request.word_limit or _SPEECH_WORDS)
        reply = example_reply(request, words)
        self.prompt_chars += len(prompt)
        self.reply_chars += len(reply.text)
        self.sample = max(self.sample, prompt, key=len)
        return reply._replace(model=self.settings.model, provider="dry run")


def _speech(words: int) -> str:
    return " ".join(islice(cycle(_WORDS.split()), words))


def example_reply(request: ChatRequest, words: str = _WORDS) -> ChatReply:
    """A reply in the form that was asked for: equal probabilities, a letter, an object that fits, or ``words``."""
    if request.choices:
        shares = dict.fromkeys(request.choices, 1 / len(request.choices))
        return ChatReply(text=request.choices[0], choice_probs=shares)
    if request.json_schema is not None:
        return ChatReply(text=json.dumps(example_for_schema(request.json_schema, words)))
    letters = letters_asked_for(request.messages[-1].content) if request.messages else []
    return ChatReply(text=letters[0] if letters else words)


def example_for_schema(schema: Mapping[str, Any], words: str = _WORDS) -> Any:
    """The plainest value that fits a JSON schema, with ``words`` for its texts; an even belief if it asks for one."""
    return even_statement(schema) or _fit(schema, schema.get("$defs", {}), words)


def _fit(schema: Mapping[str, Any], definitions: Mapping[str, Any], words: str) -> Any:
    value: Any = None
    match schema:
        case {"$ref": reference}:
            value = _fit(definitions[reference.rpartition("/")[2]], definitions, words)
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            value = _fit(first, definitions, words)
        case {"const": value} | {"enum": [value, *_]}:
            pass
        case {"type": "object"}:
            value = {name: _fit(part, definitions, words) for name, part in schema.get("properties", {}).items()}
        case {"type": "array"}:
            value = _entries(schema, definitions, words)
        case {"type": "string"}:
            value = words.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
        case {"type": "integer" | "number"}:
            value = _number(schema)
        case {"type": "boolean"}:
            value = False
    return value


def _entries(schema: Mapping[str, Any], definitions: Mapping[str, Any], words: str) -> list[Any]:
    """As many entries as a list may have, told apart by a number, or one where there is no limit."""
    count = max(1, schema.get("minItems", 1), schema.get("maxItems", 1))
    return [
        _fit(schema.get("items", {}), definitions, f"{words} {number}" if count > 1 else words)
        for number in range(1, count + 1)
    ]


def _number(schema: Mapping[str, Any]) -> int | float:
    number: int | float = schema.get("minimum", schema.get("maximum", 1))
    return schema["exclusiveMinimum"] + 1 if "exclusiveMinimum" in schema else number
