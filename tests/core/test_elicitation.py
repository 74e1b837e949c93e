"""Reading beliefs: whichever way, what cannot be read is a failure and never an even split."""

from __future__ import annotations

import asyncio
import json
import re
import string
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from staging import QUESTION, STATED, THREE, prompt, stage

from oversight import Belief, BeliefSource, BeliefStatus, CallFailed, Episode, FailureClass, Question
from oversight.core.chat import ChatReply, ChatRequest
from oversight.core.elicitation import (
    MINIMUM_MASS,
    from_choices,
    from_samples,
    from_statement,
    instruction,
    without_instruction,
)
from oversight.testing.scripted import Scripted, ScriptedModel


def episode_of(*replies: Scripted, belief: str = "stated", question: Question = QUESTION) -> Episode:
    return stage(question, judge=ScriptedModel(replies, belief=belief, then="I will not say."))


async def decided(*replies: Scripted, belief: str = "stated", question: Question = QUESTION) -> Belief:
    return (await episode_of(*replies, belief=belief, question=question).seat("judge").decide()).belief


def chosen(**probs: float) -> ChatReply:
    return ChatReply(text=max(probs, key=lambda label: probs[label]), choice_probs=probs)


# --- token probabilities


async def test_token_probabilities_are_scaled_and_their_mass_is_kept() -> None:
    belief = await decided(chosen(A=0.6, B=0.2), belief="logprob")
    assert belief == Belief(probs=(0.6 / 0.8, 0.2 / 0.8), source=BeliefSource.LOGPROB, mass=0.6 + 0.2)


async def test_a_label_without_probability_gets_none() -> None:
    assert (await decided(chosen(A=0.9), belief="logprob")).probs == (1.0, 0.0)


async def test_probability_on_other_words_is_left_out() -> None:
    assert (await decided(chosen(A=0.3, B=0.1, The=0.6), belief="logprob")).probs == pytest.approx((0.75, 0.25))


async def test_next_to_no_mass_on_the_labels_is_asked_again_in_words() -> None:
    belief = await decided(chosen(A=0.02, B=0.01, The=0.9), STATED, belief="logprob")
    assert (belief.source, belief.probs) == (BeliefSource.STATED, (0.8, 0.2))


async def test_the_call_with_next_to_no_mass_is_on_record_under_a_class_of_its_own() -> None:
    episode = episode_of(chosen(A=0.02), STATED, belief="logprob")
    await episode.seat("judge").decide()
    assert [call.failure for call in episode.calls] == ["low_mass", None]


def test_the_least_mass_on_the_labels_is_enough() -> None:
    assert from_choices(chosen(A=MINIMUM_MASS, the=1 - MINIMUM_MASS), "AB").mass == MINIMUM_MASS


def test_less_than_the_least_mass_is_not() -> None:
    with pytest.raises(CallFailed, match="low_mass"):
        from_choices(chosen(A=MINIMUM_MASS - 0.001, the=0.9), "AB")


async def test_a_model_without_token_probabilities_is_asked_in_words() -> None:
    assert (await decided(ChatReply("A"), STATED, belief="logprob")).source is BeliefSource.STATED


async def test_that_a_model_gives_no_token_probabilities_is_remembered() -> None:
    judge = ScriptedModel([ChatReply("A"), STATED, STATED])
    for _ in range(2):
        await stage(judge=judge).seat("judge").decide()
    assert [bool(request.choices) for request in judge.requests] == [True, False, False]


async def test_only_the_request_that_was_answered_is_in_the_transcript() -> None:
    episode = episode_of(ChatReply("A"), STATED, belief="logprob")
    await episode.seat("judge").decide()
    assert [message.kind.value for message in episode.messages] == ["brief", "request", "verdict"]


# --- stated probabilities


