"""The loopback server, as a plugin author's plain HTTP client sees it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from oversight.testing.loopback import Chaos, Fault, LoopbackServer


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


def fates(seed: int, contents: list[str]) -> list[tuple[str, str]]:
    with LoopbackServer(chaos=Chaos(0.5, seed, kinds=("server_error", "blank"))) as server:
        for content in contents:
            try:
                post(server, content)
            except HTTPError as error:
                error.close()
        return sorted((each.digest, each.fault or "none") for each in server.served)


def test_faults_at_random_depend_on_the_seed_and_the_request_but_not_on_the_order() -> None:
    contents = [f"question {n % 20}" for n in range(40)]
    drawn = fates(0, contents)
    assert drawn == fates(0, contents[::-1])
    assert drawn != fates(1, contents)
    assert {fault for _, fault in drawn} == {"none", "server_error", "blank"}
    # The second time a request comes, it is drawn for anew.
    assert any(first != second for (_, first), (_, second) in zip(drawn[::2], drawn[1::2], strict=True))


def test_it_runs_by_itself_and_lists_its_requests() -> None:
    command = [sys.executable, "-m", "oversight.testing.loopback", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        api_base = process.stdout.readline().removeprefix("serving at ").split(";")[0]
        assert api_base.startswith("http://127.0.0.1:")
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
        for _ in range(2):
            urlopen(Request(f"{api_base}/chat/completions", body), timeout=5).close()
        line: dict[str, Any] = {"ended": None}
        while line["ended"] is None:  # its reply may be read before it is noted
            with urlopen(api_base.replace("/v1", "/requests?from=1"), timeout=5) as response:
                (line,) = map(json.loads, response)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "")
    assert (line["number"], line["model"], line["fault"]) == (1, "m", None)
    assert (line["status"], line["complete"], line["usual"]) == (200, True, True)
    assert line["at"] <= line["ended"]
