"""One consultant: assigned or open, questioned or not, with beliefs and quotes."""

from __future__ import annotations

import random

import pytest
from performing import MATERIAL, QUESTION, THREE, play
from pydantic import ValidationError

from oversight.core.chat import ChatReply
from oversight.prompting.markup import find
from oversight.protocols.consultancy import Consultancy


@pytest.mark.parametrize(("place", "label"), [(0, "A"), (1, "B")])
def test_the_consultant_is_told_its_assigned_answer(place: int, label: str) -> None:
    prompt = play(Consultancy, assignment=(place,)).prompts("consultant")[0]
    assert [element.attributes for element in find("stance", prompt)] == [{"seat": "consultant", "argues": label}]


def test_the_judge_is_not_told_what_the_consultant_was_assigned() -> None:
    assert not any("<stance" in prompt for prompt in play(Consultancy, assignment=(1,)).prompts("judge"))


def test_the_judges_prompt_is_the_same_whatever_is_assigned() -> None:
    one, two = (play(Consultancy, *"xyz", assignment=(place,)).prompts("judge") for place in (0, 1))
    assert one == two


def test_every_answer_gets_an_episode_of_its_own() -> None:
    ran = play(Consultancy, question=THREE, assignment=(2,))
    assert ran.episode.reads_assigned
    assert Consultancy().assignments(THREE, random.Random(0)) is None


def test_the_side_is_on_record() -> None:
    (side,) = play(Consultancy, assignment=(1,)).episode.sides
    assert (side.seat, side.argues, side.open) == ("consultant", 1, False)


def test_an_open_consultant_says_what_it_holds_right_and_argues_for_that() -> None:
    ran = play(Consultancy, ChatReply("B", choice_probs={"A": 0.2, "B": 0.8}), open=True)
    first, second = ran.prompts("consultant")[:2]
    assert find("stance", first) == []
    assert [element.attributes for element in find("stance", second)] == [{"seat": "consultant", "argues": "B"}]
    # Who argued for what is on record, so that the judge can be scored by whether the consultant was right.
    assert [(side.seat, side.argues) for side in ran.episode.sides] == [("consultant", 1)]
    assert ran.order == [("consultant", "belief"), *[("consultant", "speech")] * 3, ("judge", "verdict")]
    assert "0.8" not in ran.prompts("judge")[0]


def test_an_open_consultant_that_abstains_still_argues() -> None:
    abstains = '{"A": 0.5, "B": 0.5, "abstain": true}'
    ran = play(Consultancy, ChatReply("no idea"), abstains, open=True)
    assert [side.argues for side in ran.episode.sides] == [0]


def test_an_open_consultancy_needs_no_assignment() -> None:
    assert not play(Consultancy, open=True).episode.reads_assigned


def test_an_open_consultant_is_not_told_that_it_was_assigned_anything() -> None:
    assert "assigned" not in play(Consultancy, open=True).prompts("consultant")[0]


def test_the_consultant_sees_the_material_and_the_judge_does_not() -> None:
    ran = play(Consultancy, assignment=(0,))
    assert [MATERIAL in ran.prompts(seat)[0] for seat in ("consultant", "judge")] == [True, False]


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_consultant_speaks_as_often_as_there_are_rounds(rounds: int) -> None:
    order = play(Consultancy, assignment=(0,), rounds=rounds).order
    assert order == [("consultant", "speech")] * rounds + [("judge", "verdict")]


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_an_interactive_judge_asks_between_turns(rounds: int) -> None:
    order = [author for author, _ in play(Consultancy, assignment=(0,), rounds=rounds, interactive=True).order]
    assert order == ["consultant", "judge"] * rounds


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_an_interactive_judge_asks_one_question_fewer_than_there_are_rounds(rounds: int) -> None:
    ran = play(Consultancy, assignment=(0,), rounds=rounds, interactive=True)
    assert ran.order.count(("judge", "speech")) == rounds - 1


def test_the_consultant_reads_the_judges_question() -> None:
    ran = play(Consultancy, assignment=(0,), rounds=2, interactive=True, judge=["Why the harbour?"])
    asked = find("message", ran.prompts("consultant")[1])
    assert [(e.attributes["from"], e.content.strip()) for e in asked] == [("judge", "Why the harbour?")]


def test_beliefs_are_asked_after_every_turn() -> None:
    ran = play(Consultancy, assignment=(0,), rounds=3, beliefs=True)
    assert ran.order == [("consultant", "speech"), ("judge", "belief")] * 3 + [("judge", "verdict")]


def test_the_consultant_never_learns_the_judges_belief() -> None:
    plain, watched = (play(Consultancy, *"xyz", assignment=(0,), beliefs=beliefs) for beliefs in (False, True))
    assert plain.prompts("consultant") == watched.prompts("consultant")


def test_each_turn_says_which_it_is() -> None:
    requests = play(Consultancy, assignment=(0,), rounds=2).requests("consultant")
    assert ["turn 1 of 2" in requests[0], "turn 2 of 2" in requests[1]] == [True, True]


def test_words_past_the_limit_are_cut() -> None:
    said = play(Consultancy, "one two three four", assignment=(0,), rounds=1, word_limit=3).speeches[0]
    assert (said.text, said.words_cut) == ("one two three", 1)


def test_the_consultant_is_told_the_limit() -> None:
    assert "at most 42 words" in play(Consultancy, assignment=(0,), word_limit=42).requests("consultant")[0]


def test_without_a_limit_none_is_mentioned() -> None:
    assert "at most" not in play(Consultancy, assignment=(0,), word_limit=None).requests("consultant")[0]


def test_the_judge_is_shown_which_quotes_stand_in_the_material() -> None:
    said = "<quote>The old mill</quote> and <quote>the new mill</quote>"
    prompt = play(Consultancy, said, assignment=(1,), rounds=1).prompts("judge")[0]
    shown = [(e.attributes["verified"], e.content) for e in find("quote", prompt.rpartition("<message")[2])]
    assert shown == [("yes", "The old mill"), ("no", "the new mill")]


def test_quotes_are_not_spoken_of_where_there_is_no_material() -> None:
    bare = QUESTION.model_copy(update={"material": None})
    ran = play(Consultancy, question=bare, assignment=(0,))
    assert not any("quote" in prompt for seat in ("judge", "consultant") for prompt in ran.prompts(seat))


def test_a_repeated_tag_in_a_prompt_explains_but_proves_nothing() -> None:
    prompt = play(Consultancy, "no quotes", assignment=(1,), rounds=1).prompts("judge")[0]
    assert find("quote", prompt) == []


@pytest.mark.parametrize("options", [{"rounds": 0}, {"word_limit": 0}, {"round": 3}])
def test_options_out_of_range_or_unknown_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Consultancy.Options(**options)  # type: ignore[arg-type]
