"""LiteLLM's adapter over real HTTP: what is sent, and what is read."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import BaseModel, ConfigDict

from oversight.errors import CallFailed, FailureClass
from oversight.testing.loopback import Fault, LoopbackServer, Reply

from .conftest import Make, ask

ASK_LETTER = "Which is right?\nA) the first\nB) the second\nAnswer with one letter."


async def test_a_reply_holds_all_that_a_call_record_needs(server: LoopbackServer, make: Make) -> None:
    server.responder = lambda body: Reply("It is the first answer.", cached_tokens=3)
    reply = await make(temperature=0.8, max_tokens=50).chat(ask("one two three"))

    assert reply.text == "It is the first answer."
    assert (reply.finish_reason, reply.model, reply.provider) == ("stop", "gpt-4o-mini", "openai")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == (5, 5, 3)
    assert reply.choice_probs is None
    assert reply.cost_usd is not None
    assert 0 < reply.cost_usd < 1e-4
    assert 0 < reply.latency_s < 60
    [body] = server.bodies
    assert body == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "You judge."}, {"role": "user", "content": "one two three"}],
        "temperature": 0.8,
        "max_tokens": 50,
    }
    assert server.received[0].headers["authorization"] == "Bearer not-needed"


@pytest.mark.parametrize("model", ["openai/nobody-priced-this", "hosted_vllm/nobody-priced-this"])
async def test_an_unknown_price_is_none_and_a_stated_one_counts(make: Make, model: str) -> None:
    assert (await make(model).chat(ask("a b c"))).cost_usd is None
    priced = await make(model, input_cost_per_token=1e-3, output_cost_per_token=1e-2).chat(ask("a b c"))
    assert priced.cost_usd == pytest.approx(priced.prompt_tokens * 1e-3 + priced.completion_tokens * 1e-2)


async def test_settings_reach_the_provider(server: LoopbackServer, make: Make) -> None:
    model = make(
        top_p=0.9,
        stop=["END"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        extra_body={"min_p": 0.05},
        extra_headers={"X-Title": "oversight"},
        params={"user": "u1", "logit_bias": {"50256": -100}},
    )
    await model.chat(ask())
    await model.chat(ask(sample=2))
    first, second = server.bodies
    assert first["seed"] == 7
    assert second["seed"] == 9, "another sample of the same prompt is an independent draw"
    sent = {"top_p": 0.9, "stop": ["END"], "presence_penalty": 0.1, "min_p": 0.05, "user": "u1"}
    assert sent.items() <= first.items()
    assert first["logit_bias"] == {"50256": -100}
    assert server.received[0].headers["x-title"] == "oversight"


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "hosted_vllm/qwen"])
async def test_a_belief_sums_the_variants_of_each_choice(server: LoopbackServer, make: Make, model: str) -> None:
    tokens = {"A": 0.4, " A": 0.2, "(A": 0.1, "B": 0.1, '"B."': 0.05, "▁B": 0.02, "a": 0.03, "Answer": 0.01}
    server.responder = lambda body: Reply("A", "length", first_token=tokens)
    reply = await make(model).chat(ask(ASK_LETTER, choices=("A", "B", "C")))
    assert reply.choice_probs == pytest.approx({"A": 0.7, "B": 0.17, "C": 0.0})
    [body] = server.bodies
    assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, 20, 1)


async def test_the_users_token_limit_stands(server: LoopbackServer, make: Make) -> None:
    reply = await make(max_completion_tokens=200).chat(ask(ASK_LETTER, choices=("A", "B")))
    assert reply.choice_probs is not None
    assert "max_tokens" not in server.bodies[0]
    assert server.bodies[0]["max_completion_tokens"] == 200


async def test_no_probabilities_are_asked_for_where_beliefs_are_sampled(server: LoopbackServer, make: Make) -> None:
    model = make(belief="sampled")
    await model.chat(ask(ASK_LETTER, choices=("A", "B")))
    assert not model.gives_probabilities
    assert not {"logprobs", "top_logprobs", "max_tokens"} & server.bodies[0].keys()


async def test_a_model_that_rejects_logprobs_is_asked_once(server: LoopbackServer, make: Make) -> None:
    server.unsupported = ("logprobs",)
    model = make()
    first = await model.chat(ask(ASK_LETTER, choices=("A", "B")))
    second = await model.chat(ask(ASK_LETTER, choices=("A", "B")))
    assert first.choice_probs is None
    assert second.choice_probs is None
    assert not model.gives_probabilities
    assert ["logprobs" in body for body in server.bodies] == [True, False, False]
    assert not any("max_tokens" in body for body in server.bodies[1:]), "the one-token limit went with them"


async def test_a_model_that_litellm_knows_to_lack_logprobs_falls_back(server: LoopbackServer, make: Make) -> None:
    reply = await make("openai/o3-mini").chat(ask(ASK_LETTER, choices=("A", "B")))
    assert reply.choice_probs is None
    assert ["logprobs" in body for body in server.bodies] == [False], "LiteLLM refused before sending"


async def test_fewer_logprobs_are_asked_for_where_twenty_are_too_many(server: LoopbackServer, make: Make) -> None:
    server.faults.append(Fault.error(400, "Requested logprobs of 20, which is greater than max allowed: 5"))
    reply = await make().chat(ask(ASK_LETTER, choices=("A", "B")))
    assert reply.choice_probs is not None
    assert [body["top_logprobs"] for body in server.bodies] == [20, 5]


async def test_many_calls_at_once_learn_the_same(server: LoopbackServer, make: Make) -> None:
    server.unsupported = ("logprobs",)
    model = make()
    replies = await asyncio.gather(*(model.chat(ask(ASK_LETTER, choices=("A", "B"))) for _ in range(8)))
    assert all(reply.choice_probs is None for reply in replies)
    assert len(server.received) <= 16


async def test_a_cut_chain_of_thought_is_blank_once_and_then_runs_free(server: LoopbackServer, make: Make) -> None:
    server.responder = lambda body: Reply("", "length") if body.get("max_tokens") == 1 else Reply("A")
    model = make()
    with pytest.raises(CallFailed) as caught:
        await model.chat(ask(ASK_LETTER, choices=("A", "B")))
    assert caught.value.failure is FailureClass.BLANK
    assert caught.value.failure.transient
    assert (await model.chat(ask(ASK_LETTER, choices=("A", "B")))).text == "A"


@pytest.mark.parametrize("fault", [Fault.blank(), Fault.refusal(), Fault.content_filter(), Fault.no_choices()])
async def test_a_reply_of_no_use_does_not_teach_that_there_are_no_probabilities(
    server: LoopbackServer, make: Make, fault: Fault
) -> None:
    """One refusal would else switch a judge to stated beliefs for the rest of the run."""
    model = make()
    server.faults.append(fault)
    with pytest.raises(CallFailed):
        await model.chat(ask(ASK_LETTER, choices=("A", "B")))
    assert model.gives_probabilities
    assert (await model.chat(ask(ASK_LETTER, choices=("A", "B")))).choice_probs is not None


async def test_a_first_token_of_thought_is_no_belief(server: LoopbackServer, make: Make) -> None:
    server.responder = lambda body: Reply("<think>", "length", first_token={"<think>": 0.99, "A": 0.01})
    model = make()
    with pytest.raises(CallFailed) as caught:
        await model.chat(ask(ASK_LETTER, choices=("A", "B")))
    assert caught.value.failure is FailureClass.BLANK
    assert not model.gives_probabilities


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    verdict: str
    steps: list[int]


class Open(BaseModel):
    verdict: str = "A"


@pytest.mark.parametrize(("form", "strict"), [(Closed, True), (Open, False)])
async def test_a_schema_is_sent_strict_where_strict_is_valid(
    server: LoopbackServer, make: Make, form: type[BaseModel], strict: bool
) -> None:
    reply = await make().chat(ask(json_schema=form.model_json_schema()))
    form.model_validate_json(reply.text)
    sent = server.bodies[0]["response_format"]["json_schema"]
    assert sent["schema"] == form.model_json_schema()
    assert sent["strict"] is strict


async def test_a_model_that_rejects_schemas_is_asked_once(server: LoopbackServer, make: Make) -> None:
    server.unsupported = ("response_format",)
    server.responder = lambda body: json.dumps({"verdict": "A"})
    model = make()
    for _ in range(2):
        reply = await model.chat(ask(json_schema=Open.model_json_schema()))
        assert Open.model_validate_json(reply.text).verdict == "A"
    assert ["response_format" in body for body in server.bodies] == [True, False, False]


async def test_a_rejected_setting_of_the_users_is_an_invalid_request(server: LoopbackServer, make: Make) -> None:
    with pytest.raises(CallFailed) as caught:
        await make("openai/gpt-5", temperature=0.3).chat(ask())
    assert caught.value.failure is FailureClass.INVALID_REQUEST
    assert "temperature" in caught.value.message
    assert server.received == []


async def test_one_instance_serves_many_at_once(server: LoopbackServer, make: Make) -> None:
    model = make()
    replies = await asyncio.gather(*(model.chat(ask(f"question {n}")) for n in range(32)))
    assert len({reply.text for reply in replies}) == 32, "each has its own"
    assert len(server.received) == 32
