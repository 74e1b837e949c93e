"""The judge alone: what it is shown at each of the three levels."""

from __future__ import annotations

import pytest
from performing import MATERIAL, QUESTION, play
from pydantic import ValidationError

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


@pytest.mark.parametrize("options", [{"sees": "everything"}, {"see": "answers"}])
def test_an_unknown_option_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Direct.Options(**options)  # type: ignore[arg-type]
