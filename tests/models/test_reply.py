"""The one place that reads a reply: thought, probabilities, usage, and whether it is of use."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oversight.core.chat import ChatReply, ChatRequest
from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ModelSettings
from oversight.models.reply import check_reply, read_completion
from oversight.models.reply.thought import split_thought

from .answering import completion, top

SETTINGS = ModelSettings(model="m")
SPEECH = ChatRequest(())
LETTER = ChatRequest((), choices=("A", "B"))
HARMONY = "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>"

CLOSED = [
    "<think>{}</think>{}",
    "<think>\n{}\n</think>\n\n{}",
    "<thinking>{}</thinking>\n{}",
    "<thought>{}</thought>{}",
    "<reasoning>{}</reasoning>{}",
    "<seed:think>{}</seed:think>{}",
    "<THINK>{}</THINK>{}",
    '<think type="long">{}</think >{}',
    "[THINK]{}[/THINK]{}",
    "\u25c1think\u25b7{}\u25c1/think\u25b7{}",
    "<|START_THINKING|>{}<|END_THINKING|><|START_RESPONSE|>{}<|END_RESPONSE|>",
    "<|channel>thought\n{}<channel|>{}",
    "{}</think>{}",
    "  {}\n</reasoning>\n{}",
    HARMONY,
    "{}<|end|><|start|>assistant<|channel|>final<|message|>{}",
    "analysis{}assistantfinal{}",
    "<|start|>assistant<|channel|>commentary<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}",
    "Here is my thought process: {} Here is my response: {}",
]
OPEN = [
    "<think>{}",
    "<seed:think>{}",
    "[THINK]{}",
    "<|channel|>analysis<|message|>{}",
    "<think>one</think>\n<think>{}",
    "analysis{}",
]


@pytest.mark.parametrize("shape", CLOSED)
def test_a_thought_is_split_off_in_every_spelling(shape: str) -> None:
    split = split_thought(shape.format("They must lie about the log.", "The log names Ann."))

    assert (split.thought, split.text, split.closed) == ("They must lie about the log.", "The log names Ann.", True)


@pytest.mark.parametrize("shape", OPEN)
def test_a_thought_that_never_ends_leaves_no_speech(shape: str) -> None:
    reply = ChatReply(shape.format("They must lie, and say that"))

    with pytest.raises(CallFailed) as raised:
        check_reply(reply, SPEECH, SETTINGS)
    assert raised.value.failure is FailureClass.TRUNCATED
    assert raised.value.reply is not None
    assert raised.value.reply.text == ""
    assert "They must lie" in raised.value.reply.thought


@pytest.mark.parametrize(
    ("text", "thought", "said"),
    [
        ("<think>a</think>One.<think>b</think> Two.", "a\n\nb", "One. Two."),
        ("<think>it opens <think> again</think>Said.", "it opens <think> again", "Said."),
        ("<think>a</think>b</think>Said.", "a\n\nb", "Said."),
        ("Nothing hidden: 3 < 4, <b>bold</b> and a `</think>` only spoken of.", "", None),
        ("An analysis of the log shows it.", "", None),
        ("<thinker>no tag</thinker>", "", None),
    ],
)
def test_what_is_a_thought_and_what_only_looks_like_one(text: str, thought: str, said: str | None) -> None:
    assert split_thought(text)[:2] == (thought, text if said is None else said)


def test_a_setting_names_other_tags() -> None:
    settings = ModelSettings.model_validate({"model": "m", "thought_tags": ["plan", ["((", "))"]]})

    for text in ("<plan>lie</plan>Said.", "((lie))Said."):
        assert check_reply(ChatReply(text), SPEECH, ModelSettings(model="m")).text == text
        reply = check_reply(ChatReply(text), SPEECH, settings)
        assert (reply.thought, reply.text) == ("lie", "Said.")


WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Z"), exclude_characters="<>|[]`"), min_size=1)


@given(WORDS.filter(str.strip), WORDS.filter(str.strip), st.sampled_from(CLOSED[:16]))
def test_whatever_is_thought_and_said_nothing_of_the_thought_is_left_in_the_speech(
    thought: str, said: str, shape: str
) -> None:
    reply = check_reply(ChatReply(shape.format(f"{thought} CANARY {thought}", said)), SPEECH, SETTINGS)

    assert reply.text == said.strip()
    assert "CANARY" in reply.thought
    assert check_reply(reply, SPEECH, SETTINGS) == reply


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning_content": "SECRET"},
        {"reasoning": "SECRET"},
        {"reasoning": "SECRET", "reasoning_content": "SECRET"},
        {"provider_specific_fields": {"reasoning": "SECRET"}},
        {"reasoning_details": [{"type": "reasoning.text", "text": "SECRET"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "SECRET", "signature": "x"}]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "SECRET"}]},
                {"type": "text", "text": "B"},
            ]
        },
        {"content": [{"type": "reasoning", "text": "SECRET"}, "B"]},
    ],
)
def test_a_thought_in_a_field_is_no_speech_and_its_probabilities_are_not_trusted(message: dict[str, Any]) -> None:
    payload = completion("B", message=message, logprobs=top(("A", -0.1), ("B", -2.4)))
    found = read_completion(payload, ("A", "B"), probs=True)

    assert (found.reply.text, found.reply.thought) == ("B", "SECRET")
    assert found.reply.choice_probs is None
    assert found.reply.notices == ("token probabilities are not used: the model was thinking",)


def test_hidden_reasoning_tokens_are_a_thought_too() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 30, "completion_tokens_details": {"reasoning_tokens": 29}}
    found = read_completion(completion(usage=usage, logprobs=top(("A", -0.1), ("B", -2.4))), ("A", "B"), probs=True)

    assert found.reply.choice_probs is None


INF = math.inf


@pytest.mark.parametrize(
    ("entries", "probs"),
    [
        ([("A", 0.5), (" A", 0.2), ("(B", 0.1), ("C", 0.2)], (0.7, 0.1)),
        ([("A", 0.5), ("A", 0.25), ("B", 0.25)], (0.75, 0.25)),
        ([("A", 0.5), ("A", 0.5), ("B", 0.25)], (0.5, 0.25)),
        ([("\u0120A", 0.5), ("\u2581B", 0.25)], (0.5, 0.25)),
        ([("So", 0.6), ("A", 0.3), ("B", 0.1), ("a", 0.0)], (0.3, 0.1)),
        ([("Here", 0.6), ("A", 0.3), ("B", 0.1)], (0.3, 0.1)),
    ],
)
def test_token_probabilities_are_summed_by_text(entries: list[tuple[str, float]], probs: tuple[float, float]) -> None:
    logs = [(token, math.log(p) if p else -INF) for token, p in entries]
    found = read_completion(completion(logprobs=top(*logs)), ("A", "B"), probs=True)

    assert found.reply.choice_probs == pytest.approx({"A": probs[0], "B": probs[1]})
    assert check_reply(found.reply, LETTER, SETTINGS).choice_probs == found.reply.choice_probs


@pytest.mark.parametrize(
    "logprobs",
    [
        top(("A", math.nan), ("B", -1.0)),
        top(("x", math.nan), ("A", -1.0), ("B", -1.0)),
        top(("A", -0.1), ("B", -INF)),
        top(("A", INF), ("B", -1.0)),
        top(("A", None), ("B", -1.0)),
        top(("A", 0.7), ("B", 0.3)),
        top(("A", 0.0), ("B", 0.0)),
        top(("A", -0.05), ("B", -0.5)),
        top(("A", -0.1), ("So", -0.1), ("B", -9.0)),
        top(("A", -0.1)),
        top(("A", -0.1), ("A", -0.1)),
        top(("<think>", -0.4), ("A", -1.5), ("B", -2.5)),
        {"content": [{"token": "A", "logprob": -0.1}]},
        {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": []}]},
        {"content": []},
        {"content": None},
        {"content": ["A"]},
        "none",
        None,
    ],
)
def test_probabilities_that_cannot_be_are_none_and_the_record_says_why(logprobs: Any) -> None:
    found = read_completion(json.loads(json.dumps(completion(logprobs=logprobs))), ("A", "B"), probs=True)

    assert found.reply.choice_probs is None
    [notice] = found.reply.notices
    assert notice.startswith("token probabilities are not used: ")
    assert check_reply(found.reply, LETTER, SETTINGS).text == "B"


def test_the_older_form_of_log_probabilities_is_read() -> None:
    logprobs = {"tokens": ["A"], "token_logprobs": [-0.1], "top_logprobs": [{"A": math.log(0.5), "B": math.log(0.25)}]}
    found = read_completion(completion(logprobs=logprobs), ("A", "B"), probs=True)

    assert found.reply.choice_probs == pytest.approx({"A": 0.5, "B": 0.25})


@pytest.mark.parametrize("probs", [{"A": math.nan, "B": 0.5}, {"A": -0.1, "B": 0.5}, {"A": 0.8, "B": 0.8}])
def test_impossible_probabilities_of_any_model_are_none(probs: dict[str, float]) -> None:
    reply = check_reply(ChatReply("A", choice_probs=probs), LETTER, SETTINGS)

    assert reply.choice_probs is None
    assert reply.notices


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3}, (9, 3, 0)),
        ({"prompt_tokens": 9.0, "completion_tokens": 3}, (9, 3, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}, (9, 3, 4)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": None}, (9, 3, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}, (9, 3, 4)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 10}}, (9, 3, None)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": -1}}, (9, 3, None)),
        ({"prompt_tokens": -35, "completion_tokens": -1}, (None, None, 0)),
        ({"prompt_tokens": 9.5, "completion_tokens": 3}, (None, 3, 0)),
        ({"prompt_tokens": 2**53 + 1, "completion_tokens": 3}, (None, 3, 0)),
        ({"prompt_tokens": 2**63, "completion_tokens": 2**70}, (None, None, 0)),
        ({"prompt_tokens": 1e300, "completion_tokens": math.nan}, (None, None, 0)),
        ({"prompt_tokens": "9", "completion_tokens": True}, (None, None, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (None, None, 0)),
        ({"completion_tokens": 3}, (None, 3, 0)),
        ({}, (None, None, 0)),
        ([], (None, None, None)),
        ("none", (None, None, None)),
    ],
)
def test_counts_that_cannot_be_are_unknown_and_said(usage: Any, counts: tuple[int | None, ...]) -> None:
    payload = completion(usage=usage)
    payload["usage"] = usage
    reply = check_reply(read_completion(payload).reply, SPEECH, SETTINGS)

    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == counts
    assert any(notice.startswith("token usage is unknown: ") for notice in reply.notices) == (None in counts)


@pytest.mark.parametrize("prompt", [-35, 2**63, 7.5, math.nan])
@pytest.mark.parametrize("cost", [-0.04, 9e15])
def test_a_reply_on_record_with_absurd_counts_has_no_price(prompt: Any, cost: float) -> None:
    reply = check_reply(ChatReply("B", prompt_tokens=prompt, cost_usd=cost), SPEECH, SETTINGS)

    assert (reply.prompt_tokens, reply.cost_usd) == (None, None)


@pytest.mark.parametrize("cost", [-0.04, math.nan, math.inf])
def test_a_price_that_cannot_be_is_unknown(cost: float) -> None:
    assert check_reply(ChatReply("B", cost_usd=cost), SPEECH, SETTINGS).cost_usd is None


@pytest.mark.parametrize(
    ("reason", "failure"),
    [
        ("length", FailureClass.TRUNCATED),
        ("max_tokens", FailureClass.TRUNCATED),
        ("model_length", FailureClass.TRUNCATED),
        ("content_filter", FailureClass.CONTENT_FILTER),
        ("SAFETY", FailureClass.CONTENT_FILTER),
        ("error", FailureClass.SERVER_ERROR),
        ("abort", FailureClass.SERVER_ERROR),
        ("stop", None),
        ("eos", None),
        (None, None),
    ],
)
def test_why_a_reply_ended_decides_whether_it_is_of_use(reason: str | None, failure: FailureClass | None) -> None:
    found = read_completion(completion("One sentence. Half a", finish_reason=reason))
    if failure is None:
        assert check_reply(found.reply, SPEECH, SETTINGS).text == "One sentence. Half a"
        return
    with pytest.raises(CallFailed) as raised:
        check_reply(found.reply, SPEECH, SETTINGS)
    assert raised.value.failure is failure
    assert raised.value.reply is not None


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "error", "error": {"code": 502, "message": "upstream"}},
        {"finish_reason": "stop", "error": {"code": 502, "message": "upstream"}},
        {"finish_reason": "stop", "error": "upstream"},
        {"finish_reason": "stop", "provider_specific_fields": {"error": {"message": "upstream"}}},
    ],
)
def test_an_error_inside_a_choice_is_a_server_error(choice: dict[str, Any]) -> None:
    found = read_completion(completion("half a", **choice))

    assert found.failure is FailureClass.SERVER_ERROR
    assert "upstream" in found.detail


def test_a_kept_reply_is_marked_and_one_that_is_not_fails() -> None:
    cut = ChatReply("One sentence. Half a", finish_reason="length")

    assert check_reply(cut, SPEECH._replace(truncation="keep"), SETTINGS).truncated
    for policy in ("fail", "again"):
        with pytest.raises(CallFailed):
            check_reply(cut, SPEECH._replace(truncation=policy), SETTINGS)
    for nothing in ("", "Half", "<think>One sentence. Half a"):
        with pytest.raises(CallFailed):
            check_reply(cut._replace(text=nothing), SPEECH._replace(truncation="keep"), SETTINGS)
    assert not check_reply(cut._replace(text="B"), LETTER, SETTINGS).truncated


@pytest.mark.parametrize("payload", [{}, {"choices": None}, {"choices": []}, {"choices": ["x"]}, {"choices": 5}])
def test_a_response_without_a_message_is_malformed(payload: dict[str, Any]) -> None:
    with pytest.raises(CallFailed) as raised:
        read_completion(payload)
    assert raised.value.failure is FailureClass.MALFORMED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"message": st.fixed_dictionaries({}, optional={"content": JSON, "reasoning": JSON, "refusal": JSON}) | JSON},
        optional={"finish_reason": JSON, "logprobs": JSON | st.fixed_dictionaries({"content": JSON}), "error": JSON},
    )
    | JSON,
    JSON,
)
def test_no_response_however_odd_raises_anything_else(choice: Any, usage: Any) -> None:
    try:
        found = read_completion({"choices": [choice], "usage": usage, "model": usage}, ("A", "B"), probs=True)
        check_reply(found.reply, LETTER, SETTINGS)
    except CallFailed:
        pass
