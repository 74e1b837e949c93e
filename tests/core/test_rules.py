"""Rules 2, 3 and 4 over every installed protocol, on questions and model text that try to break them."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from staging import QUESTION
from strategies import nasty_text, options_of, questions

from oversight import Protocol, Question
from oversight.core.outcome import EpisodeSpec
from oversight.plugins import find_plugin, installed
from oversight.testing.conformance import check_protocol
from oversight.util.digest import draw

PROTOCOLS = {name: find_plugin(Protocol, name).load(Protocol) for name in installed(Protocol)}

slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def test_the_built_in_protocols_are_installed() -> None:
    assert {"direct", "consultancy", "debate"} <= set(PROTOCOLS)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
@settings(slow, max_examples=20)
@given(data=st.data())
def test_no_protocol_leaks_or_forges_or_rewrites_whatever_models_and_questions_say(
    name: str, data: st.DataObject
) -> None:
    protocol = PROTOCOLS[name]
    check_protocol(
        protocol(data.draw(options_of(protocol), label="options")),
        data.draw(questions(), label="question"),
        hostile=data.draw(nasty_text, label="hostile"),
        seed=data.draw(st.integers(0, 9), label="seed"),
    )


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_protocol_conforms_with_the_sample_question(name: str) -> None:
    check_protocol(PROTOCOLS[name]())


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_protocol_explains_itself_and_its_options(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.name == name
    assert protocol.__doc__
    assert all(field.description for field in protocol.Options.model_fields.values())


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_the_sides_drawn_depend_on_the_generator_alone(name: str) -> None:
    protocol = PROTOCOLS[name]()
    once = protocol.assignments(QUESTION, random.Random(5))
    assert protocol.assignments(QUESTION, random.Random(5)) == once


@pytest.mark.parametrize("holder", [Question, EpisodeSpec])
def test_nothing_that_reaches_an_episode_has_a_place_for_the_gold_answer(holder: type) -> None:
    assert not {"gold", "correct", "target"} & set(holder.model_fields)


def test_a_draw_repeats_for_the_same_key() -> None:
    assert draw(0, "q1", "order").random() == draw(0, "q1", "order").random()


@pytest.mark.parametrize("other", [(1, "q1", "order"), (0, "q2", "order"), (0, "q1", "assignment")])
def test_draws_for_another_seed_question_or_purpose_are_unrelated(other: tuple[object, ...]) -> None:
    assert draw(*other).random() != draw(0, "q1", "order").random()
