"""What a server refuses of what is asked on top of the messages is left out, whatever the words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from oversight.errors import CallFailed, FailureClass
from oversight.models.litellm.litellm_model import LiteLLMModel
from oversight.models.retry import call_with_retries

from .answering import Answer, answering, completion, top
from .conftest import ask

LETTER = {"choices": ("A", "B")}
FORM = {"json_schema": {"type": "object", "properties": {"steps": {"type": "array"}}}}
EXTRAS = {
    "probabilities": (LETTER, lambda body: "logprobs" in body),
    "schema": (FORM, lambda body: "response_format" in body),
    "system": ({}, lambda body: body["messages"][0]["role"] == "system"),
    "limit": (LETTER, lambda body: "max_tokens" in body),
}
ERROR = {"error": {"message": "Something about your request", "type": "error"}}


def make(base: str, provider: str = "hosted_vllm", **settings: Any) -> LiteLLMModel:
    given = {"model": f"{provider}/m", "api_base": f"{base}/v1", **settings}
    return LiteLLMModel(LiteLLMModel.Settings.model_validate(given))


def plain(body: Mapping[str, Any]) -> dict[str, Any]:
    return completion("B", logprobs=top(("B", math.log(0.9)), ("A", math.log(0.1))) if body.get("logprobs") else None)


def refusing(extra: str, status: int, content: Any = ERROR) -> Answer:
    """A server that fails whenever it is asked for an extra, in words that do not say so."""
    _, wanted = EXTRAS[extra]
    return lambda body: (status, content) if wanted(body) else (200, plain(body))


async def call(model: LiteLLMModel, **more: Any) -> Any:
    return await call_with_retries(model, ask(**more), lambda *attempt: None, base_delay=0)


@pytest.mark.long
@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
@pytest.mark.parametrize("status", [400, 403, 404, 405, 422, 451, 500, 503])
@pytest.mark.parametrize("extra", EXTRAS)
async def test_a_refused_extra_is_left_out_from_then_on_and_the_reply_says_so_once(
    extra: str, status: int, provider: str
) -> None:
    more, wanted = EXTRAS[extra]
    with answering(refusing(extra, status)) as (base, bodies):
        model = make(base, provider)
        first = await call(model, **more)
        asked = len(bodies)
        second = await call(model, **more)

    assert (first.text, second.text) == ("B", "B")
    assert any("left out from now on" in notice for notice in first.notices)
    assert not any("left out" in notice for notice in second.notices)
    assert len(bodies) == asked + 1
    assert not wanted(bodies[-1])
    if extra == "limit":
        assert second.choice_probs == pytest.approx({"A": 0.1, "B": 0.9}), "the probabilities stay"


@pytest.mark.parametrize("extra", ["probabilities", "schema"])
async def test_a_body_that_cannot_be_read_is_an_extra_refused_too(extra: str) -> None:
    more, wanted = EXTRAS[extra]
    with answering(refusing(extra, 200, '{"choices": [')) as (base, bodies):
        model = make(base)
        assert (await call(model, **more)).text == "B"
        assert (await call(model, **more)).text == "B"

    assert not wanted(bodies[-1])


@pytest.mark.parametrize("extra", ["probabilities", "schema"])
async def test_a_server_that_took_an_extra_before_is_down_when_it_fails(extra: str) -> None:
    """An outage would else switch a judge to stated beliefs for the rest of the run."""
    more, wanted = EXTRAS[extra]
    down = [False]
    with answering(lambda body: (503, ERROR) if down[0] and wanted(body) else (200, plain(body))) as (base, bodies):
        model = make(base)
        await call(model, **more)
        down[0] = True
        with pytest.raises(CallFailed) as raised:
            await call(model, **more)
        down[0] = False
        await call(model, **more)

    assert raised.value.failure is FailureClass.SERVER_ERROR
    assert wanted(bodies[-1])


async def test_instructions_stand_in_front_of_the_first_user_message_where_there_is_no_system_role() -> None:
    with answering(refusing("system", 400)) as (base, bodies):
        await call(make(base), text="Which?")

    assert bodies[-1]["messages"] == [{"role": "user", "content": "You judge.\n\nWhich?"}]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_goes_by_its_other_name(name: str) -> None:
    def answer(body: Mapping[str, Any]) -> tuple[int, Any]:
        return (400, ERROR) if name in body else (200, plain(body))

    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[name]
    with answering(answer) as (base, bodies):
        model = make(base, "openai", **{name: 50})
        reply = await call(model, **LETTER)
        await call(model)

    assert reply.choice_probs == pytest.approx({"A": 0.1, "B": 0.9})
    assert [body.get(other) for body in bodies[-2:]] == [50, 50]


async def test_a_call_that_fails_without_extras_too_keeps_its_own_failure_and_all_extras() -> None:
    with answering(lambda body: (400, {"error": {"message": "temperature is out of range"}})) as (base, bodies):
        model = make(base)
        with pytest.raises(CallFailed) as raised:
            await call(model, **LETTER)
        tried = len(bodies)

    assert raised.value.failure is FailureClass.INVALID_REQUEST
    assert "temperature" in raised.value.message
    assert tried <= 7
    assert model.gives_probabilities


@pytest.mark.parametrize("status", [401, 402])
async def test_a_refused_key_or_account_is_not_about_extras(status: int) -> None:
    with answering(lambda body: (status, ERROR)) as (base, bodies), pytest.raises(CallFailed) as raised:
        await call(make(base), **LETTER)

    assert raised.value.failure is FailureClass.AUTHENTICATION
    assert len(bodies) == 1


async def test_a_reply_is_asked_for_again_with_more_room() -> None:
    def answer(body: Mapping[str, Any]) -> tuple[int, Any]:
        words = "One sentence. Two sent" if body["max_tokens"] < 160 else "One sentence. Two sentences."
        usage = {"prompt_tokens": 9, "completion_tokens": body["max_tokens"]}
        return 200, completion(words, usage=usage, finish_reason="length" if body["max_tokens"] < 160 else "stop")

    with answering(answer) as (base, bodies):
        reply = await call(make(base, max_tokens=40), truncation="again")
        with pytest.raises(CallFailed) as raised:
            await call(make(base, max_tokens=20), truncation="again")
        kept = await call(make(base, max_tokens=40), truncation="keep")

    assert reply.text == "One sentence. Two sentences."
    assert [body["max_tokens"] for body in bodies] == [40, 80, 160, 20, 40, 80, 40]
    assert raised.value.failure is FailureClass.TRUNCATED
    assert (kept.text, kept.truncated) == ("One sentence. Two sent", True)


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm", "openrouter", "deepseek"])
@pytest.mark.parametrize(
    "odd",
    [
        {"usage": {"prompt_tokens": -35, "completion_tokens": 1.5, "total_tokens": 1}},
        {"usage": {"prompt_tokens": 2**63, "completion_tokens": 3, "total_tokens": 3}},
        {"usage": {"prompt_tokens": "12", "completion_tokens": None}},
    ],
)
async def test_an_absurd_count_costs_neither_the_reply_nor_money(provider: str, odd: dict[str, Any]) -> None:
    prices = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.001}
    with answering(lambda body: (200, completion("B", **odd))) as (base, _):
        reply = await call(make(base, provider, **prices))

    assert reply.text == "B"
    assert (reply.prompt_tokens, reply.cost_usd) == (None, None)
    assert reply.notices


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
async def test_what_the_library_cannot_translate_is_read_all_the_same(provider: str) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "SECRET"}]}, {"type": "text", "text": "B"}]
    with answering(lambda body: (200, json.dumps(completion(parts, logprobs=top(("B", math.nan), ("A", -1.0)))))) as (
        base,
        _,
    ):
        reply = await make(base, provider).chat(ask(**LETTER))

    assert (reply.text, reply.thought, reply.choice_probs) == ("B", "SECRET", None)
