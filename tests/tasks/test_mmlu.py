"""MMLU: multiple choice from Parquet files and from the original ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from oversight.tasks.mmlu import Mmlu
from tasks.reading import complaint, items, record, right, texts


def parquet(folder: Path, *records: dict[str, Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(records)), folder / "m.parquet")
    return folder / "m.parquet"


ASKED = record(Mmlu, choices=["w", "x", "y", "z"], answer=2)


def test_four_answers_or_two(tmp_path: Path) -> None:
    path = parquet(tmp_path, ASKED)
    (item,) = items(Mmlu, path=path)
    assert (texts(item), right(item)) == (["w", "x", "y", "z"], "y")
    drawn = [one for seed in range(60) for one in items(Mmlu, seed=seed, path=path, answers=2)]
    assert {right(one) for one in drawn} == {"y"}
    assert {frozenset(texts(one)) for one in drawn} == {frozenset(("y", wrong)) for wrong in "wxz"}
    assert {one.question.id for one in drawn} == {item.question.id}


def test_subjects(tmp_path: Path) -> None:
    path = parquet(tmp_path, ASKED, {**ASKED, "subject": "anatomy"}, {**ASKED, "subject": "law"})
    named = [item.question.id for item in items(Mmlu, path=path, subjects=["law", "anatomy"])]
    assert named == ["anatomy-2", "law-3"]
    said = complaint(Mmlu, path=path, subjects=["law", "anatomi"])
    assert "no questions of the subject 'anatomi' - did you mean 'anatomy'?" in said


def test_the_original_files(tmp_path: Path) -> None:
    (tmp_path / "anatomy_test.csv").write_text('"A ""bone""?",w,x,y,z,C\n"Two\nlines?",1,2,3,4,A\n')
    (tmp_path / "law_test.csv").write_text("Q?,w,x,y,z,D\r\n", encoding="utf-8-sig")
    (tmp_path / "law_dev.csv").write_text("Dev?,w,x,y,z,D\n")
    found = items(Mmlu, path=tmp_path)
    named = [(item.question.id, right(item)) for item in found]
    assert named == [("anatomy-1", "y"), ("anatomy-2", "1"), ("law-1", "z")]
    assert found[0].question.prompt == 'A "bone"?'
    assert [item.question.prompt for item in items(Mmlu, path=tmp_path, split="dev")] == ["Dev?"]
    assert [item.question.id for item in items(Mmlu, path=tmp_path / "law_test.csv")] == ["law-1"]
    assert "no file validation-00000-of-00001.parquet" in complaint(Mmlu, path=tmp_path, split="validation")


@pytest.mark.parametrize("choices", [["w", "x", "y", " x"], ["", "x", "y", "z"]])
def test_choices_that_cannot_be_told_apart_are_left_out(tmp_path: Path, choices: list[str]) -> None:
    found = items(Mmlu, path=parquet(tmp_path, {**ASKED, "choices": choices}, ASKED), answers=2)
    assert [item.question.id for item in found] == ["elementary_mathematics-2"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"answer": 4}, "m.parquet: record 1: answer: Input should be less than 4"),
        ({"answer": None}, "answer: Input should be a valid integer"),
        ({"choices": ["x", "y"]}, "choices: List should have at least 4 items"),
        ({"question": " "}, "prompt"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert said in complaint(Mmlu, path=parquet(tmp_path, {**ASKED, **changes}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Q?,w,x,y,z,E\n", "law_test.csv:1: the last cell is the right answer's letter, A to D, not 'E'"),
        ("Q?,w,x,y,z,AB\n", "not 'AB'"),
        ("Q?,w,x,y,z,\n", "not ''"),
        ("question,A,B,C,D,answer\n", "not 'answer'"),
        ("Q?,w,x,y,D\n", "has 5 cells, but there are 6 columns"),
    ],
)
def test_an_original_file_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "law_test.csv").write_text(text)
    assert said in complaint(Mmlu, path=tmp_path)
    assert said in complaint(Mmlu, path=tmp_path, subjects=["law"])
