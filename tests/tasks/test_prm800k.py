"""PRM800K: solutions labelled up to their first wrong step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oversight.core.question import Item
from oversight.tasks.prm800k import PRM800K
from tasks.reading import complaint, items, jsonl, record, right, texts

SOLUTION = ("one", "two", "three\n\n# Answer\n\n5")


def step(text: str, rating: int | None = 1, *others: tuple[str, int], chosen: int | None = 0) -> dict[str, Any]:
    said = [{"text": text, "rating": rating, "flagged": None}]
    said += [{"text": other, "rating": rated, "flagged": False} for other, rated in others]
    return {"completions": said, "human_completion": None, "chosen_completion": chosen}


def rated(*ratings: int) -> list[dict[str, Any]]:
    return [step(text, rating) for text, rating in zip(SOLUTION, ratings, strict=False)]


def labelled(steps: list[dict[str, Any]], finish: str = "found_error", **question: Any) -> dict[str, Any]:
    asked = {
        "problem": "What is $2 + 3$?",
        "ground_truth_answer": "5",
        "pre_generated_steps": list(SOLUTION),
        "pre_generated_answer": "5",
        **question,
    }
    return record(PRM800K, question=asked, label={"steps": steps, "finish_reason": finish, "total_time": 1})


def one(folder: Path, fields: dict[str, Any]) -> Item:
    (item,) = items(PRM800K, path=jsonl(folder / "p.jsonl", [fields]))
    return item


@pytest.mark.parametrize(("ratings", "mistake"), [((-1,), 0), ((1, -1), 1), ((0, 0, -1), 2)])
def test_the_first_step_rated_wrong_is_the_mistake_of_the_whole_solution(
    tmp_path: Path, ratings: tuple[int, ...], mistake: int
) -> None:
    item = one(tmp_path, labelled(rated(*ratings), pre_generated_answer="6"))
    assert item.mistakes == (mistake,)
    assert item.question.worked[0].steps == SOLUTION
    assert (texts(item), right(item)) == (["6", "Another answer"], "Another answer")
    assert item.question.prompt == "What is $2 + 3$?"


def test_neutral_steps_are_no_mistakes(tmp_path: Path) -> None:
    item = one(tmp_path, labelled(rated(0, 1, 0), "solution"))
    assert (item.mistakes, right(item), item.question.worked[0].steps) == ((None,), "5", SOLUTION)


def test_steps_after_the_answer_was_reached_are_not_checked(tmp_path: Path) -> None:
    item = one(tmp_path, labelled(rated(1, 1), "solution"))
    assert (item.mistakes, item.question.worked[0].steps) == ((None,), SOLUTION[:2])


def test_alternatives_to_the_wrong_step_are_not_the_solution(tmp_path: Path) -> None:
    steps = [*rated(1), step("two", -1, ("deux", 1), ("zwei", 0), chosen=None)]
    item = one(tmp_path, labelled(steps))
    assert (item.mistakes, item.question.worked[0].steps) == ((1,), SOLUTION)
    # The solution's own step is not the first, and an alternative was chosen and gone on from.
    steps = [*rated(1), {**step("deux", 1, ("two  ", -1)), "chosen_completion": 0}, step("trois")]
    assert one(tmp_path, labelled(steps, "solution")).mistakes == (1,)


@pytest.mark.parametrize(
    ("given", "truth", "same"),
    [
        ("5", "5", True),
        ("40,\\!000", "40000", True),
        ("$\\dfrac{1}{2}$", "\\frac{1}{2}", True),
        ("\\left( 1, 2 \\right)", "(1,2)", True),
        ("5.", " 5", True),
        ("5 \\text{ cm}", "5\\text{cm}", True),
        ("1,2", "12", False),
        ("0.5", "\\frac{1}{2}", False),
        ("-5", "5", False),
        ("\\leftarrow", "arrow", False),
    ],
)
def test_a_wrong_step_may_end_in_the_right_answer(tmp_path: Path, given: str, truth: str, same: bool) -> None:
    item = one(tmp_path, labelled(rated(-1), pre_generated_answer=given, ground_truth_answer=truth))
    assert (item.gold, item.mistakes) == (0 if same else 1, (0,))
    # Where people found that it ends in the right answer, spelling does not count.
    assert one(tmp_path, labelled(rated(1, 1, 1), "solution", pre_generated_answer=given)).gold == 0


@pytest.mark.parametrize("answer", [None, "", "  "])
def test_an_answer_that_is_not_named(tmp_path: Path, answer: str | None) -> None:
    item = one(tmp_path, labelled(rated(-1), pre_generated_answer=answer))
    assert (texts(item)[0], item.gold) == ("The answer that the solution ends in", 1)


@pytest.mark.parametrize(
    ("steps", "finish"),
    [
        (rated(1, 1), "give_up"),
        (rated(1), "bad_problem"),
        (rated(1, 1), "found_error"),
        ([], "solution"),
        ([*rated(1), step("another", 1), step("three")], "solution"),
        ([*rated(1), step("two", None)], "solution"),
        ([*rated(1, 1, 1), step("four")], "solution"),
        ([{"completions": None, "human_completion": None, "chosen_completion": None}], "solution"),
    ],
)
def test_labels_that_do_not_say_where_it_errs_are_left_out_and_counted(
    tmp_path: Path, steps: list[dict[str, Any]], finish: str
) -> None:
    path = jsonl(tmp_path / "p.jsonl", [labelled(steps, finish), labelled(rated(-1)), labelled(steps, finish)])
    with pytest.warns(UserWarning, match="prm800k: left out 2 solutions whose labels reach neither"):
        (item,) = items(PRM800K, path=path)
    assert item.question.id == "solution-2"
    task = PRM800K(PRM800K.Options(path=path))
    for _ in range(2):  # what one reading left out is not counted in the next
        with pytest.warns(UserWarning, match="left out 2 solutions"):
            assert len(list(task.items(0))) == 1


def test_nothing_is_said_where_nothing_is_left_out(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    one(tmp_path, labelled(rated(-1)))
    assert not list(recwarn)


def test_solutions_to_one_problem_are_one_cluster(tmp_path: Path) -> None:
    rows = [labelled(rated(-1)), labelled(rated(1, -1), problem="Other?"), labelled(rated(1, 1, 1), "solution")]
    first, other, third = items(PRM800K, path=jsonl(tmp_path / "p.jsonl", rows))
    assert first.question.cluster == third.question.cluster != other.question.cluster


def test_what_cannot_be_used(tmp_path: Path) -> None:
    def said(fields: dict[str, Any]) -> str:
        return complaint(PRM800K, path=jsonl(tmp_path / "p.jsonl", [labelled(rated(-1)), fields]))

    assert said(labelled(rated(-1), problem="")).startswith(f"{tmp_path / 'p.jsonl'}:2: ")
    assert "problem" in said(labelled(rated(-1), problem=""))
    assert "pre_generated_steps" in said(labelled(rated(-1), pre_generated_steps=None))  # a file of phase 1
    assert "label" in said(record(PRM800K, label=None))
    assert "label.steps" in said(record(PRM800K, label={"finish_reason": "solution"}))


def test_the_train_file_is_found_by_its_name(tmp_path: Path) -> None:
    jsonl(tmp_path / "phase2_train.jsonl", [labelled(rated(-1))])
    assert len(items(PRM800K, path=tmp_path, split="train")) == 1
    assert "there is no file phase2_test.jsonl" in complaint(PRM800K, path=tmp_path)