@pytest.mark.parametrize(
    ("reply", "probs"),
    [
        ('{"A": 0.7, "B": 0.3}', (0.7, 0.3)),
        ('{"A": 70, "B": 30}', (0.7, 0.3)),
        ('{"A": 1, "B": 0}', (1.0, 0.0)),
        ('{"B": 0.3, "A": 0.7, "because": "x"}', (0.7, 0.3)),
        ('Sure!\n```json\n{"A": 0.7, "B": 0.3}\n```\nHope it helps.', (0.7, 0.3)),
        ('I weighed {this} and {that}: {"A": 0.7, "B": 0.3}', (0.7, 0.3)),
        ('{"A": 0.7, "B": 0.3, "why": {"A": 0.1, "B": 0.9}}', (0.7, 0.3)),
        ('{"why": {"A": 0.1, "B": 0.9}, "A": 0.7, "B": 0.3}', (0.7, 0.3)),
        ('{{"A": 0.7, "B": 0.3}}', (0.7, 0.3)),
        ('{"A": 0.7, "B": 0.3, "abstain": false}', (0.7, 0.3)),
        ('{"A": 0.7, "B": 0.3, "why": "a } brace"}', (0.7, 0.3)),
        ("{'A': 0.7, 'B': 0.3, 'why': 'a } brace', 'abstain': False}", (0.7, 0.3)),
        ('{"A": "0.7", "B": "0.3"}', (0.7, 0.3)),
        ('{"A": "70%", "B": "30 %"}', (0.7, 0.3)),
        ('{"A": 0.7, "B": 0.3, "abstain": null}', (0.7, 0.3)),
        ('{"A": 0.7, "B": 0.3, "abstain": "False"}', (0.7, 0.3)),
        ('{"A": 0.7, "B": 0.3, "A": 0.70}', (0.7, 0.3)),
        ('{"probabilities": {"A": 0.7, "B": 0.3}, "abstain": false}', (0.7, 0.3)),
    ],
)
async def test_stated_probabilities_are_read_whatever_stands_around_them(
    reply: str, probs: tuple[float, float]
) -> None:
    assert (await decided(reply)).probs == pytest.approx(probs)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "A is right.",
        "{}",
        "{A: 0.7, B: 0.3}",
        '{"A": 0.7}',
        '{"A": 0.7, "C": 0.3}',
        '{"A": true, "B": false}',
        '{"A": "about 0.7", "B": "0.3"}',
        '{"A": "0,7", "B": "0,3"}',
        '{"A": "-0.1", "B": "1.1"}',
        '{"A": "70%", "B": 30}',
        '{"A": 0.7, "A": 0.2, "B": 0.3}',
        "{'A': 0.7, 'A': 0.2, 'B': 0.3}",
        "{'A': nan, 'B': 1}",
        '{"A": 1e999, "B": 0}',
        '{"A": 0.7, "B": 0.3, "abstain": "perhaps"}',
        '{"A": 0.7, "B": 0.3, "abstain": 0}',
        '{"A": 0.9, "probabilities": {"A": 0.7, "B": 0.3}}',
        '{"first": {"A": 0.5, "B": 0.5}, "last": {"A": 0.7, "B": 0.3}}',
        '{"debater_a": {"A": 0.7, "B": 0.3}}',
        '{"A": null, "B": 1}',
        '{"A": 0.7, "B": 0.7}',
        '{"A": 0.1, "B": 0.1}',
        '{"A": 0, "B": 0}',
        '{"A": 7, "B": 3}',
        '{"A": -0.2, "B": 1.2}',
        '{"A": NaN, "B": 1}',
        '{"A": Infinity, "B": 1}',
        '[{"x": 1}, 0.7]',
        '{"abstain": "yes"}',
        '{"abstain": 1}',
        "{" * 5000,
    ],
)
def test_a_statement_that_is_no_distribution_is_unparsable(reply: str) -> None:
    with pytest.raises(CallFailed) as caught:
        from_statement(ChatReply(reply), "AB")
    assert caught.value.failure is FailureClass.UNPARSABLE


@pytest.mark.parametrize("digits", [400, 5000])
def test_an_absurdly_large_number_is_unparsable(digits: int) -> None:
    with pytest.raises(CallFailed):
        from_statement(ChatReply('{"A": 1' + "0" * digits + ', "B": 0}'), "AB")


def test_an_object_inside_a_malformed_one_is_not_taken_for_the_statement() -> None:
    with pytest.raises(CallFailed):
        from_statement(ChatReply('{"first guess": {"A": 0.5, "B": 0.5}, "A": 0.9, "B": 1/9}'), "AB")


async def test_a_sum_of_exactly_one_is_marked_ok() -> None:
    assert (await decided('{"A": 0.75, "B": 0.25}')).status is BeliefStatus.OK


