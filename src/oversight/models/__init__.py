"""Chat models behind one interface. Only ``litellm`` knows LiteLLM."""

from oversight.core.chat import ChatMessage, ChatReply, ChatRequest
from oversight.models.base import ChatModel, ModelSettings

__all__ = ["ChatMessage", "ChatModel", "ChatReply", "ChatRequest", "ModelSettings"]
