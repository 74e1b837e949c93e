"""Questions from a table of the user's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli.running import here
from experiment.files import experiment, planned, questions, rows

from oversight.tasks.table import Table
from tasks.reading import ROW, bad, complaint, items, jsonl, one, right, texts


def table(folder: Path, **options: Any) -> Path:
    return experiment(folder, task={"name": "table", "path": "rows.jsonl", **options}, protocols=["direct"])


def golds(path: Path) -> dict[str, str]:
    """The right answer's text by question."""
    items = (item for _, item in planned(path).items.values())
    return {item.question.id: item.question.answers[item.gold].text for item in items}


def test_gold_by_place_or_by_text(tmp_path: Path) -> None:
    by_place, by_text = rows(2)
    by_place["gold"], by_text["gold"] = 1, "not 1"
    questions(tmp_path, [by_place, by_text])
    assert golds(table(tmp_path)) == {"q0": "not 0", "q1": "not 1"}


def test_a_relative_path_starts_at_the_experiment_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    questions(tmp_path / "sub", rows(2))
    monkeypatch.chdir(tmp_path)
    assert len(golds(table(Path("sub")))) == 2
    assert len(golds(table(tmp_path / "sub"))) == 2


def test_fields_of_other_names_and_worked_solutions(tmp_path: Path) -> None:
    row = {
        "question": "Who?",
        "options": [{"text": "Ann", "solution": "She said so."}, {"text": "Ben"}],
        "label": "Ben",
        "story": "Ben did it.",
        "source": "s1",
        "uid": 17,
        "more": "ignored",
    }
    questions(tmp_path, [row])
    names = {"prompt": "question", "answers": "options", "gold": "label"}
    rest = {"material": "story", "cluster": "source", "id": "uid"}
    ((task, item),) = planned(table(tmp_path, **names, **rest)).items.values()
    assert (task, item.question.id, item.question.cluster) == ("table", "17", "s1")
    assert item.question.material == "Ben did it."
    assert item.question.answers[0].solution == "She said so."
    assert item.gold == 1


def test_rows_without_an_id_go_by_their_line(tmp_path: Path) -> None:
    asked = [{key: value for key, value in row.items() if key != "id"} for row in rows(2)]
    (tmp_path / "rows.jsonl").write_text("\n")
    path = questions(tmp_path, asked)
    path.write_text("\n" + path.read_text())
    assert set(golds(table(tmp_path))) == {"row-2", "row-3"}


BAD = [
    pytest.param("{not json", "not valid JSON", id="not JSON"),
    pytest.param("[1, 2]", "a row is a JSON object", id="a list"),
    pytest.param(
        '{"prompt": "P?", "answers": ["a", "b"], "glod": 0}', "no field 'gold' - did you mean 'glod'?", id="no gold"
    ),
    pytest.param('{"promt": "P?", "answers": ["a", "b"], "gold": 0}', "did you mean 'promt'?", id="no prompt"),
    pytest.param('{"prompt": "P?", "answers": ["a", "b"], "gold": "c"}', "not one of the answers", id="gold elsewhere"),
    pytest.param('{"prompt": "P?", "answers": ["a", "b"], "gold": 2}', "there are 2 answers", id="gold too far"),
    pytest.param('{"prompt": "P?", "answers": ["a"], "gold": 0}', "answers", id="one answer"),
    pytest.param('{"prompt": "P?", "answers": ["a", "a"], "gold": 0}', "answers", id="equal answers"),
    pytest.param('{"prompt": "P?", "answers": "ab", "gold": 0}', "a list of answers", id="answers in a string"),
    pytest.param('{"prompt": "", "answers": ["a", "b"], "gold": 0}', "prompt", id="empty prompt"),
    pytest.param(
        '{"prompt": "P?", "answers": ["a", "b"], "gold": 0, "material": 3}', "material", id="material a number"
    ),
]


@pytest.mark.parametrize(("row", "words"), BAD)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: str, words: str) -> None:
    path = questions(tmp_path, rows(1))
    path.write_text(path.read_text() + row + "\n")
    said = here("plan", table(tmp_path)).complaint()
    assert said.startswith(f"{path}:2: ")
    assert words in said


def test_bad_rows_are_skipped_only_if_asked_and_counted(tmp_path: Path) -> None:
    path = questions(tmp_path, rows(2))
    path.write_text(path.read_text() + "{not json\n[]\n")
    here("plan", table(tmp_path)).complaint()
    with pytest.warns(UserWarning, match=r"left out 2 rows .*rows.jsonl:3"):
        assert set(golds(table(tmp_path, skip_bad_rows=True))) == {"q0", "q1"}


