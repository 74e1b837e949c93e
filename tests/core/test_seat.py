"""What a seat can do: speak, think, fill, believe, decide; and the record each call leaves."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, Field
from staging import QUESTION, STATED, prompt, stage

from oversight import CallFailed, Episode, FailureClass, ProtocolError, Verdict
from oversight.core.chat import ChatReply
from oversight.core.message import Kind
from oversight.testing.scripted import Scripted, ScriptedModel


class Label(BaseModel):
    """A form."""

    step: int = Field(ge=1)
    why: str


def cast(*replies: Scripted, judge: ScriptedModel | None = None) -> tuple[ScriptedModel, ScriptedModel, Episode]:
    """A strong model with these replies, a judge's model, and their episode."""
    strong, judge = ScriptedModel(replies), judge or ScriptedModel()
    return strong, judge, stage(judge=judge, strong=strong)


async def test_speech_is_heard_by_everyone() -> None:
    _, judge, episode = cast("hear me")
    seats = [episode.seat("judge"), episode.seat("expert", role="strong")]
    await seats[1].speak("argue")
    await seats[0].decide()
    assert "hear me" in prompt(judge.requests[0])


async def test_speech_to_some_seats_is_heard_by_them_alone() -> None:
    strong, judge, episode = cast("psst")
    one = episode.seat("debater_a", role="strong", brief="debater")
    two = episode.seat("debater_b", role="strong", brief="debater")
    overseer = episode.seat("judge")
    await one.speak("argue", to=[overseer])
    await two.speak("argue")
    await overseer.decide()
    assert ("psst" in prompt(strong.requests[1]), "psst" in prompt(judge.requests[0])) == (False, True)


async def test_a_thought_stays_with_its_seat() -> None:
    strong, judge, episode = cast("a thought", "a speech")
    overseer, expert = episode.seat("judge"), episode.seat("expert", role="strong")
    await expert.think("note")
    await expert.speak("argue")
    await overseer.decide()
    assert ("a thought" in prompt(strong.requests[1]), "a thought" in prompt(judge.requests[0])) == (True, False)


async def test_a_belief_stays_with_its_seat() -> None:
    strong, _, episode = cast(judge=ScriptedModel(['{"A": 0.8, "B": 0.2, "abstain": false}'], belief="stated"))
    overseer, expert = episode.seat("judge"), episode.seat("expert", role="strong")
    await overseer.believe(turn=0)
    await expert.speak("argue")
    assert "0.8" not in prompt(strong.requests[0])


async def test_a_message_says_who_spoke_when_and_what() -> None:
    _, _, episode = cast("hear me")
    said = await episode.seat("expert", role="strong").speak("argue", turn=3)
    assert (said.author, said.kind, said.turn, said.text, said.audience) == ("expert", Kind.SPEECH, 3, "hear me", None)


async def test_a_request_fills_in_the_template() -> None:
    strong = ScriptedModel()
    episode = stage(strong=strong, templates={"argue": "{{ seat }}, turn {{ turn }}: {{ word }}!"})
    await episode.seat("expert", role="strong").speak("argue", turn=2, word="go")
    assert strong.requests[0].messages[-1].content == "expert, turn 2: go!"


async def test_a_request_that_lacks_a_value_is_a_protocol_error() -> None:
    episode = stage(strong=ScriptedModel(), templates={"argue": "{{ word }}"})
    with pytest.raises(ProtocolError, match="word"):
        await episode.seat("expert", role="strong").speak("argue")


async def test_a_protocol_error_costs_no_call() -> None:
    strong, _, episode = cast()
    with pytest.raises(ProtocolError, match="nowhere"):
        await episode.seat("expert", role="strong").speak("nowhere")
    assert strong.requests == []


# --- word limits


async def test_words_past_the_limit_are_cut() -> None:
    _, _, episode = cast("one two\nthree four five")
    said = await episode.seat("expert", role="strong").speak("argue", word_limit=3)
    assert (said.text, said.words_cut) == ("one two\nthree", 2)