async def test_a_sum_near_one_is_scaled_and_says_so() -> None:
    belief = await decided('{"A": 0.7, "B": 0.35}')
    assert (belief.status, belief.mass) == (BeliefStatus.RENORMALISED, pytest.approx(1.05))


@pytest.mark.parametrize("reply", ['{"abstain": true}', '{"abstain": "true"}', "{'abstain': True, 'A': None}"])
async def test_abstaining_is_a_belief_of_its_own(reply: str) -> None:
    belief = await decided(reply)
    assert belief == Belief(probs=None, source=BeliefSource.STATED, status=BeliefStatus.ABSTAINED)


async def test_an_abstention_wins_over_the_numbers_beside_it() -> None:
    assert (await decided('{"A": 0.5, "B": 0.5, "abstain": true}')).probs is None


async def test_with_three_answers_all_three_are_asked_for() -> None:
    belief = await decided('{"A": 0.7, "B": 0.3}', '{"A": 0.2, "B": 0.3, "C": 0.5}', question=THREE)
    assert belief.probs == (0.2, 0.3, 0.5)


async def test_the_request_shows_the_form_of_the_reply() -> None:
    judge = ScriptedModel([STATED], belief="stated")
    await stage(judge=judge).seat("judge").decide()
    (request,) = judge.requests
    assert '{"A": probability of A, "B": probability of B, "abstain": true or false}' in prompt(request)
    assert request.json_schema is not None
    assert request.json_schema["required"] == ["A", "B", "abstain"]


@pytest.mark.parametrize("labels", ["AB", "ABC", string.ascii_uppercase])
def test_a_judge_that_copies_the_form_says_nothing(labels: str) -> None:
    words = instruction(BeliefSource.STATED, labels)
    assert not re.search(r"\d", words.replace("to 1,", ""))
    for reply in (words, re.findall(r"\{.*\}", words)[0]):
        with pytest.raises(CallFailed, match="unparsable"):
            from_statement(ChatReply(reply), labels)


FORMER = (
    "Reply with one JSON object and nothing else: the probability that each answer is right, summing to 1, "
    'for example {"A": 0.333, "B": 0.333, "C": 0.333, "abstain": false}. Set abstain to true only if you cannot judge '
    "at all."
)


@pytest.mark.parametrize("added", [*(instruction(source, "ABC") for source in BeliefSource), FORMER])
def test_what_was_added_to_a_request_is_taken_off_in_its_present_and_former_wording(added: str) -> None:
    assert without_instruction(f"Decide now.\n\n{added}", "ABC") == "Decide now."


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_every_statement_is_read_as_stated_or_refused(weights: list[float]) -> None:
    labels = "ABCDE"[: len(weights)]
    try:
        belief = from_statement(ChatReply(json.dumps(dict(zip(labels, weights, strict=True)))), labels)
    except CallFailed:
        assert not 0.9 <= sum(weights) <= 1.1
    else:
        assert belief.probs == pytest.approx([w / sum(weights) for w in weights])


@given(st.text() | st.text(alphabet='{}[]"AB:,.019- etruabsin', max_size=60))
def test_any_text_is_read_or_unparsable(text: str) -> None:
    with suppress(CallFailed):
        assert isinstance(from_statement(ChatReply(text), "AB"), Belief)


# --- sampled labels


async def test_sampled_replies_are_counted() -> None:
    belief = await decided("A", "B.", "(A)", "Answer: A", "A", belief="sampled")
    assert belief == Belief(probs=(0.8, 0.2), source=BeliefSource.SAMPLED, mass=1.0)


async def test_a_sampled_reply_that_names_no_or_two_answers_counts_for_none() -> None:
    belief = await decided("A", "both A and B", "neither", "B", "B", belief="sampled")
    assert (belief.probs, belief.mass) == ((pytest.approx(1 / 3), pytest.approx(2 / 3)), 0.6)


async def test_samples_are_independent_draws() -> None:
    judge = ScriptedModel(["A"] * 5, belief="sampled")
    await stage(judge=judge).seat("judge").decide()
    assert len({request.sample for request in judge.requests}) == 5


