"""QuALITY: questions about a story, and which of them to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oversight.tasks.quality import Quality
from tasks.reading import complaint, items, jsonl, record, right, texts

OPTIONS = ["one", "two", "three", "four"]


def untimed(answer: Any = 2, distractor: Any = 1, answerable: int = 1, context: int = 2) -> dict[str, Any]:
    return {
        "untimed_annotator_id": "1",
        "untimed_answer": answer,
        "untimed_eval1_answerability": answerable,
        "untimed_eval2_context": context,
        "untimed_best_distractor": distractor,
    }


def speed(*answers: Any) -> list[dict[str, Any]]:
    return [{"speed_annotator_id": "1", "speed_answer": answer} for answer in answers]


def asked(**changes: Any) -> dict[str, Any]:
    """A question whose second option is right."""
    (sample,) = record(Quality)["questions"]
    return {**sample, "options": OPTIONS, **changes}


def story(*questions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    numbered = [{**one, "question_unique_id": f"q{number}"} for number, one in enumerate(questions)]
    return record(Quality, questions=numbered, **changes)


def one(folder: Path, question: dict[str, Any], seed: int = 0, **options: Any) -> Any:
    (item,) = items(Quality, seed, path=jsonl(folder / "q.dev", [story(question)]), **options)
    return item


def kept(folder: Path, *questions: dict[str, Any], **options: Any) -> list[str]:
    path = jsonl(folder / "q.dev", [story(*questions)])
    return [item.question.id for item in items(Quality, path=path, **options)]


def test_a_question(tmp_path: Path) -> None:
    item = one(tmp_path, asked(gold_label="2"))
    assert (texts(item), right(item)) == (["one", "two"], "two")
    assert (item.question.id, item.question.cluster) == ("q0", "00001")
    assert item.question.material == record(Quality)["article"]
    item = one(tmp_path, asked(), answers=4)
    assert (texts(item), right(item)) == (OPTIONS, "two")


@pytest.mark.parametrize(
    ("validation", "hurried", "wrong"),
    [
        ([untimed(distractor=3), untimed(distractor=3), untimed(distractor=4)], [], "three"),
        ([untimed(distractor=2), untimed(distractor=2), untimed(distractor=4)], [], "four"),
        (
            [untimed(distractor=3), untimed(4, distractor=4), untimed(4, distractor=3), untimed(distractor=4)],
            [],
            "four",
        ),
        ([untimed(distractor=3), untimed(distractor="1")], speed(3, 2, 2), "three"),
        ([untimed(distractor=None)], speed("4", 2, 2), "four"),
        ([untimed(4, distractor=2)], speed(3, 3), "four"),
        ([], speed(1, 1, 4), "one"),
    ],
)
def test_the_best_distractor(tmp_path: Path, validation: Any, hurried: Any, wrong: str) -> None:
    for seed in range(5):
        item = one(tmp_path, asked(validation=validation, speed_validation=hurried), seed)
        assert (right(item), set(texts(item))) == ("two", {"two", wrong})


def test_a_tie_is_drawn(tmp_path: Path) -> None:
    question = asked(validation=[], speed_validation=[])
    drawn = {frozenset(texts(one(tmp_path, question, seed))) for seed in range(60)}
    assert drawn == {frozenset(("two", wrong)) for wrong in ("one", "three", "four")}


def test_answers_about_the_others_need_them(tmp_path: Path) -> None:
    question = asked(options=["All of the above.", "two", "three", "four"])
    assert kept(tmp_path, question) == []
    assert kept(tmp_path, question, answers=4) == ["q0"]
    assert kept(tmp_path, {**question, "validation": [untimed(distractor=3)]}) == ["q0"]


def test_options_that_cannot_be_told_apart_are_left_out(tmp_path: Path) -> None:
    for options in (["one", "two", "two ", "four"], ["one", "two", " ", "four"]):
        unlike = asked(options=options)
        alike = asked(options=options, validation=[untimed(distractor=3)])
        assert kept(tmp_path, unlike, alike) == ["q0"]
        assert kept(tmp_path, unlike, alike, answers=4) == []


def test_each_filter(tmp_path: Path) -> None:
    easy, silent = asked(difficult=0), asked(validation=[], speed_validation=[])
    assert kept(tmp_path, easy, asked(), hard=True) == ["q1"]
    half = asked(validation=[untimed(2), untimed(1)], speed_validation=speed(2, 1))
    assert kept(tmp_path, half, asked(), silent, min_untimed_accuracy=1) == ["q1"]
    assert kept(tmp_path, half, asked(), silent, min_untimed_accuracy=0.5) == ["q0", "q1"]
    assert kept(tmp_path, half, asked(speed_validation=speed(2)), silent, max_speed_accuracy=0.5) == ["q0"]
    assert kept(tmp_path, half, asked(), silent, max_speed_accuracy=0.4) == ["q1"]
    local = asked(validation=[untimed(context=1), untimed(context=2)])
    assert kept(tmp_path, local, silent, min_context=1.5) == ["q0"]
    assert kept(tmp_path, local, silent, min_context=1.6) == []
    vague = asked(validation=[untimed(answerable=1), untimed(answerable=2)])
    assert kept(tmp_path, vague, asked(), silent, max_answerability=1) == ["q1"]
    assert kept(tmp_path, asked(writer_label=3), asked(), writer_agrees=True) == ["q1"]
    assert kept(tmp_path, easy, silent) == ["q0", "q1"]


def test_sources(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "q.dev", [story(asked()), story(asked(), source="Slate", article_id=7)])
    assert [item.question.cluster for item in items(Quality, path=path, sources=["Slate"])] == ["7"]


def test_at_most_so_many_a_story(tmp_path: Path) -> None:
    sets = [
        record(
            Quality,
            article_id=f"s{number % 3}",
            questions=[asked(question_unique_id=f"{number}-{place}") for place in range(4)],
        )
        for number in range(6)
    ]
    path = jsonl(tmp_path / "q.dev", sets)
    every = [item.question.id for item in items(Quality, path=path)]
    few = {seed: items(Quality, seed, path=path, per_story=3) for seed in range(2)}
    for found in few.values():
        names = [item.question.id for item in found]
        assert [name for name in every if name in names] == names
        assert sorted(item.question.cluster for item in found) == sorted(["s0", "s1", "s2"] * 3)
    assert few[0] != few[1]
    fewer = {item.question.id for item in items(Quality, path=path, per_story=2)}
    assert fewer < {item.question.id for item in few[0]}
    assert len(items(Quality, path=path, per_story=100)) == 24


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (asked(gold_label=5), "q.dev:1: questions.0.gold_label: Input should be less than or equal to 4"),
        (asked(options=OPTIONS[:3]), "questions.0.options: List should have at least 4 items"),
        (
            {key: value for key, value in asked().items() if key != "gold_label"},
            "questions.0.gold_label: Field",
        ),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, question: dict[str, Any], said: str) -> None:
    assert said in complaint(Quality, path=jsonl(tmp_path / "q.dev", [story(question)]))
