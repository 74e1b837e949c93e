"""Questions from a file of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli.running import here

from experiment.files import experiment, planned, questions, rows


def jsonl(folder: Path, **options: Any) -> Path:
    return experiment(folder, task={"name": "jsonl", "path": "rows.jsonl", **options}, protocols=["direct"])


def golds(path: Path) -> dict[str, str]:
    """The right answer's text by question."""
    items = (item for _, item in planned(path).items.values())
    return {item.question.id: item.question.answers[item.gold].text for item in items}


def test_gold_by_place_or_by_text(tmp_path: Path) -> None:
    by_place, by_text = rows(2)
    by_place["gold"], by_text["gold"] = 1, "not 1"
    questions(tmp_path, [by_place, by_text])
    assert golds(jsonl(tmp_path)) == {"q0": "not 0", "q1": "not 1"}


def test_a_relative_path_starts_at_the_experiment_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    questions(tmp_path / "sub", rows(2))
    monkeypatch.chdir(tmp_path)
    assert len(golds(jsonl(Path("sub")))) == 2
    assert len(golds(jsonl(tmp_path / "sub"))) == 2


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
    ((task, item),) = planned(jsonl(tmp_path, **names, **rest)).items.values()
    assert (task, item.question.id, item.question.cluster) == ("jsonl", "17", "s1")
    assert item.question.material == "Ben did it."
    assert item.question.answers[0].solution == "She said so."
    assert item.gold == 1


def test_rows_without_an_id_go_by_their_line(tmp_path: Path) -> None:
    asked = [{key: value for key, value in row.items() if key != "id"} for row in rows(2)]
    (tmp_path / "rows.jsonl").write_text("\n")
    path = questions(tmp_path, asked)
    path.write_text("\n" + path.read_text())
    assert set(golds(jsonl(tmp_path))) == {"line-2", "line-3"}


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
    said = here("plan", jsonl(tmp_path)).complaint()
    assert said.startswith(f"{path}:2: ")
    assert words in said


def test_bad_rows_are_skipped_only_if_asked_and_counted(tmp_path: Path) -> None:
    path = questions(tmp_path, rows(2))
    path.write_text(path.read_text() + "{not json\n[]\n")
    here("plan", jsonl(tmp_path)).complaint()
    with pytest.warns(UserWarning, match=r"left out 2 rows .* line 3"):
        assert set(golds(jsonl(tmp_path, skip_bad_rows=True))) == {"q0", "q1"}


def test_what_else_cannot_be_used(tmp_path: Path) -> None:
    assert "cannot be read" in here("plan", jsonl(tmp_path)).complaint()
    questions(tmp_path, [])
    assert "no questions" in here("plan", jsonl(tmp_path)).complaint()
    questions(tmp_path, rows(1) * 2)
    assert "share the id 'q0'" in here("plan", jsonl(tmp_path)).complaint()
    no_path = experiment(tmp_path, task={"name": "jsonl"}, protocols=["direct"])
    said = here("plan", no_path).complaint()
    assert said.startswith(f"{no_path}:")
    assert "path" in said


def test_a_file_that_is_not_utf_8_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes('{"prompt": "Où?"}\n'.encode("latin-1"))
    assert "rows.jsonl" in here("plan", jsonl(tmp_path)).complaint()
