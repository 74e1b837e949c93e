"""Outcome supervision: what the overseer is shown, and how solutions speak for answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from performing import QUESTION, THREE, Play, play
from pydantic import ValidationError

from oversight import Worked
from oversight.prompting.markup import find
from oversight.protocols.outcome_supervision import OutcomeSupervision
from oversight.testing.scripted import Scripted

ASKED = THREE.model_copy(
    update={
        "worked": (
            Worked(answer=0, steps=("It says so.",)),
            Worked(answer=1, steps=("It must be.", "So it is.")),
            Worked(answer=1, steps=("Another way.",)),
        )
    }
)


def p(value: float) -> str:
    return json.dumps({"p_correct": value})


def judge(*said: Scripted, question: Any = ASKED, strong: tuple[Scripted, ...] = (), **options: Any) -> Play:
    return play(OutcomeSupervision, *strong, question=question, overseer=said, **options)


def belief(ran: Play) -> tuple[float, ...] | None:
    return ran.verdict.belief.probs


def test_by_default_the_overseer_sees_the_final_answer_alone() -> None:
    ran = judge(p(0.2), p(0.6), p(0.4))
    for number in range(3):
        (prompt,) = ran.prompts(f"overseer_{number}")
        assert len(find("final", prompt)) == 1
        assert find("step", prompt) == []
    assert "the mill" in find("final", ran.prompts("overseer_1")[0])[0].content


def test_or_the_whole_solution_at_once() -> None:
    ran = judge(p(0.2), p(0.6), p(0.4), sees="solution")
    shown = [element.content.strip() for element in find("step", ran.prompts("overseer_1")[0])]
    assert shown == ["It must be.", "So it is."]
    assert len(ran.prompts("overseer_1")) == 1


def test_an_answer_is_as_good_as_its_best_solution() -> None:
    # 0.2 and max(0.6, 0.4); the third answer, which no solution ends in, has the rest: 0.8 * 0.4 * 0.6.
    found = belief(judge(p(0.2), p(0.6), p(0.4)))
    total = 0.2 + 0.6 + 0.192
    assert found == pytest.approx((0.2 / total, 0.6 / total, 0.192 / total))


def test_or_as_all_of_them_together() -> None:
    found = belief(judge(p(0.2), p(0.6), p(0.4), rule="weighted"))
    total = 0.2 + 1.0 + 0.192
    assert found == pytest.approx((0.2 / total, 1.0 / total, 0.192 / total))


def test_answers_without_a_solution_share_what_is_left() -> None:
    one = ASKED.model_copy(update={"worked": ASKED.worked[:1]})
    assert belief(judge(p(0.2), question=one)) == pytest.approx((0.2, 0.4, 0.4))


def test_a_majority_needs_no_overseer() -> None:
    ran = judge(sees="nothing", rule="majority")
    assert ran.sent == []
    assert belief(ran) == pytest.approx((1 / 3, 2 / 3, 0), abs=1e-6)
    assert OutcomeSupervision(OutcomeSupervision.Options(sees="nothing", rule="majority")).needs() == ()


def test_what_nobody_could_judge_says_nothing() -> None:
    ran = judge("?", "?", "?", p(0.6), p(0.4))
    assert [note.data["score"] for note in ran.verdict.annotations] == [None, 0.6, 0.4]
    assert [note.data["unparsable"] for note in ran.verdict.annotations] == [1, 0, 0]
    assert belief(judge(*["?"] * 9)) is None


def test_a_solution_that_names_no_answer_is_not_judged_and_not_unparsable() -> None:
    ran = judge(question=QUESTION, strong=("I do not know.",), solutions="written")
    (note,) = ran.verdict.annotations
    assert (note.data["answer"], note.data["score"], note.data["unparsable"]) == (None, None, 0)
    assert belief(ran) is None


def test_a_written_solution_is_disclosed_only_where_it_is_judged() -> None:
    draft = "It must be so.\nAnswer: B"
    whole = judge(p(0.9), question=QUESTION, strong=(draft,), solutions="written", sees="solution")
    assert "It must be so." in whole.prompts("overseer_0")[0]
    final = judge(p(0.9), question=QUESTION, strong=(draft,), solutions="written")
    assert "It must be so." not in final.prompts("overseer_0")[0]
    assert belief(final) == pytest.approx((0.1, 0.9))


def test_options_that_make_no_sense() -> None:
    with pytest.raises(ValidationError, match="rule: majority"):
        OutcomeSupervision.Options(sees="nothing")
    with pytest.raises(ValidationError, match="solutions: written"):
        OutcomeSupervision.Options(candidates=4)