async def test_a_reply_of_just_the_limit_is_kept_as_it_is() -> None:
    _, _, episode = cast("one two three \n")
    said = await episode.seat("expert", role="strong").speak("argue", word_limit=3)
    assert (said.text, said.words_cut) == ("one two three \n", 0)


async def test_others_read_the_cut_text() -> None:
    _, judge, episode = cast("one two three")
    overseer, expert = episode.seat("judge"), episode.seat("expert", role="strong")
    await expert.speak("argue", word_limit=2)
    await overseer.decide()
    assert "three" not in prompt(judge.requests[0])


async def test_the_speaker_too_reads_its_cut_text_later() -> None:
    strong, _, episode = cast("one two three")
    expert = episode.seat("expert", role="strong")
    await expert.speak("argue", word_limit=2)
    await expert.speak("argue")
    assert strong.requests[1].messages[-2].content == "one two"


async def test_a_quote_cut_in_two_is_no_quote() -> None:
    _, _, episode = cast("See <quote>the old mill</quote>")
    said = await episode.seat("expert", role="strong").speak("argue", word_limit=2)
    assert (said.text, said.quotes) == ("See <quote>the", ())


async def test_quotes_are_checked_against_the_questions_material() -> None:
    _, _, episode = cast("<quote>the old mill</quote> <quote>the new mill</quote>")
    said = await episode.seat("expert", role="strong").speak("argue")
    assert [quote.verified for quote in said.quotes] == [True, False]


# --- forms


async def test_a_form_comes_back_as_the_object_asked_for() -> None:
    _, _, episode = cast('Here: {"step": 2, "why": "it is"}')
    assert await episode.seat("expert", role="strong").fill("work", Label) == Label(step=2, why="it is")


async def test_a_form_that_does_not_fit_is_asked_for_again() -> None:
    _, _, episode = cast('{"step": 0, "why": "x"}', "no", '{"step": 1, "why": "y"}')
    assert (await episode.seat("expert", role="strong").fill("work", Label)).step == 1


async def test_a_form_that_does_not_fit_leaves_a_record_that_names_the_field() -> None:
    _, _, episode = cast('{"step": 0, "why": "x"}', '{"step": 1, "why": "y"}')
    await episode.seat("expert", role="strong").fill("work", Label)
    assert (episode.calls[0].detail or "").startswith("step: ")


async def test_a_form_that_never_fits_is_a_failure() -> None:
    _, _, episode = cast("no", "no", "no")
    with pytest.raises(CallFailed) as caught:
        await episode.seat("expert", role="strong").fill("work", Label)
    assert (caught.value.failure, len(episode.calls)) == (FailureClass.UNPARSABLE, 3)


async def test_a_form_with_an_absurdly_large_number_is_asked_for_again() -> None:
    _, _, episode = cast('{"step": 1' + "0" * 5000 + ', "why": "x"}', '{"step": 1, "why": "y"}')
    assert (await episode.seat("expert", role="strong").fill("work", Label)).why == "y"


async def test_the_forms_schema_is_sent_along() -> None:
    strong, _, episode = cast('{"step": 1, "why": "y"}')
    await episode.seat("expert", role="strong").fill("work", Label)
    assert strong.requests[0].json_schema == Label.model_json_schema()


async def test_a_form_stays_with_its_seat() -> None:
    _, judge, episode = cast('{"step": 1, "why": "secret"}')
    overseer, expert = episode.seat("judge"), episode.seat("expert", role="strong")
    await expert.fill("work", Label)
    await overseer.decide()
    assert "secret" not in prompt(judge.requests[0])


# --- beliefs and verdicts


async def test_a_verdict_holds_the_belief() -> None:
    episode = stage(judge=ScriptedModel([STATED], belief="stated"))
    verdict = await episode.seat("judge").decide()
    assert isinstance(verdict, Verdict)
    assert verdict.belief.probs == (0.8, 0.2)


