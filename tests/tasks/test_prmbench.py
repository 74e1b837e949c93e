"""PRMBench: solutions into which mistakes were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from oversight.core.question import Item
from oversight.tasks.prmbench import PRMBench
from tasks.reading import complaint, items, jsonl, record, right, texts


def changed(error_steps: list[Any], steps: int = 3, **changes: Any) -> dict[str, Any]:
    told = [f"step {number} is said" for number in range(steps)]
    return record(PRMBench, modified_process=told, error_steps=error_steps, **changes)


def write(folder: Path, *records: dict[str, Any]) -> Path:
    return jsonl(folder / "prmbench_preview.jsonl", records)


def one(folder: Path, fields: dict[str, Any]) -> Item:
    (item,) = items(PRMBench, path=write(folder, fields))
    return item


@pytest.mark.parametrize(("errors", "mistake"), [([1], 0), ([3], 2), ([3, 2], 1), ([], None)])
def test_the_first_of_the_wrong_steps(tmp_path: Path, errors: list[int], mistake: int | None) -> None:
    item = one(tmp_path, changed(errors))
    assert item.mistakes == (mistake,)
    assert right(item) == ("The solution is right" if mistake is None else "The solution has a mistake")
    assert item.question.worked[0].steps == ("step 0 is said", "step 1 is said", "step 2 is said")
    assert texts(item)[item.question.worked[0].answer] == "The solution is right"


def test_the_question_is_the_modified_problem_alone(tmp_path: Path) -> None:
    fields = changed([1], modified_question="Three pens?", original_question="Two pens?")
    item = one(tmp_path, fields)
    assert item.question.prompt == "Three pens?"
    assert "circular" not in repr(item)
    assert "It assumes" not in repr(item)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (["1. a", "2.  b"], ("a", "b")),
        ([" 1) a", "2) b"], ("a", "b")),
        (["1. a", "b"], ("1. a", "b")),
        (["2. a", "3. b"], ("2. a", "3. b")),
        (["1.5 is a", "2.5 is b"], ("1.5 is a", "2.5 is b")),
        (["", " "], ("", " ")),
    ],
)
def test_numbers_that_begin_every_step_are_taken_off(tmp_path: Path, told: list[str], shown: tuple[str, ...]) -> None:
    item = one(tmp_path, changed([1]) | {"modified_process": told})
    assert item.question.worked[0].steps == shown


@pytest.mark.parametrize("errors", [[4], [1, 4], [0], [-1]])
def test_labels_of_steps_that_are_not_there_are_left_out_and_counted(tmp_path: Path, errors: list[int]) -> None:
    path = write(tmp_path, changed(errors), changed([1]), changed(errors))
    with pytest.warns(UserWarning, match="prmbench: left out 2 solutions whose labels name a step that is not there"):
        (item,) = items(PRMBench, path=path)
    assert item.question.id.startswith("solution-2-")


def test_originals_are_asked_about_once(tmp_path: Path) -> None:
    alike = [changed([1], classification=kind) for kind in ("circular", "deception")]
    other = changed([2], original_process=["x"], original_question="Other?")
    path = write(tmp_path, *alike, other, changed([1], original_process=[]))
    task = PRMBench(PRMBench.Options(path=path, originals=True))
    for _ in range(2):  # what was seen in one reading is asked about again in the next
        found = list(task.items(0))
        assert [item.mistakes for item in found] == [(0,), (None,), (0,), (1,), (None,), (0,)]
        assert len({item.question.id for item in found}) == 6
    original = found[1]
    assert original.question.worked[0].steps == ("Two pens cost 2 * 2 = 4 euros.", "So a pad costs 7 - 4 = 3 euros.")
    assert (original.question.prompt, right(original)) == (
        PRMBench.sample["original_question"],
        "The solution is right",
    )
    assert len(items(PRMBench, path=path)) == 4


def test_an_original_is_asked_about_where_the_labels_of_the_modified_are_wrong(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="left out 1"):
        (item,) = items(PRMBench, path=write(tmp_path, changed([9])), originals=True)
    assert item.mistakes == (None,)


def test_ids_do_not_tell_originals_from_modified_ones(tmp_path: Path) -> None:
    rows = [changed([1], original_process=[f"x{n}"]) for n in range(40)]
    found = items(PRMBench, path=write(tmp_path, *rows), originals=True)
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert all(bad.mistakes == (0,) and good.mistakes == (None,) for bad, good in pairs)
    assert 8 < sum(bad.question.id < good.question.id for bad, good in pairs) < 32
    assert len({len(item.question.id.rsplit("-", 1)[1]) for item in found}) == 1


def test_all_that_came_from_one_problem_is_one_cluster(tmp_path: Path) -> None:
    rows = [changed([1]), changed([1], modified_question="Changed?"), changed([1], original_question="Other?")]
    first, second, other = items(PRMBench, path=write(tmp_path, *rows))
    assert first.question.cluster == second.question.cluster != other.question.cluster


def test_classes(tmp_path: Path) -> None:
    path = write(tmp_path, changed([1]), changed([2], classification="deception"))
    (item,) = items(PRMBench, path=path, classes=["deception"])
    assert item.mistakes == (1,)
    assert "no questions of the classification 'confidence'" in complaint(PRMBench, path=path, classes=["confidence"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"modified_process": []}, "modified_process"),
        ({"modified_question": ""}, "modified_question"),
        ({"error_steps": "1"}, "error_steps"),
        ({"error_steps": ["one"]}, "error_steps.0"),
        ({"error_steps": [1.5]}, "error_steps.0"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    heard = complaint(PRMBench, path=write(tmp_path, changed([1]), {**changed([1]), **changes}))
    assert heard.startswith(f"{tmp_path / 'prmbench_preview.jsonl'}:2: {said}")


def test_unknown_options_are_refused() -> None:
    for wrong in ({"classes": ["redundancy"]}, {"originals": "some"}, {"class": "circular"}):
        with pytest.raises(ValidationError):
            PRMBench.Options(**wrong)


@pytest.mark.parametrize("inside", [".", "mr_eval/tasks/prmtest_classified/data", "snapshots/5cc7683d"])
def test_the_folder_of_the_release_is_searched(tmp_path: Path, inside: str) -> None:
    (tmp_path / inside).mkdir(parents=True, exist_ok=True)
    write(tmp_path / inside, changed([2]))
    (item,) = items(PRMBench, path=tmp_path)
    assert item.mistakes == (1,)


def test_a_folder_without_the_file_or_with_several_is_refused(tmp_path: Path) -> None:
    jsonl(tmp_path / "target_data.jsonl", [changed([2])])
    said = complaint(PRMBench, path=tmp_path)
    assert f"{tmp_path}: there is no file prmbench_preview.jsonl in this folder or the folders in it" in said
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, changed([2]))
    said = complaint(PRMBench, path=tmp_path)
    assert "holds several files prmbench_preview.jsonl" in said
    assert f"{tmp_path / 'one'}" in said
