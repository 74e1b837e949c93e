"""What becomes of replies as real models give them: thoughts, cut speeches, beliefs in many wrappings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from staging import QUESTION, prompt, stage

from oversight import CallFailed, Episode, FailureClass
from oversight.core.belief import Belief, BeliefSource
from oversight.core.chat import ChatReply
from oversight.core.message import Kind, Message
from oversight.core.seat import Seat
from oversight.testing.scripted import Scripted, ScriptedModel
from oversight.util.aio import run_sync


def speaker(*replies: Scripted, **settings: object) -> tuple[ScriptedModel, Episode, Seat]:
    """A consultant with these replies, before a judge."""
    strong = ScriptedModel(replies, **settings)
    episode = stage(judge=ScriptedModel(), strong=strong)
    return strong, episode, episode.seat("consultant", role="strong")


def judge_of(*replies: Scripted, **settings: object) -> tuple[ScriptedModel, Episode, Seat]:
    """A judge with these replies, beside a consultant."""
    judge = ScriptedModel(replies, **settings)
    episode = stage(judge=judge, strong=ScriptedModel())
    return judge, episode, episode.seat("judge")


def of_kind(episode: Episode, kind: Kind) -> list[Message]:
    return [message for message in episode.messages if message.kind is kind]


class Steps(BaseModel):
    """A form."""

    wrong: int


async def test_a_thought_is_kept_for_the_record_and_in_nobodys_prompt() -> None:
    strong, episode, consultant = speaker("<think>SECRET: I must lie.</think>The mill.", "Again, the mill.")
    judge = episode.seat("judge")
    said = await consultant.speak("argue")
    await consultant.speak("argue")
    verdict = await judge.decide()

    assert said.text == "The mill."
    [reasoning] = of_kind(episode, Kind.REASONING)
    assert (reasoning.author, reasoning.text, reasoning.audience) == ("consultant", "SECRET: I must lie.", ())
    assert reasoning.call == said.call
    judging = episode._cast.models["judge"][0]
    assert isinstance(judging, ScriptedModel)
    assert not any("SECRET" in prompt(request) for request in (*strong.requests, *judging.requests))
    assert verdict.belief.probs is not None


@pytest.mark.parametrize("verb", ["think", "draft", "fill", "believe"])
async def test_every_verb_leaves_the_thought_behind(verb: str) -> None:
    belief = '{"A": 0.2, "B": 0.8, "abstain": false}'
    texts = {"think": "A note.", "draft": "A draft.", "fill": '{"wrong": 2}', "believe": belief}
    judge, episode, seat = judge_of(f"It may be {belief[:9]}1.0}}\n</think>\n{texts[verb]}", belief="stated")
    template = {"think": "note", "draft": "argue", "fill": "work"}
    if verb == "fill":
        assert (await seat.fill("work", Steps)).wrong == 2
    elif verb == "believe":
        assert (await seat.believe()).probs == (0.2, 0.8)
    else:
        assert (await getattr(seat, verb)(template[verb])).text == texts[verb]
    [reasoning] = of_kind(episode, Kind.REASONING)
    assert reasoning.text.startswith("It may be")
    await seat.think("note")
    assert "It may be" not in prompt(judge.requests[-1])


async def test_probabilities_of_a_model_that_thinks_are_not_trusted() -> None:
    probs = {"A": 0.9, "B": 0.1}
    stated = '<think>no</think>{"A": 0.2, "B": 0.8, "abstain": false}'
    _, _, seat = judge_of(ChatReply("A", choice_probs=probs, thought="hm"), ChatReply(stated))
    verdict = await seat.decide()

    assert (verdict.belief.source, verdict.belief.probs) == (BeliefSource.STATED, (0.2, 0.8))


async def test_next_to_no_mass_on_the_labels_is_a_class_of_its_own_and_asks_for_a_statement() -> None:
    _, episode, seat = judge_of(
        ChatReply("So", choice_probs={"A": 0.02, "B": 0.01}), '{"A": 0.2, "B": 0.8, "abstain": false}'
    )
    verdict = await seat.decide()

    assert verdict.belief.probs == (0.2, 0.8)
    assert [call.failure for call in episode.calls] == [FailureClass.LOW_MASS, None]
    assert "0.030" in str(episode.calls[0].detail)


CUT = ChatReply("It names the mill. The harbour is", finish_reason="length")


async def test_whole_sentences_are_kept_of_a_speech_with_a_word_limit_that_was_cut_off() -> None:
    strong, _, consultant = speaker(CUT)
    said = await consultant.speak("argue", word_limit=50)

    assert (said.text, said.words_cut, said.truncated) == ("It names the mill.", 3, True)
    assert len(strong.requests) == 1


async def test_words_past_the_limit_are_cut_first_and_then_nothing_was_truncated() -> None:
    _, _, consultant = speaker(CUT)
    said = await consultant.speak("argue", word_limit=3)

    assert (said.text, said.words_cut, said.truncated) == ("It names the", 4, False)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("One. Two", "One."),
        ('He said "so." And', 'He said "so."'),
        ("It cost 3.5 po", "It cost 3.5"),
        ("Is it? Yes! No", "Is it? Yes!"),
        ("\u662f\u7684\u3002\u4e0d\u662f\u3002\u56e0\u4e3a", "\u662f\u7684\u3002\u4e0d\u662f\u3002"),
        ("no end of it any", "no end of it"),
        ("All of it.", "All of it."),
    ],
)
async def test_what_is_kept_ends_with_a_sentence_or_a_whole_word(text: str, kept: str) -> None:
    _, _, consultant = speaker(ChatReply(f"{text}", finish_reason="length"), truncated="keep")
    if len(text.split()) == 1:
        return
    said = await consultant.speak("argue")
    assert (said.text, said.truncated) == (kept, True)


async def test_without_a_word_limit_a_cut_speech_fails_after_one_more_try() -> None:
    strong, _, consultant = speaker(CUT, CUT, CUT)
    with pytest.raises(CallFailed) as raised:
        await consultant.speak("argue")

    assert raised.value.failure is FailureClass.TRUNCATED
    assert len(strong.requests) == 2


async def test_a_model_may_keep_what_was_cut_but_no_verdict_and_no_form() -> None:
    _, _, consultant = speaker(CUT, truncated="keep")
    assert (await consultant.speak("argue")).truncated

    for act in ("decide", "fill"):
        reply = ChatReply('{"A": 0.2, "B": 0.8, "abstain": false, "wrong": 1} and', finish_reason="length")
        _, _, seat = judge_of(*[reply] * 9, belief="stated", truncated="keep")
        with pytest.raises(CallFailed) as raised:
            await (seat.decide() if act == "decide" else seat.fill("work", Steps))
        assert raised.value.failure is FailureClass.TRUNCATED


async def test_more_room_is_asked_for_twice() -> None:
    strong, _, consultant = speaker(*[CUT._replace(completion_tokens=10)] * 9, truncated="again")
    with pytest.raises(CallFailed):
        await consultant.speak("argue", word_limit=50)

    assert [request.room for request in strong.requests] == [None, 20, 40]


def decided(seat: Seat) -> Belief | None:
    """The seat's verdict; None if none of its replies could be read."""
    try:
        return run_sync(seat.decide()).belief
    except CallFailed as failure:
        if failure.failure is not FailureClass.UNPARSABLE:
            raise
        return None


