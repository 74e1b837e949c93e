"""The judge alone: what it is shown at each of the three levels, and how several vote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from performing import MATERIAL, QUESTION, THREE, Play, play
from pydantic import ValidationError

from oversight.core.chat import ChatRequest
from oversight.protocols.direct import Direct


@pytest.mark.parametrize(
    ("sees", "solutions", "material"),
    [("nothing", False, False), ("answers", True, False), ("material", True, True)],
)
def test_the_judge_sees_what_the_option_says(sees: str, solutions: bool, material: bool) -> None:
    (prompt,) = play(Direct, sees=sees).prompts("judge")
    assert ("It says so." in prompt, MATERIAL in prompt) == (solutions, material)


@pytest.mark.parametrize("sees", ["nothing", "answers", "material"])
def test_the_judge_always_sees_question_and_answers(sees: str) -> None:
    (prompt,) = play(Direct, sees=sees).prompts("judge")
    assert QUESTION.block(solutions=sees != "nothing") in prompt


def test_by_default_the_judge_sees_the_answers() -> None:
    assert Direct().options.sees == "answers"


def test_the_judge_is_asked_once() -> None:
    assert play(Direct).order == [("judge", "verdict")]


def test_no_strong_model_is_needed() -> None:
    assert Direct.roles == ("judge",)


def test_nobody_has_a_side() -> None:
    ran = play(Direct)
    assert (ran.episode.sides, ran.episode.reads_assigned) == ([], False)


def test_the_verdict_is_the_judges() -> None:
    ran = play(Direct, judge=["no letter", '{"A": 0.25, "B": 0.75}'])
    assert ran.verdict.belief.probs == (0.25, 0.75)


def test_a_question_without_material_can_be_judged_at_every_level() -> None:
    bare = QUESTION.model_copy(update={"material": None})
    assert "<material>" not in play(Direct, question=bare, sees="material").prompts("judge")[0]


@pytest.mark.parametrize("options", [{"sees": "everything"}, {"see": "answers"}, {"votes": 0}])
def test_an_unknown_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Direct.Options(**options)


# --- several judges


A, B, EVEN, ABSTAIN = (
    '{"A": 0.9, "B": 0.1}',
    '{"A": 0.45, "B": 0.55}',
    '{"A": 0.5, "B": 0.5}',
    '{"A": 0.5, "B": 0.5, "abstain": true}',
)


def vote(*said: str, **options: Any) -> Play:
    """Judges who state these beliefs; nobody gives token probabilities."""
    return play(Direct, judge=[lambda request: pick(request, said)] * 99, votes=len(said), **options)


def pick(request: ChatRequest, said: Sequence[str]) -> str:
    return "I had rather not say" if request.choices else said[int(request.seat.removeprefix("judge_"))]


@pytest.mark.parametrize(
    ("said", "probs"),
    [
        ((A, B, B), (1 / 3, 2 / 3)),  # a vote is a vote, however sure
        ((A, A, A), (1.0, 0.0)),
        ((A, B), (0.5, 0.5)),
        ((A, A, B, B), (0.5, 0.5)),
        ((A, ABSTAIN, B, A), (2 / 3, 1 / 3)),
        ((A, EVEN, EVEN), (1.0, 0.0)),
        ((B, ABSTAIN), (0.0, 1.0)),
    ],
)
def test_the_belief_is_the_share_of_the_votes(said: tuple[str, ...], probs: tuple[float, ...]) -> None:
    ran = vote(*said)
    assert ran.verdict.belief.probs == pytest.approx(probs)
    assert ran.verdict.belief.source == "computed"


@pytest.mark.parametrize("said", [(ABSTAIN, ABSTAIN), (EVEN, EVEN, EVEN), (ABSTAIN, EVEN)])
def test_where_nobody_votes_the_verdict_abstains(said: tuple[str, ...]) -> None:
    belief = vote(*said).verdict.belief
    assert (belief.probs, belief.status) == (None, "abstained")


def test_a_tie_among_three_answers_leaves_no_likeliest() -> None:
    said = [json.dumps({label: float(label == name) for label in "ABC"}) for name in "ABBAC"]
    assert vote(*said, question=THREE).verdict.belief.probs == pytest.approx((0.4, 0.4, 0.2))


@pytest.mark.parametrize("sees", ["nothing", "answers", "material"])
def test_every_judge_is_asked_the_same_and_hears_of_nobody_else(sees: str) -> None:
    ran = vote(A, B, A, sees=sees)
    (alone,) = play(Direct, sees=sees).prompts("judge")
    for number in range(3):
        asked = ran.prompts(f"judge_{number}")[-1]
        assert asked.split("Reply with")[0] == alone.split("Reply with")[0]
        assert "0.45" not in asked
    assert {message.branch[0] for message in ran.episode.messages if message.kind == "verdict"} == {0}
    assert ran.episode.reads_assigned is False


def test_one_vote_is_the_judge_as_ever() -> None:
    once, ever = play(Direct, votes=1), play(Direct)
    assert once.episode.messages == ever.episode.messages
    assert once.verdict == ever.verdict
    assert once.order == [("judge", "verdict")]
    assert once.sent == ever.sent


def test_as_many_calls_as_votes() -> None:
    assert len(play(Direct, votes=13).sent) == 13
