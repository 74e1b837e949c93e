"""ProcessBench: solutions whose first wrong step experts marked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli.running import here
from pydantic import ValidationError

from oversight.core.question import Item
from oversight.tasks import processbench
from oversight.tasks.processbench import ProcessBench
from tasks import reading
from tasks.reading import complaint, items, right, texts
from tasks.serving import FileServer

UNNAMED = "The answer that the solution ends in"


def solution(label: int = 1, correct: bool = False, **changes: Any) -> dict[str, Any]:
    told = {"label": label, "final_answer_correct": correct, "steps": ["so", "and so", "thus \\boxed{7}"], **changes}
    return reading.record(ProcessBench, **told)


def write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def one(folder: Path, record: dict[str, Any]) -> Item:
    (item,) = items(ProcessBench, path=write(folder / "math.json", record))
    return item


@pytest.mark.parametrize("correct", [True, False])
@pytest.mark.parametrize(("label", "mistake"), [(-1, None), (0, 0), (2, 2)])
def test_where_it_errs_and_whether_it_ends_well_are_two_things(
    tmp_path: Path, label: int, mistake: int | None, correct: bool
) -> None:
    item = one(tmp_path, solution(label, correct))
    assert item.mistakes == (mistake,)
    assert right(item) == ("7" if correct else "Another answer")
    (worked,) = item.question.worked
    assert (texts(item)[worked.answer], worked.steps) == ("7", ("so", "and so", "thus \\boxed{7}"))


def test_the_question_is_the_problem_alone(tmp_path: Path) -> None:
    item = one(tmp_path, solution())
    assert item.question.prompt == ProcessBench.sample["problem"]
    assert item.question.material is None
    assert "nobody" not in repr(item)


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        (["\\boxed{3}", "no, $\\boxed{\\frac{1}{2}}$."], "\\frac{1}{2}"),
        (["\\boxed{3}", "no, $\\boxed{4$."], "3"),
        (["$\\boxed {x =\n 5}$ and \\fbox{6}"], "x = 5"),
        (["$\\fboxed{6}$"], "6"),
        (["\\boxed{}"], UNNAMED),
        (["\\boxed{3}", "\\boxed{  }"], UNNAMED),
        (["\\boxed{{{", "}"], UNNAMED),
        (["\\boxed 5"], UNNAMED),
        (["", " "], UNNAMED),
    ],
)
def test_the_final_answer_is_the_last_closed_box(tmp_path: Path, steps: list[str], answer: str) -> None:
    assert texts(one(tmp_path, solution(-1, steps=steps))) == [answer, "Another answer"]


def test_many_open_boxes_take_no_longer(tmp_path: Path) -> None:
    assert texts(one(tmp_path, solution(-1, steps=["\\boxed{" * 2_000])))[0] == UNNAMED


def test_solutions_to_one_problem_are_one_cluster(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", solution(), solution(problem="Other?"), solution(-1, True))
    first, other, third = items(ProcessBench, path=path)
    assert first.question.cluster == third.question.cluster != other.question.cluster
    assert [item.question.id for item in (first, other, third)] == ["x/1", "x/2", "x/3"]


def test_subsets_are_files_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "math.json", solution(), solution())
    (tmp_path / "gsm8k.jsonl").write_text(json.dumps(solution()) + "\n")
    pq.write_table(pa.Table.from_pylist([solution()]), tmp_path / "omnimath.parquet")
    found = items(ProcessBench, path=tmp_path, subsets=["omnimath", "math", "gsm8k", "math"])
    assert [item.question.id for item in found] == ["omnimath/1", "math/1", "math/2", "gsm8k/1"]
    assert "no file olympiadbench.json in this folder" in complaint(ProcessBench, path=tmp_path)
    assert len(items(ProcessBench, path=tmp_path / "omnimath.parquet")) == 1


def test_a_json_file_may_hold_an_object_a_line(tmp_path: Path) -> None:
    lines = "\n" + "".join(json.dumps(solution()) + "\n" for _ in range(2))
    (tmp_path / "math.json").write_text("\ufeff" + lines, encoding="utf-8")
    assert [item.question.id for item in items(ProcessBench, path=tmp_path, subsets=["math"])] == ["math/2", "math/3"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label": 3}, "label is 3, but there are 3 steps, counted from 0"),
        ({"label": -2}, "label: Input should be greater than or equal to -1"),
        ({"steps": []}, "steps"),
        ({"steps": "so"}, "steps"),
        ({"problem": ""}, "problem"),
        ({"final_answer_correct": 1}, "final_answer_correct"),
        ({"final_answer_correct": None}, "no field 'final_answer_correct'"),
        ({"steps": ["\\boxed{Another answer}"], "label": 0}, "two of the answers are the same"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    heard = complaint(ProcessBench, path=write(tmp_path / "math.json", solution(), solution(**changes)))
    assert heard.startswith(f"{tmp_path / 'math.json'}: record 2: ")
    assert said in heard


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"a": [', b"\xff\xfe", b'"x"'])
def test_files_of_another_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "math.json").write_bytes(content)
    assert complaint(ProcessBench, path=tmp_path / "math.json").startswith(str(tmp_path / "math.json"))
    for missing in ("none.json", "none"):
        assert "there is no such file or folder" in complaint(ProcessBench, path=tmp_path / missing)


def test_downloads_are_kept_by_the_names_that_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, server: FileServer, data: Path
) -> None:
    monkeypatch.setattr(processbench, "_URL", server.url("/main"))
    for subset in ("gsm8k", "math", "olympiadbench", "omnimath"):
        server.files[f"/main/{subset}.json"] = json.dumps([solution()]).encode()
    for _ in range(2):
        found = items(ProcessBench)
        assert [item.question.id for item in found] == ["gsm8k/1", "math/1", "olympiadbench/1", "omnimath/1"]
    assert len(server.asked) == 4
    assert (data / "processbench" / "math.json").is_file()
    assert len(items(ProcessBench, path=data)) == 4


def test_unknown_options_are_refused() -> None:
    for wrong in ({"subsets": ["maths"]}, {"subsets": []}, {"subset": "math"}):
        with pytest.raises(ValidationError):
            ProcessBench.Options(**wrong)


def test_the_example_is_ours_and_the_terminal_shows_it() -> None:
    item = ProcessBench.example()
    assert item is not None
    assert (texts(item), item.gold, item.mistakes) == (["7", "Another answer"], 1, (1,))
    ran = here("tasks", "processbench")
    assert ran.code == 0, ran
    assert "subsets" in ran.out
    assert "Moles eat 5" in ran.out