async def test_beliefs_are_in_the_transcript_with_their_turn() -> None:
    episode = stage(judge=ScriptedModel())
    judge = episode.seat("judge")
    for turn in range(2):
        await judge.believe(turn=turn)
    await judge.decide()
    held = [(m.kind, m.turn) for m in episode.messages if m.belief is not None]
    assert held == [(Kind.BELIEF, 0), (Kind.BELIEF, 1), (Kind.VERDICT, None)]


async def test_a_judge_of_a_text_without_answers_is_refused_before_it_costs_anything() -> None:
    judge = ScriptedModel()
    episode = stage(judge=judge)
    with pytest.raises(ProtocolError):
        await episode.seat("judge", question="Is step 3 right?").decide()
    assert judge.requests == []


# --- call records


async def test_every_call_is_recorded_with_who_made_it_and_what_it_took() -> None:
    reply = ChatReply("x", model="m-1", provider="p", prompt_tokens=7, completion_tokens=3, cost_usd=0.5)
    _, _, episode = cast(reply)
    await episode.seat("expert", role="strong").speak("argue")
    (call,) = episode.calls
    assert (call.seat, call.role, call.model, call.resolved_model, call.provider) == (
        *("expert", "strong"),
        *("scripted", "m-1", "p"),
    )
    assert (call.prompt_tokens, call.completion_tokens, call.cost_usd) == (7, 3, 0.5)


async def test_each_calls_purpose_is_the_verb() -> None:
    strong = ScriptedModel(["x", "y", json.dumps({"step": 1, "why": "z"})])
    episode = stage(judge=ScriptedModel(), strong=strong)
    expert, judge = episode.seat("expert", role="strong"), episode.seat("judge")
    await expert.speak("argue")
    await expert.think("note")
    await expert.fill("work", Label)
    await judge.believe()
    await judge.decide()
    assert [call.purpose for call in episode.calls] == ["speak", "think", "fill", "believe", "decide"]


async def test_calls_are_numbered_from_zero() -> None:
    _, _, episode = cast()
    expert = episode.seat("expert", role="strong")
    for _ in range(3):
        await expert.speak("argue")
    assert [call.number for call in episode.calls] == [0, 1, 2]


async def test_a_retried_call_leaves_a_record_of_each_attempt() -> None:
    _, _, episode = cast(CallFailed(FailureClass.REFUSED, "no", 0.0), "well then")
    await episode.seat("expert", role="strong").speak("argue")
    assert [(call.attempt, call.failure, call.detail) for call in episode.calls] == [
        (0, "refused", "no"),
        (1, None, None),
    ]


async def test_a_failed_call_is_on_record_and_says_nothing() -> None:
    _, _, episode = cast(CallFailed(FailureClass.AUTHENTICATION, "no key"))
    with pytest.raises(CallFailed, match="no key"):
        await episode.seat("expert", role="strong").speak("argue")
    assert [call.failure for call in episode.calls] == ["authentication"]
    assert [message.kind for message in episode.messages] == [Kind.BRIEF]


async def test_a_message_names_its_call() -> None:
    _, _, episode = cast("x", "y")
    expert = episode.seat("expert", role="strong")
    await expert.speak("argue")
    assert (await expert.speak("argue")).call == 1


async def test_a_requests_seat_is_the_one_that_asks() -> None:
    strong, _, episode = cast()
    await episode.seat("expert", role="strong").speak("argue")
    assert strong.requests[0].seat == "expert"


async def test_the_last_message_of_a_prompt_is_the_request() -> None:
    strong, _, episode = cast()
    await episode.seat("expert", role="strong").speak("argue")
    assert strong.requests[0].messages[-1] == ("user", "Make your case.")


async def test_material_is_only_in_the_prompt_of_a_seat_that_sees_it() -> None:
    strong, judge, episode = cast()
    overseer, expert = episode.seat("judge"), episode.seat("expert", role="strong", sees_material=True)
    await expert.speak("argue")
    await overseer.decide()
    assert QUESTION.material is not None
    assert [QUESTION.material in prompt(model.requests[0]) for model in (strong, judge)] == [True, False]
