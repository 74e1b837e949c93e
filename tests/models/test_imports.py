"""LiteLLM is imported by the first call alone, and asks nobody anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import socket, sys

def local(address):
    return not isinstance(address, tuple) or address[0] in ("127.0.0.1", "::1", "localhost")

attempts = []
def guard(event, args):
    if event == "socket.connect" and not local(args[1]):
        attempts.append(args[1])
    if event == "socket.getaddrinfo" and args[0] not in ("127.0.0.1", "::1", "localhost", None):
        attempts.append(args[0])
sys.addaudithook(guard)

import asyncio
from oversight.core.chat import ChatMessage, ChatRequest
from oversight.models.litellm.litellm_model import LiteLLMModel
from oversight.models.retry import call_with_retries
from oversight.testing.loopback import Fault, LoopbackServer
assert "litellm" not in sys.modules and "openai" not in sys.modules

with LoopbackServer() as server:
    model = LiteLLMModel(LiteLLMModel.Settings(model="openai/gpt-4o-mini", api_base=server.api_base))
    assert "litellm" not in sys.modules
    request = ChatRequest((ChatMessage("user", "hi"),))
    reply = asyncio.run(model.chat(request))
    server.faults.append(Fault.rate_limited())
    again = asyncio.run(call_with_retries(model, request, lambda *attempt: None, base_delay=0))
assert reply.text == again.text
assert "litellm" in sys.modules
assert attempts == [], attempts
"""


@pytest.mark.long
def test_nothing_is_imported_early_asked_of_the_network_or_printed() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
