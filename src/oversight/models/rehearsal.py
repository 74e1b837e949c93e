"""A model for rehearsals: it says something fitting, costs nothing, and notes what it was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from oversight.models.base import ChatModel, ChatReply, ChatRequest, ModelSettings

__all__ = ["RehearsalModel", "fitting"]

_CHARACTERS_PER_TOKEN = 4
_WORDS = "This is where the model would speak."
_SPEECH_TOKENS = 200


class RehearsalModel(ChatModel):
    """Stands in for a model when an experiment is planned; token counts are estimates from the prompts."""

    def __init__(self, settings: ModelSettings, state: object = None) -> None:
        super().__init__(settings, state)
        self.calls = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer with the first choice, a fitting JSON object, or a sentence."""
        if request.choices:
            text, tokens = request.choices[0], 1
        elif request.json_schema is not None:
            text = json.dumps(fitting(request.json_schema))
            tokens = len(text) // _CHARACTERS_PER_TOKEN + 1
        else:
            text, tokens = _WORDS, _SPEECH_TOKENS
        self.calls += 1
        self.prompt_tokens += sum(len(message.content) for message in request.messages) // _CHARACTERS_PER_TOKEN
        self.completion_tokens += tokens
        shares = {choice: 1 / len(request.choices) for choice in request.choices} or None
        return ChatReply(text=text, choice_probs=shares, model=self.settings.model, provider="rehearsal")


def fitting(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> Any:
    """The plainest value that fits a JSON schema as pydantic writes them."""
    definitions = definitions if definitions is not None else schema.get("$defs", {})
    if "$ref" in schema:
        return fitting(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return fitting(schema[word][0], definitions)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    return _of_type(schema, definitions)


def _of_type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            return {name: fitting(part, definitions) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [fitting(schema.get("items", {}), definitions)] * max(1, schema.get("minItems", 1))
        case "string":
            return _WORDS.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", len(_WORDS) * 99)]
        case "integer" | "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum"))
            whole = low is not None and "exclusiveMinimum" in schema
            return (low + 1 if whole else low) if low is not None else schema.get("maximum", 1)
        case "boolean":
            return False
        case _:
            return None
