"""TruthfulQA: the best answer against false ones."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from oversight.tasks.truthfulqa import TruthfulQA
from tasks.reading import complaint, items, record, right, texts


def written(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "t.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, list(records[0]))
        table.writeheader()
        table.writerows(records)
    return path


def test_false_answers(tmp_path: Path) -> None:
    path = written(
        tmp_path, record(TruthfulQA, **{"Incorrect Answers": " F1; F2;;F3 ; F1", "Best Incorrect Answer": "F2"})
    )
    (item,) = items(TruthfulQA, path=path, wrong="all")
    assert texts(item) == [record(TruthfulQA)["Best Answer"], "F1", "F2", "F3"]
    (item,) = items(TruthfulQA, path=path, wrong="best")
    assert texts(item)[1:] == ["F2"]
    drawn = {texts(one)[1] for seed in range(40) for one in items(TruthfulQA, seed=seed, path=path)}
    assert drawn == {"F1", "F2", "F3"}
    assert right(item) == record(TruthfulQA)["Best Answer"]


def test_more_false_answers_than_there_are_letters(tmp_path: Path) -> None:
    path = written(tmp_path, record(TruthfulQA, **{"Incorrect Answers": "; ".join(f"F{n}" for n in range(40))}))
    (item,) = items(TruthfulQA, path=path, wrong="all")
    assert len(texts(item)) == 26


def test_a_best_answer_that_is_called_incorrect_too_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, record(TruthfulQA, **{"Best Answer": "T", "Incorrect Answers": "F; T"}))
    assert items(TruthfulQA, path=path) == []


def test_categories(tmp_path: Path) -> None:
    path = written(tmp_path, record(TruthfulQA), record(TruthfulQA, Category="Law", Question="Who?\nReally?"))
    assert [item.question.prompt for item in items(TruthfulQA, path=path, categories=["Law"])] == ["Who?\nReally?"]
    assert "no questions of the category 'Lae' - did you mean 'Law'?" in complaint(
        TruthfulQA, path=path, categories=["Law", "Lae"]
    )


def test_the_file_as_published_first_has_no_best_false_answer(tmp_path: Path) -> None:
    path = written(tmp_path, record(TruthfulQA, **{"Best Incorrect Answer": None}))
    assert len(items(TruthfulQA, path=path)) == 1
    assert "t.csv:2: there is no 'Best Incorrect Answer'" in complaint(TruthfulQA, path=path, wrong="best")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Best Answer": " "}, "t.csv:2: field 'Best Answer' is blank"),
        ({"Incorrect Answers": " ; "}, "t.csv:2: answers"),
        ({"Question": ""}, "prompt"),
        ({"Best Answer": None, "Best Anwser": "x"}, "no field 'Best Answer' - did you mean 'Best Anwser'?"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert said in complaint(TruthfulQA, path=written(tmp_path, record(TruthfulQA, **changes)))