def test_what_else_cannot_be_used(tmp_path: Path) -> None:
    assert "cannot be read" in here("plan", table(tmp_path)).complaint()
    questions(tmp_path, [])
    assert "no questions" in here("plan", table(tmp_path)).complaint()
    questions(tmp_path, rows(1) * 2)
    assert "share the id 'q0'" in here("plan", table(tmp_path)).complaint()
    no_path = experiment(tmp_path, task={"name": "table"}, protocols=["direct"])
    said = here("plan", no_path).complaint()
    assert said.startswith(f"{no_path}:")
    assert "give either 'path: FILE' or 'dataset: OWNER/NAME'" in said
    both = table(tmp_path, dataset="a/b")
    assert "give either 'path: FILE' or 'dataset: OWNER/NAME'" in here("plan", both).complaint()
    assert "only a dataset has a subset and a split" in here("plan", table(tmp_path, split="test")).complaint()


@pytest.mark.parametrize("other", ["x ", " x", "x\u200b", "x\ufeff ", "x\U000e0041", "\u202ax"])
def test_answers_that_look_the_same_are_refused_by_line(tmp_path: Path, other: str) -> None:
    assert bad(tmp_path, {**ROW, "answers": ["x", other], "gold": 0}).endswith(
        "rows.jsonl:1: answers: two of the answers are the same, at least to the eye"
    )


def test_one_letter_in_two_ways_to_write_it_is_one_answer(tmp_path: Path) -> None:
    said = bad(tmp_path, {**ROW, "answers": ["caf\u00e9", "cafe\u0301"], "gold": 0})
    assert "two of the answers are the same" in said


def test_rows_that_contradict_each_other_are_refused_by_line(tmp_path: Path) -> None:
    asked, other = {**ROW, "answers": ["x", "y"], "gold": 0}, {**ROW, "answers": ["y", "x"], "gold": 0}
    path = jsonl(tmp_path / "rows.jsonl", [asked, {**ROW, "prompt": "Another?"}, other])
    assert complaint(Table, path=path) == (
        f"{path}:3: asks what row 1 asks, but the right answer there is 'x', not 'y'"
    )
    # The same answer in another order is the same question again; so is one about other material.
    same = jsonl(tmp_path / "same.jsonl", [asked, {**other, "gold": 1}, {**other, "material": "Another story."}])
    assert [right(item) for item in items(Table, path=same)] == ["x", "x", "y"]
    with pytest.warns(UserWarning, match="left out 1 rows"):
        assert len(items(Table, path=path, skip_bad_rows=True)) == 2


def test_a_file_that_is_not_utf_8_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes('{"prompt": "Où?"}\n'.encode("latin-1"))
    assert "rows.jsonl" in here("plan", table(tmp_path)).complaint()


def test_a_column_for_each_answer(tmp_path: Path) -> None:
    row = {"prompt": "P?", "good": "yes", "bad": "no", "worse": "never", "key": "C"}
    item = one(tmp_path, row, answers=["good", "bad", "worse"])
    assert (texts(item), right(item)) == (["yes", "no", "never"], "yes")
    assert right(one(tmp_path, row, answers=["good", "bad", "worse"], gold="key")) == "never"
    assert "no field 'wurst' - did you mean 'worse'?" in bad(tmp_path, row, answers=["good", "wurst"])
    assert "blank" in bad(tmp_path, {**row, "bad": " "}, answers=["good", "bad"])


def test_booleans_are_named_by_the_user(tmp_path: Path) -> None:
    row = {"prompt": "P?", "answer": False}
    named = {"gold": "answer", "rename": {"true": "yes", "false": "no"}}
    item = one(tmp_path, row, choices=["yes", "no"], **named)
    assert (texts(item), right(item)) == (["yes", "no"], "no")
    assert texts(one(tmp_path, {**row, "answers": [True, False]}, **named)) == ["yes", "no"]
    assert texts(one(tmp_path, {**row, "answers": [True, False]}, gold="answer")) == ["true", "false"]
    assert "not one of" in bad(tmp_path, row, choices=["yes", "no"], gold="answer")


