"""Replies of providers with shapes of their own, from recorded JSON through LiteLLM's translation."""

from __future__ import annotations

import math
from typing import Any

import pytest

from oversight.core.chat import ChatRequest
from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ModelSettings
from oversight.models.litellm.library import load_litellm, plain_payload
from oversight.models.litellm.litellm_model import LiteLLMModel
from oversight.models.reply import check_reply, read_completion

from .answering import answering
from .conftest import ask

LETTER: dict[str, Any] = {"choices": ("A", "B")}
ANTHROPIC = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": "SECRET plan", "signature": "sig"},
        {"type": "text", "text": "The log says Ann."},
    ],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "cache_read_input_tokens": 5, "output_tokens": 9},
}
GEMINI = {
    "candidates": [
        {
            "content": {"parts": [{"text": "SECRET plan", "thought": True}, {"text": "B"}], "role": "model"},
            "finishReason": "STOP",
            "index": 0,
            "logprobsResult": {
                "topCandidates": [
                    {"candidates": [{"token": "B", "logProbability": -0.1}, {"token": "A", "logProbability": -2.5}]}
                ],
                "chosenCandidates": [{"token": "B", "logProbability": -0.1}],
            },
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 7,
        "candidatesTokenCount": 1,
        "totalTokenCount": 20,
        "thoughtsTokenCount": 12,
    },
    "modelVersion": "gemini-2.5-flash",
}
SPOKEN = ChatRequest(ask().messages)


async def test_claudes_thinking_blocks_are_a_thought_and_its_limit_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    replies = [ANTHROPIC, {**ANTHROPIC, "stop_reason": "max_tokens"}, {**ANTHROPIC, "stop_reason": "refusal"}]
    with answering(lambda body: (200, replies.pop(0))) as (base, _):
        model = LiteLLMModel(LiteLLMModel.Settings(model="anthropic/claude-sonnet-4-5", api_base=base))
        reply = await model.chat(SPOKEN)
        failures = []
        for _ in range(2):
            with pytest.raises(CallFailed) as raised:
                await model.chat(SPOKEN)
            failures.append(raised.value.failure)

    assert (reply.text, reply.thought) == ("The log says Ann.", "SECRET plan")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == (17, 9, 5)
    assert reply.cost_usd is not None
    assert failures == [FailureClass.TRUNCATED, FailureClass.CONTENT_FILTER]


async def test_geminis_thought_parts_are_a_thought_and_its_probabilities_not_trusted_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    silent = {**GEMINI["candidates"][0], "content": {"parts": [{"text": "B"}], "role": "model"}}
    counts = {"promptTokenCount": 7, "candidatesTokenCount": 1, "totalTokenCount": 8}
    filtered = {**silent, "content": {"parts": [{"text": "B"}], "role": "model"}, "finishReason": "SAFETY"}
    replies = [
        {**GEMINI, "candidates": [silent], "usageMetadata": counts},
        GEMINI,
        {**GEMINI, "candidates": [filtered], "usageMetadata": counts},
    ]
    with answering(lambda body: (200, replies.pop(0))) as (base, _):
        # LiteLLM refuses to ask this model for alternatives unless told to.
        params = {"allowed_openai_params": ["logprobs", "top_logprobs"]}
        model = LiteLLMModel(LiteLLMModel.Settings(model="gemini/gemini-2.5-flash", api_base=base, params=params))
        sure = await model.chat(ask(**LETTER))
        thinking = await model.chat(ask(**LETTER))
        with pytest.raises(CallFailed) as raised:
            await model.chat(SPOKEN)

    assert sure.choice_probs == pytest.approx({"A": math.exp(-2.5), "B": math.exp(-0.1)})
    assert (thinking.text, thinking.thought, thinking.choice_probs) == ("B", "SECRET plan", None)
    assert raised.value.failure is FailureClass.CONTENT_FILTER


RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-5",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "SECRET plan"}]},
        {
            "type": "message",
            "id": "m1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "The log says Ann.", "annotations": []}],
        },
    ],
    "usage": {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 12},
        "total_tokens": 31,
    },
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "temperature": 1.0,
    "top_p": 1.0,
}


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_openais_responses_have_their_summary_as_a_thought_and_an_incomplete_one_is_truncated(status: str) -> None:
    litellm = load_litellm()
    from litellm.completion_extras.litellm_responses_transformation.transformation import (
        LiteLLMResponsesTransformationHandler,
    )
    from litellm.types.llms.openai import ResponsesAPIResponse

    why = {"reason": "max_output_tokens"} if status == "incomplete" else None
    raw = ResponsesAPIResponse(**{**RESPONSE, "status": status, "incomplete_details": why})
    translated = LiteLLMResponsesTransformationHandler().transform_response(
        model="gpt-5",
        raw_response=raw,
        model_response=litellm.ModelResponse(),
        logging_obj=None,
        request_data={},
        messages=[],
        optional_params={},
        litellm_params={},
        encoding=None,
    )
    reply = read_completion(plain_payload(translated)).reply

    assert (reply.text, reply.thought) == ("The log says Ann.", "SECRET plan")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == (11, 20, 3)
    if status == "incomplete":
        with pytest.raises(CallFailed) as raised:
            check_reply(reply, SPOKEN, ModelSettings(model="m"))
        assert raised.value.failure is FailureClass.TRUNCATED
    else:
        assert check_reply(reply, SPOKEN, ModelSettings(model="m")) == reply