async def test_the_samples_of_another_repeat_are_other_draws() -> None:
    first, second = (ScriptedModel(["A"] * 5, belief="sampled") for _ in range(2))
    await stage(judge=first).seat("judge").decide()
    await stage(judge=second, repeat=1).seat("judge").decide()
    assert not {r.sample for r in first.requests} & {r.sample for r in second.requests}


def test_samples_that_name_no_answer_are_unparsable() -> None:
    with pytest.raises(CallFailed, match="unparsable"):
        from_samples([ChatReply("neither"), ChatReply("A or B")], "AB")


def test_an_answer_after_its_letter_is_no_contradiction() -> None:
    belief = from_samples([ChatReply("A) No"), ChatReply("B) Yes"), ChatReply("B) No")], "AB", ["No", "Yes"])
    assert (belief.probs, belief.mass) == ((0.5, 0.5), pytest.approx(2 / 3))


def test_the_word_a_is_not_a_vote_for_answer_a() -> None:
    with pytest.raises(CallFailed, match="unparsable"):
        from_samples([ChatReply("A judge cannot tell."), ChatReply("A closer look is needed.")], "AB")


async def test_when_one_sample_fails_the_others_are_still_on_record() -> None:
    lost = CallFailed(FailureClass.AUTHENTICATION, "no")

    class Late(ScriptedModel):
        """Every reply but the failure takes a while."""

        async def chat(self, request: ChatRequest) -> ChatReply:
            if request.sample:
                await asyncio.sleep(0.01)
            return await super().chat(request)

    episode = stage(judge=Late([lost], belief="sampled", then="A"))
    with pytest.raises(CallFailed):
        await episode.seat("judge").decide()
    assert len(episode.calls) == 5


# --- nothing readable at all


@pytest.mark.parametrize("belief", ["stated", "logprob"])
async def test_three_unreadable_replies_are_a_failure(belief: str) -> None:
    with pytest.raises(CallFailed) as caught:
        await decided(belief=belief)
    assert caught.value.failure is FailureClass.UNPARSABLE


@pytest.mark.parametrize(("belief", "calls"), [("stated", 3), ("logprob", 4), ("sampled", 15)])
async def test_every_unreadable_reply_is_on_record_as_such(belief: str, calls: int) -> None:
    episode = episode_of(belief=belief)
    with pytest.raises(CallFailed):
        await episode.seat("judge").decide()
    assert [call.failure for call in episode.calls] == ["unparsable"] * calls


async def test_an_unreadable_replys_record_shows_how_it_begins() -> None:
    episode = episode_of(STATED[:9], STATED)
    await episode.seat("judge").decide()
    assert 'the reply begins: {"A": 0.8' in (episode.calls[0].detail or "")


async def test_each_attempt_at_a_decision_is_another_draw() -> None:
    judge = ScriptedModel(["no", "no", STATED], belief="stated")
    await stage(judge=judge).seat("judge").decide()
    assert [request.sample for request in judge.requests] == [0, 1, 2]


async def test_a_failure_of_another_kind_is_not_asked_again() -> None:
    episode = episode_of(CallFailed(FailureClass.CONTEXT_LENGTH, "too long"))
    with pytest.raises(CallFailed, match="context_length"):
        await episode.seat("judge").decide()
    assert len(episode.calls) == 1


# --- the belief itself


@pytest.mark.parametrize("probs", [(0.7, 0.7), (1.2, -0.2), (0.5,), (float("nan"), 1.0)])
def test_numbers_that_are_no_distribution_are_no_belief(probs: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        Belief(probs=probs, source=BeliefSource.STATED)


@pytest.mark.parametrize("status", [BeliefStatus.OK, BeliefStatus.RENORMALISED])
def test_only_an_abstention_has_no_probabilities(status: BeliefStatus) -> None:
    with pytest.raises(ValidationError):
        Belief(probs=None, source=BeliefSource.STATED, status=status)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=26))
def test_any_weights_become_a_distribution(weights: list[float]) -> None:
    assume(sum(weights) > 1e-300)
    belief = Belief.from_weights(weights, BeliefSource.LOGPROB)
    assert belief.probs is not None
    assert sum(belief.probs) == pytest.approx(1)


def test_token_probabilities_of_none_are_unparsable() -> None:
    with pytest.raises(CallFailed, match="unparsable"):
        from_choices(ChatReply("A", choice_probs=None), "AB")