def test_columns_inside_others(tmp_path: Path) -> None:
    row = {
        "question": {"stem": "P?"},
        "choices": {"text": ["x", "y"], "label": ["A", "B"]},
        "options": [{"body": "u"}, {"body": "v"}],
        "a.b": "exact",
        "key": "B",
    }
    item = one(tmp_path, row, prompt="question.stem", answers="choices.text", gold="key", material="a.b")
    assert (item.question.prompt, texts(item), right(item), item.question.material) == ("P?", ["x", "y"], "y", "exact")
    assert texts(one(tmp_path, row, prompt="a.b", answers="options.body", gold="key")) == ["u", "v"]
    assert texts(one(tmp_path, row, prompt="options.1.body", answers="choices.text", gold="key")) == ["x", "y"]
    said = bad(tmp_path, row, prompt="a.b", answers="choices.texts", gold="key")
    assert "no field 'choices.texts' - did you mean 'choices.text'?" in said
    assert "no field 'options.5.body'" in bad(tmp_path, row, prompt="options.5.body", answers="choices.text")


def test_solutions_of_their_own(tmp_path: Path) -> None:
    row = {**ROW, "work": ["1", None, "3"], "s1": "one", "s2": "two", "s3": "three"}
    solutions = [answer.solution for answer in one(tmp_path, row, solutions="work").question.answers]
    assert solutions == ["1", None, "3"]
    solutions = [answer.solution for answer in one(tmp_path, row, solutions=["s1", "s2", "s3"]).question.answers]
    assert solutions == ["one", "two", "three"]
    assert "2 solutions to 3 answers" in bad(tmp_path, row, solutions=["s1", "s2"])


def test_a_column_that_was_named_must_be_there(tmp_path: Path) -> None:
    row = {**ROW, "story": None}
    assert one(tmp_path, row, material="story").question.material is None
    assert "no field 'stry' - did you mean 'story'?" in bad(tmp_path, row, material="stry")
    for option in ("cluster", "id", "gold"):
        assert "no field 'nowhere'" in bad(tmp_path, ROW, **{option: "nowhere"})


def test_a_question_without_id_or_cluster_has_its_own(tmp_path: Path) -> None:
    item = one(tmp_path, {**ROW, "id": None, "cluster": ""})
    assert (item.question.id, item.question.cluster) == ("row-1", "row-1")


CSV = """\
﻿prompt,answers,gold,first,second
"Où, ""quoted""?","[""a"", ""b""]",b,x,y
Two?,"[1, 2]",2,z,w
"""


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(CSV, encoding="utf-8", newline="")
    first, second = items(Table, path=path)
    assert (first.question.prompt, texts(first), right(first)) == ('Où, "quoted"?', ["a", "b"], "b")
    assert (second.question.id, texts(second), right(second)) == ("row-3", ["1", "2"], "2")
    assert [right(item) for item in items(Table, path=path, answers=["first", "second"])] == ["x", "z"]
    path.write_text("prompt,answers,gold\nP?,\"['a', 'b']\",b\n")
    assert "not written as JSON" in complaint(Table, path=path)


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_pylist([{**ROW, "prompt": f"P{n}", "id": n, "gold": n} for n in range(3)]),
        tmp_path / "rows.parquet",
    )
    found = items(Table, path=tmp_path / "rows.parquet")
    assert [(item.question.id, right(item)) for item in found] == [("0", "a"), ("1", "b"), ("2", "c")]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads its settings when it is imported, and keeps what it converts."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("offline")
def test_a_hugging_face_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    jsonl(folder / "train.jsonl", [{**ROW, "prompt": f"P{n}", "gold": n} for n in range(2)])
    jsonl(folder / "test.jsonl", [{**ROW, "gold": 2}])
    assert [right(item) for item in items(Table, dataset=str(folder), split="train")] == ["a", "b"]
    ((only,)) = items(Table, dataset=str(folder), split="test")
    assert right(only) == "c"
    assert "several splits: name one of train, test" in complaint(Table, dataset=str(folder))
    assert "cannot be loaded" in complaint(Table, dataset=str(folder), split="dev")

    (folder / "test.jsonl").unlink()
    assert len(items(Table, dataset=str(folder))) == 2
    jsonl(folder / "train.jsonl", [ROW, {**ROW, "gold": 9}])
    assert complaint(Table, dataset=str(folder)).startswith(f"{folder}: record 2: gold is 9")


@pytest.mark.usefixtures("offline")
def test_a_hugging_face_dataset_that_is_not_there() -> None:
    assert complaint(Table, dataset="nobody/nothing").startswith("dataset 'nobody/nothing' cannot be loaded: ")


def test_the_package_for_it_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "pip install 'oversight[data]'" in complaint(Table, dataset="a/b")


def test_what_the_terminal_shows() -> None:
    shown = here("tasks", "table").out
    assert json.dumps(Table.sample["prompt"]) in shown
    assert "── example: tides-1" in shown
    assert "place | number | letter | text" in shown
