"""What is made of every reply shape that real servers send, over HTTP: read as it was meant, or failed by its class."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from core.staging import SOURCES, stage
from pydantic import BaseModel

from models.conftest import ask as request_for
from oversight.core.belief import Belief
from oversight.core.chat import CallRecord
from oversight.core.elicitation import statement_schema
from oversight.core.message import Kind, Message
from oversight.errors import CallFailed, FailureClass
from oversight.models.litellm.litellm_model import LiteLLMModel
from oversight.models.reply import ask
from oversight.testing.loopback import REFUSALS, SAME_CONTENT, SHAPES, Chaos, LoopbackServer, Reply, default_responder
from oversight.testing.shapes import ShapeRequest

CANARY = "PRIVATE-THOUGHT-"
WORDS = 50
TEMPLATES = {
    "argue": SOURCES["argue"] + "{% if word_limit %} Use at most {{ word_limit }} words.{% endif %}",
    "clerk": "You keep the books.",
    "work": 'Reply with one JSON object and nothing else, for example {"p_correct": 0.7}.',
}
BELIEF_OF = {ShapeRequest.BELIEF: "stated", ShapeRequest.LETTER: "sampled", ShapeRequest.PROBABILITIES: "logprob"}


class Form(BaseModel):
    """A form with a share in it."""

    p_correct: float


class Played(NamedTuple):
    """What came of one small episode."""

    public: list[str]
    belief: Belief
    form: Form
    messages: tuple[Message, ...]
    calls: list[CallRecord]
    model: LiteLLMModel


def make(server: LoopbackServer, **settings: Any) -> LiteLLMModel:
    told = {"model": "openai/gpt-4o-mini", "api_base": server.api_base, "timeout": 20, **settings}
    return LiteLLMModel(LiteLLMModel.Settings.model_validate(told))


async def play(server: LoopbackServer, belief: str, **settings: Any) -> Played:
    """Two speeches with a limit, one without, a form and a verdict, all of one model, through its seats."""
    model = make(server, belief=belief, belief_samples=1, **settings)
    episode = stage(judge=model, strong=model, templates=TEMPLATES)
    judge, debater = episode.seat("judge"), episode.seat("debater", role="strong")
    await debater.speak("argue", word_limit=WORDS)
    await judge.speak("ask")
    await debater.speak("argue", word_limit=WORDS)
    # A form stays in its seat's history as it was written, so a seat of its own fills it in.
    form = await episode.seat("clerk", role="judge").fill("work", Form)
    verdict = await judge.decide("note")
    public = [message.text for message in episode.messages if message.audience is None]
    return Played(public, verdict.belief, form, episode.messages, episode.calls, model)


async def play_in(name: str | None, belief: str, **settings: Any) -> Played:
    """Play on a server that writes every reply in that shape which it can be given to; nothing private may be sent."""
    with LoopbackServer(shape=name) as server:
        played = await play(server, belief, **settings)
        assert name is None or name in {each.shape for each in server.served}
        assert not any(CANARY in repr(body) for body in server.bodies), "a thought came back in a prompt"
    shown = [message for message in played.messages if message.kind is not Kind.REASONING]
    assert not any(CANARY in message.text for message in shown), "a thought is in a message that seats read"
    return played


PLAIN: dict[str, Played] = {}


async def play_plain(belief: str) -> Played:
    """The same on plain replies, once for each way of asking for a belief."""
    if belief not in PLAIN:
        PLAIN[belief] = await play_in(None, belief)
    return PLAIN[belief]


def settings_for(name: str) -> list[str]:
    """The ways of asking for a belief under which a shape is met."""
    shape = SHAPES[name]
    asked = [belief for kind, belief in BELIEF_OF.items() if kind in shape.asked]
    # Elsewhere the judge's own way makes no difference.
    return asked or ["stated"]


@pytest.mark.parametrize(("name", "belief"), [(name, way) for name in SAME_CONTENT for way in settings_for(name)])
async def test_what_a_shape_says_is_what_the_plain_reply_says(name: str, belief: str) -> None:
    plain, odd = await play_plain(belief), await play_in(name, belief)
    assert odd.public == plain.public
    assert odd.form == plain.form
    assert odd.belief.source == plain.belief.source
    assert odd.belief.probs == pytest.approx(plain.belief.probs, abs=1e-9)
    assert [call.failure for call in odd.calls] == [None] * len(plain.calls)
    if SHAPES[name].usage_unknown:
        for call in odd.calls:
            assert None in (call.prompt_tokens, call.completion_tokens, call.cached_tokens)
            assert call.cost_usd is None
            assert "usage" in str(call.notice)
    elif name != "usage_of_strings":
        assert all(call.prompt_tokens and call.cost_usd for call in odd.calls)


@pytest.mark.parametrize("name", [name for name in SAME_CONTENT if ShapeRequest.SPEECH in SHAPES[name].asked])
async def test_a_thought_is_kept_apart(name: str) -> None:
    thinks = not name.startswith("usage_") and name != "think_empty"
    odd = await play_in(name, "stated")
    thoughts = [message for message in odd.messages if message.kind is Kind.REASONING]
    assert bool(thoughts) == thinks
    for message in thoughts:
        assert CANARY in message.text
        assert message.audience == ()
        assert not message.readable_by(message.author)


@pytest.mark.parametrize("name", [name for name in SAME_CONTENT if name.startswith("length_")])
async def test_speech_that_met_a_token_limit_is_marked_as_cut(name: str) -> None:
    odd = await play_in(name, "stated")
    cut = [message.truncated for message in odd.messages if message.kind is Kind.SPEECH]
    assert cut == [True, False, True], "only what has a word limit is kept"


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.falls_back])
async def test_without_probabilities_to_trust_the_belief_is_stated(name: str) -> None:
    plain, odd = await play_plain("stated"), await play_in(name, "logprob")
    assert odd.belief.source == "stated"
    assert odd.belief.probs == pytest.approx(plain.belief.probs, abs=1e-9)
    assert (odd.public, odd.form) == (plain.public, plain.form)
    [first] = [call for call in odd.calls if call.purpose == "decide"][:1]
    assert first.failure == ("low_mass" if name == "tokens_of_other_words" else "unparsable")
    assert "probabilit" in f"{first.detail} {first.notice}", "the record says why"


REQUESTS: Mapping[ShapeRequest, dict[str, Any]] = {
    ShapeRequest.SPEECH: {"text": "Speak."},
    ShapeRequest.LIMITED_SPEECH: {
        "text": f"Speak. Use at most {WORDS} words.",
        "word_limit": WORDS,
        "truncation": "keep",
    },
    ShapeRequest.LETTER: {"text": "Reply with the letter of one answer and nothing else: A, B."},
    ShapeRequest.PROBABILITIES: {
        "text": "Reply with the letter of one answer and nothing else: A, B.",
        "choices": ("A", "B"),
    },
    ShapeRequest.BELIEF: {"text": "State.", "json_schema": statement_schema(["A", "B"])},
    ShapeRequest.FORM: {"text": "Fill.", "json_schema": Form.model_json_schema()},
}
USELESS = [
    (name, asked)
    for name, shape in SHAPES.items()
    for asked in ShapeRequest
    if asked in shape.asked and shape.failure not in (None, FailureClass.UNPARSABLE)
]


@pytest.mark.parametrize(("name", "asked"), USELESS)
async def test_a_reply_of_no_use_fails_by_its_class(name: str, asked: ShapeRequest) -> None:
    with LoopbackServer(shape=name) as server:
        with pytest.raises(CallFailed) as failed:
            await ask(make(server), request_for(**REQUESTS[asked]))
        assert server.served[0].shape == name
    assert failed.value.failure is SHAPES[name].failure
    assert CANARY not in failed.value.message
    assert failed.value.reply is None or CANARY not in failed.value.reply.text


UNPARSABLE = [(name, shape) for name, shape in SHAPES.items() if shape.failure is FailureClass.UNPARSABLE]


@pytest.mark.parametrize("name", [name for name, _ in UNPARSABLE])
async def test_what_cannot_be_read_is_asked_for_again_and_never_becomes_a_belief(name: str) -> None:
    [belief] = settings_for(name)
    with LoopbackServer(shape=name) as server, pytest.raises(CallFailed) as failed:
        await play(server, belief)
    assert failed.value.failure is FailureClass.UNPARSABLE
    assert [each.shape for each in server.served].count(name) == 3


class Once:
    """Answers as usual, on a server that writes only the first reply to which it can be given in its shape."""

    def __init__(self, name: str) -> None:
        self.server = LoopbackServer(self, shape=name)
        self.name = name

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        if any(each.shape == self.name for each in self.server.served):
            self.server.chaos = Chaos()
        return default_responder(body)


async def test_a_reply_of_no_use_is_asked_for_again() -> None:
    """All at once, because a call is made again after a pause."""

    async def played(name: str, belief: str) -> tuple[str, list[str], Any, list[str | None]]:
        once = Once(name)
        with once.server as server:
            odd = await play(server, belief)
        failures = [call.failure for call in odd.calls if call.failure]
        assert failures == [str(SHAPES[name].failure)], name
        return name, odd.public, odd.belief.probs, [each.shape for each in server.served if each.shape]

    # A token limit that is met without a word limit is met by the judge's question, whichever belief it holds.
    ways = [(name, way) for name, shape in SHAPES.items() if shape.failure for way in settings_for(name)[:1]]
    plain = {way: await play_plain(way) for way in {way for _, way in ways}}
    for (name, way), odd in zip(ways, await asyncio.gather(*(played(*each) for each in ways)), strict=True):
        assert odd == (name, plain[way].public, pytest.approx(plain[way].belief.probs), [name])


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_a_server_refuses_is_left_out_and_all_else_is_answered(name: str) -> None:
    """A refusal is no word about the key, and costs no probabilities that the server does give."""
    limit = {"max_completion_tokens" if name.startswith("max_completion") else "max_tokens": 200}
    with LoopbackServer(refuses=[name]) as server:
        odd = await play(server, "logprob", **(limit if name.startswith("max_") else {}))
        refused = [each.refusal for each in server.served]
        again = await play_again(odd.model)
        assert not any(each.refusal for each in server.served[len(refused) :]), "it is not asked for any more"
    plain = await play_plain("stated" if name.startswith("logprobs") else "logprob")
    assert odd.public == plain.public
    assert odd.form == plain.form
    assert odd.belief.source == plain.belief.source == again.source
    assert odd.belief.probs == pytest.approx(plain.belief.probs, abs=1e-9)


async def play_again(model: LiteLLMModel) -> Belief:
    """A verdict on what the model was found to take."""
    episode = stage(judge=model)
    belief: Belief = (await episode.seat("judge").decide("note")).belief
    return belief
