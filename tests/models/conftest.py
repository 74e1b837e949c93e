from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from oversight.core.chat import ChatMessage, ChatRequest
from oversight.models.litellm.litellm_model import LiteLLMModel
from oversight.testing.loopback import LoopbackServer

Make = Callable[..., LiteLLMModel]


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def make(server: LoopbackServer) -> Make:
    """Makes models that the loopback server serves."""

    def make(model: str = "openai/gpt-4o-mini", **settings: Any) -> LiteLLMModel:
        settings = {"api_base": server.api_base, **settings}
        return LiteLLMModel(LiteLLMModel.Settings.model_validate({"model": model, **settings}))

    return make


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own keys reach these tests."""
    for name in list(os.environ):
        if name.endswith("_API_KEY"):
            monkeypatch.delenv(name)


def ask(text: str = "Which answer is right?", **more: Any) -> ChatRequest:
    return ChatRequest((ChatMessage("system", "You judge."), ChatMessage("user", text)), **more)
