"""Steps of written solutions, drafts that are disclosed part by part, and worked solutions of questions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from staging import QUESTION, stage

from oversight import Item, ProtocolError, Worked
from oversight.core.step_splitting import split_steps
from oversight.testing.scripted import ScriptedModel


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("Step 1: a = 3.5.\nStep 2: so b.\n\n3. c", ("a = 3.5.", "so b.", "c")),
        ("It weighs 3.5 kg. So two weigh 7 kg. Answer: B", ("It weighs 3.5 kg.", "So two weigh 7 kg.", "Answer: B")),
        ("3.5 * 2 = 7\n0.5 of it is\n42.", ("3.5 * 2 = 7", "0.5 of it is", "42.")),
        ("1) 2.5 + 1\nStep 2:\nso 3.5", ("2.5 + 1", "so 3.5")),
        ("", ()),
        (" \n\t\n", ()),
        ("one", ("one",)),
    ],
)
def test_a_solution_is_split_into_lines_or_sentences(text: str, steps: tuple[str, ...]) -> None:
    assert split_steps(text) == steps


@given(st.text())
def test_every_step_stands_in_the_text_and_none_is_blank(text: str) -> None:
    for step in split_steps(text):
        assert step.strip()
        assert step in text


def worked(*answers: int) -> tuple[Worked, ...]:
    return tuple(Worked(answer=place, steps=(f"so {place}",)) for place in answers)


def test_worked_solutions_keep_their_answers_in_any_order() -> None:
    question = QUESTION.model_copy(update={"worked": worked(0, 1, 1)})
    turned = question.presented((1, 0))
    for before, after in zip(question.worked, turned.worked, strict=True):
        assert question.answers[before.answer] == turned.answers[after.answer]
        assert before.steps == after.steps


def test_worked_solutions_end_in_answers_and_mistakes_are_steps() -> None:
    with pytest.raises(ValidationError, match="ends in answer 9"):
        QUESTION.model_validate(QUESTION.model_dump() | {"worked": [{"answer": 9, "steps": ["so"]}]})
    question = QUESTION.model_copy(update={"worked": worked(0)})
    assert Item(question=question, gold=0, mistakes=(None,)).mistakes == (None,)
    with pytest.raises(ValidationError, match="first mistake is step 1"):
        Item(question=question, gold=0, mistakes=(1,))
    with pytest.raises(ValidationError, match="2 mistakes for 1"):
        Item(question=question, gold=0, mistakes=(None, 0))


def test_an_item_is_another_one_if_its_solutions_or_mistakes_are() -> None:
    question = QUESTION.model_copy(update={"worked": worked(0)})
    keys = {
        Item(question=QUESTION, gold=0).key,
        Item(question=question, gold=0).key,
        Item(question=question, gold=0, mistakes=(None,)).key,
        Item(question=question, gold=0, mistakes=(0,)).key,
    }
    assert len(keys) == 4


async def test_a_draft_is_read_by_nobody_until_a_part_is_disclosed() -> None:
    writer, reader = ScriptedModel(["first part\nsecond part", "more"]), ScriptedModel()
    episode = stage(strong=writer, judge=reader, templates={"write": "Write.", "next": "Go on.", "look": "Look."})
    author, judge = episode.seat("author", role="strong", brief="judge"), episode.seat("judge")
    await author.draft("write")
    await judge.speak("look")
    assert "part" not in str(reader.requests[-1].messages)
    author.disclose("first part", to=[judge], turn=0)
    await judge.speak("look")
    assert "first part" in str(reader.requests[-1].messages)
    assert "second part" not in str(reader.requests[-1].messages)
    # The author has the whole, once.
    await author.draft("next")
    assert str(writer.requests[-1].messages).count("first part") == 1
    with pytest.raises(ProtocolError, match="did not draft"):
        author.disclose("something else", to=[judge])