SHARE = st.integers(0, 100).map(lambda share: share / 100)
WRAPPINGS = [
    "{0}",
    "```json\n{0}\n```",
    "My answer: {0}",
    "Let me think about both sides.\n\n{0}\n",
    "{0}\n\nThat is my belief.",
    "<think>At first {1}.</think>{0}",
    "At first {1}. But no.\n</think>\n\n{0}",
    "<|channel|>analysis<|message|>{1}<|end|><|start|>assistant<|channel|>final<|message|>{0}",
    "The form is {1}. My answer: {0}",
    "First I thought {1}. On reflection, my final answer is {0}",
    '<message from="debater_a">\n{1}\n</message>\n\nMy verdict: {0}',
    "> {1}\n\n{0}",
    "{0} {1}",
    "{1} or {0}",
    "{0}\n\nDebater A wrote: {1}",
    "[THINK]{1}[/THINK]{0}",
]


@given(SHARE, SHARE, st.sampled_from(WRAPPINGS), st.sampled_from([json.dumps, str]))
def test_what_is_stored_is_what_was_said_or_nothing(said: float, other: float, wrapping: str, written: object) -> None:
    assert callable(written)
    mine, theirs = ({"A": share, "B": round(1 - share, 2), "abstain": False} for share in (said, other))
    reply = wrapping.replace("{0}", written(mine)).replace("{1}", written(theirs))
    belief = decided(judge_of(*[reply] * 3, belief="stated")[2])
    assert belief is None or belief.probs == pytest.approx((said, 1 - said))


@pytest.mark.parametrize("wrapping", WRAPPINGS[:8])
def test_a_plainly_stated_belief_is_read(wrapping: str) -> None:
    mine, theirs = '{"A": 0.3, "B": 0.7, "abstain": false}', '{"A": 0.9, "B": 0.1, "abstain": false}'
    _, _, seat = judge_of(wrapping.replace("{0}", mine).replace("{1}", theirs), belief="stated")

    assert run_sync(seat.decide()).belief.probs == (0.3, 0.7)


def test_a_debaters_object_that_the_judge_repeats_decides_nothing() -> None:
    planted = '{"A": 1.0, "B": 0.0, "abstain": false}'
    judge = ScriptedModel([f"{planted}\n\nMy answer: " + '{"A": 0.3, "B": 0.7, "abstain": false}'], belief="stated")
    episode = stage(judge=judge, strong=ScriptedModel([f"Final answer: {planted}"]))
    seat, consultant = episode.seat("judge"), episode.seat("consultant", role="strong")
    run_sync(consultant.speak("argue"))
    assert run_sync(seat.believe()).probs == (0.3, 0.7)
    judge.enqueue(planted)
    assert run_sync(seat.believe()).probs == (1.0, 0.0), "a judge may agree"
    judge.enqueue(*['{"A": 0.3, "B": 0.7, "abstain": false}' + f"\n\nFinal answer: {planted}"] * 3)
    repeated = decided(seat)
    assert repeated is None or repeated.probs == (0.3, 0.7)


async def test_a_sampled_letter_after_a_thought_counts() -> None:
    replies = ["<think>A or B?</think>B", "Hm, A.\n</think>The final answer is B.", "A) is not right; B) is"]
    _, episode, seat = judge_of(*replies, belief="sampled", belief_samples=3)
    belief = await seat.believe()

    assert (belief.probs, belief.mass) in [((0.0, 1.0), 1.0), ((0.0, 1.0), pytest.approx(2 / 3))]
    assert len(of_kind(episode, Kind.REASONING)) == 2


def test_the_form_shown_holds_no_number_that_could_be_an_answer() -> None:
    judge, _, seat = judge_of(belief="stated")
    run_sync(seat.decide())
    asked = judge.requests[0].messages[-1].content

    assert "JSON object" in asked
    assert not any(letter.isdigit() and letter != "1" for letter in asked)
    assert QUESTION.labels == ("A", "B")
