"""A server that redirects elsewhere does not learn what was meant for the one that the user named."""

from __future__ import annotations

import pytest

from oversight.errors import CallFailed, FailureClass
from oversight.testing.loopback import Fault, LoopbackServer

from .conftest import Make, ask

HEADER = "planted-header-4f9e77c2d1"
KEY = "planted-key-9b2c44aa17"


def redirect(status: int, server: LoopbackServer, path: str = "/chat/completions") -> Fault:
    return Fault(status, "", {"Location": server.api_base + path})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("model", ["openai/gpt-5", "hosted_vllm/m", "mistral/m", "azure/m"])
async def test_neither_key_nor_headers_follow_a_redirect_to_another_port(
    server: LoopbackServer, make: Make, model: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_SECRET", KEY)
    more = {"api_version": "2024-10-21"} if model.startswith("azure/") else {}
    asking = make(model, api_key_env="LAB_SECRET", extra_headers={"X-Lab": HEADER}, **more)
    with LoopbackServer() as other:
        server.faults.append(redirect(status, other))
        with pytest.raises(CallFailed) as caught:
            await asking.chat(ask())
        assert other.received == []
    assert caught.value.failure is FailureClass.INVALID_REQUEST  # so it is not tried again
    other_origin, own_origin = other.api_base.removesuffix("/v1"), server.api_base.removesuffix("/v1")
    assert f"the server at {own_origin} redirects to {other_origin}, which is not followed" in caught.value.message
    assert "write it as api_base" in caught.value.message
    assert KEY not in caught.value.message
    assert [request.headers["x-lab"] for request in server.received] == [HEADER]


async def test_a_redirect_on_the_same_server_is_followed(server: LoopbackServer, make: Make) -> None:
    server.faults.append(redirect(307, server))
    reply = await make("hosted_vllm/m", extra_headers={"X-Lab": HEADER}).chat(ask())
    assert reply.text
    assert [request.headers["x-lab"] for request in server.received] == [HEADER, HEADER]


async def test_a_server_that_redirects_to_itself_for_ever_is_given_up(server: LoopbackServer, make: Make) -> None:
    server.faults.extend([redirect(307, server)] * 50)
    with pytest.raises(CallFailed):
        await make("openai/gpt-5", timeout=20).chat(ask())
    assert len(server.received) < 50


async def test_what_a_redirect_says_of_its_address_is_not_repeated(server: LoopbackServer, make: Make) -> None:
    with LoopbackServer() as other:
        server.faults.append(redirect(307, other, "/chat/completions?session=planted-session-1"))
        with pytest.raises(CallFailed, match="is not followed") as caught:
            await make("openai/gpt-5").chat(ask())
    assert "planted" not in caught.value.message


async def test_other_requests_of_this_process_are_redirected_as_ever(server: LoopbackServer, make: Make) -> None:
    import httpx

    await make("openai/gpt-5").chat(ask())  # LiteLLM is in this process from here on
    with LoopbackServer() as other:
        server.faults.append(redirect(307, other))
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        async with httpx.AsyncClient(follow_redirects=True) as client:
            answer = await client.post(f"{server.api_base}/chat/completions", json=body)
        assert answer.status_code == 200
        assert len(other.received) == 1
