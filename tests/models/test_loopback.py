"""The loopback server, as a plugin author's plain HTTP client sees it."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.request import Request, urlopen

import pytest

from oversight.testing.loopback import Fault, LoopbackServer


def post(server: LoopbackServer, content: str, **more: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    request = Request(f"{server.api_base}/chat/completions", json.dumps(body).encode())
    with urlopen(request, timeout=5) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def test_it_lists_a_model(server: LoopbackServer) -> None:
    with urlopen(f"{server.api_base}/models", timeout=5) as response:
        assert json.load(response)["data"][0]["object"] == "model"
    assert server.received == []


def test_default_replies_fit_the_request_and_repeat(server: LoopbackServer) -> None:
    labelled = post(server, "Choose.\nA) x\n(B) y", logprobs=True, top_logprobs=5)
    assert labelled["choices"] == post(server, "Choose.\nA) x\n(B) y", logprobs=True, top_logprobs=5)["choices"]
    [token] = labelled["choices"][0]["logprobs"]["content"]
    assert token["token"] == labelled["choices"][0]["message"]["content"]
    assert {entry["token"] for entry in token["top_logprobs"]} == {"A", "B"}

    schema = {
        "type": "object",
        "properties": {"step": {"type": "integer", "minimum": 1}, "inner": {"$ref": "#/$defs/Inner"}},
        "$defs": {"Inner": {"enum": ["right", "wrong"]}},
    }
    formed = post(server, "Fill.", response_format={"json_schema": {"schema": schema}})
    assert json.loads(formed["choices"][0]["message"]["content"]) == {"step": 1, "inner": "right"}
    assert post(server, "Speak.")["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}


def test_faults_come_in_order_and_none_lets_one_through(server: LoopbackServer) -> None:
    server.faults.extend([Fault.error(200, "first"), None, Fault.reset()])
    assert post(server, "x")["error"]["message"] == "first"
    assert post(server, "x")["model"] == "m"
    with pytest.raises(http.client.IncompleteRead):
        post(server, "x")
    assert post(server, "x")["model"] == "m"
    assert len(server.received) == 4
