"""Traces with the index of their first mistake."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from oversight.core.question import Item
from oversight.tasks.bigbench_mistake import BigBenchMistake, Subset
from tasks import reading
from tasks.reading import jsonl, published, right

STEP = re.compile(r"^Step (\d+):(?: (.*))?$", re.MULTILINE)


def trace(steps: int = 3, mistake: int | None = 1, **changes: Any) -> dict[str, Any]:
    told = [f"step {number} is said" for number in range(steps)]
    return {"input": "b a", "steps": told, "target": "a b", "answer": "a b", "mistake_index": mistake, **changes}


def write(folder: Path, *records: dict[str, Any], subset: str = "word_sorting") -> Path:
    return jsonl(folder / f"{subset}.jsonl", records).parent


def items(path: Path, **options: Any) -> list[Item]:
    return reading.items(BigBenchMistake, path=path, **options)


def complaint(path: Path, **options: Any) -> str:
    return reading.complaint(BigBenchMistake, path=path, **options)


def one(folder: Path, record: dict[str, Any], **options: Any) -> Item:
    (item,) = items(write(folder, record), subsets=["word_sorting"], **options)
    return item


def test_whether_there_is_a_mistake(tmp_path: Path) -> None:
    write(tmp_path, trace(), trace(mistake=None), trace(mistake=0))
    asked = items(tmp_path, subsets=["word_sorting"])
    assert [right(item) for item in asked] == [
        "A step has a mistake.",
        "No step has a mistake.",
        "A step has a mistake.",
    ]
    assert len({item.question.answers for item in asked}) == 1


@pytest.mark.parametrize(
    ("mistake", "answer"), [(0, "Step 1"), (1, "Step 2"), (2, "Step 3"), (None, "No step has a mistake.")]
)
def test_which_step_is_the_first_mistake(tmp_path: Path, mistake: int | None, answer: str) -> None:
    item = one(tmp_path, trace(mistake=mistake), asks="first_mistake")
    assert right(item) == answer
    assert [a.text for a in item.question.answers] == ["No step has a mistake.", "Step 1", "Step 2", "Step 3"]


def test_the_trace_can_be_read_off_the_prompt(tmp_path: Path) -> None:
    told = ["first", "", "two\nlines <tag>", "So the answer is a b"]
    prompt = one(tmp_path, trace() | {"steps": told}).question.prompt
    assert STEP.findall(prompt) == [("1", "first"), ("2", ""), ("3", "two lines <tag>"), ("4", "So the answer is a b")]
    assert "\nFinal answer: a b\n" in prompt
    assert prompt.startswith("Problem: Sort these words alphabetically: b a\n")
    for missing in ("", None):
        assert "\nFinal answer: (none)\n" in one(tmp_path, trace(answer=missing)).question.prompt


def test_a_trace_with_too_many_steps_is_left_out_and_counted_where_the_step_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, trace(steps=25, mistake=24), trace(steps=26, mistake=25))
    with pytest.warns(UserWarning, match="left out 1 traces of more than 25 steps"):
        (item,) = items(tmp_path, subsets=["word_sorting"], asks="first_mistake")
    assert (len(item.question.answers), right(item)) == (26, "Step 25")
    assert len(items(tmp_path, subsets=["word_sorting"])) == 2


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [("a b", True), (" a, b", True), ("a b.", True), ("b a", False), ("", False), (None, False)],
)
def test_a_label_that_the_final_answer_belies_is_left_out_unless_asked_for(
    tmp_path: Path, answer: str | None, agrees: bool
) -> None:
    write(tmp_path, trace(mistake=None, answer=answer))
    assert len(items(tmp_path, subsets=["word_sorting"])) == agrees
    assert len(items(tmp_path, subsets=["word_sorting"], keep_doubtful=True)) == 1
    write(tmp_path, trace(mistake=1, answer=answer))
    assert len(items(tmp_path, subsets=["word_sorting"])) == 1


def test_subsets_are_files_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path, trace(), subset="dyck_languages")
    write(tmp_path, trace(), trace(input="c b"), subset="logical_deduction")
    asked = items(tmp_path, subsets=["logical_deduction", "dyck_languages", "logical_deduction"])
    assert [item.question.id for item in asked] == ["logical_deduction/1", "logical_deduction/2", "dyck_languages/1"]
    assert "no file multistep_arithmetic.jsonl" in complaint(tmp_path, subsets=["multistep_arithmetic"])
    assert "give the folder" in complaint(tmp_path / "dyck_languages.jsonl")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not valid JSON"),
        (json.dumps(trace(mistake=3)), "mistake_index is 3, but there are 3 steps"),
        (json.dumps(trace(mistake=-1)), "mistake_index"),
        (json.dumps(trace(steps=0)), "steps"),
        (json.dumps({"input": "b a", "step": ["x"], "target": "", "answer": ""}), "no field 'steps'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = write(tmp_path, trace())
    file = path / "word_sorting.jsonl"
    file.write_text(file.read_text() + line + "\n")
    said = complaint(path, subsets=["word_sorting"])
    assert said.startswith(f"{file}:2: ")
    assert words in said


def test_the_steps_to_check_stand_beside_the_problem_alone(tmp_path: Path) -> None:
    told = ["first", "", "two\nlines <tag>", "So the answer is a b"]
    item = one(tmp_path, trace(mistake=2) | {"steps": told}, asks="steps")
    assert item.question.prompt == "Sort these words alphabetically: b a"
    assert [answer.text for answer in item.question.answers] == ["a b", "Another answer"]
    (worked,) = item.question.worked
    assert (worked.answer, worked.steps, item.mistakes) == (0, tuple(told), (2,))
    assert one(tmp_path, trace(mistake=None), asks="steps").mistakes == (None,)


@pytest.mark.parametrize(
    ("answer", "shown", "gold"),
    [("a b", "a b", 0), (" a,  b.", "a, b.", 0), ("b a", "b a", 1), ("", "(none)", 1), (None, "(none)", 1)],
)
@pytest.mark.parametrize("mistake", [0, None])
def test_a_final_answer_is_right_or_wrong_whatever_the_steps_are(
    tmp_path: Path, answer: str | None, shown: str, gold: int, mistake: int | None
) -> None:
    item = one(tmp_path, trace(mistake=mistake, answer=answer), asks="steps", keep_doubtful=True)
    assert (item.question.answers[0].text, item.gold, item.mistakes) == (shown, gold, (mistake,))


def test_steps_too_many_to_be_answers_can_be_checked(tmp_path: Path) -> None:
    item = one(tmp_path, trace(steps=40, mistake=39), asks="steps")
    assert (len(item.question.worked[0].steps), item.mistakes) == (40, (39,))


@pytest.mark.parametrize("asks", ["correctness", "first_mistake", "steps"])
def test_halves_are_lines_of_each_file(tmp_path: Path, asks: str) -> None:
    write(tmp_path, *[trace()] * 5, subset="dyck_languages")
    write(tmp_path, *[trace()] * 2)

    def named(half: str) -> list[str]:
        found = items(tmp_path, subsets=["dyck_languages", "word_sorting"], half=half, asks=asks)
        return [item.question.id for item in found]

    assert named("odd") == ["dyck_languages/1", "dyck_languages/3", "dyck_languages/5", "word_sorting/1"]
    assert named("even") == ["dyck_languages/2", "dyck_languages/4", "word_sorting/2"]
    assert set(named("all")) == {*named("odd"), *named("even")}


def test_halves_count_lines_and_not_traces(tmp_path: Path) -> None:
    file = write(tmp_path, trace()) / "word_sorting.jsonl"
    file.write_text("\n" + file.read_text() + json.dumps(trace(mistake=None, answer="")) + "\n" + file.read_text())
    found = items(tmp_path, subsets=["word_sorting"], half="even")
    assert [item.question.id for item in found] == ["word_sorting/2", "word_sorting/4"]


def test_too_long_traces_of_the_other_half_are_not_counted(tmp_path: Path) -> None:
    write(tmp_path, trace(steps=26), trace(), trace(steps=26))
    with pytest.warns(UserWarning, match="left out 2 traces"):
        items(tmp_path, subsets=["word_sorting"], asks="first_mistake", half="odd")
    assert len(items(tmp_path, subsets=["word_sorting"], asks="first_mistake", half="even")) == 1


def test_unknown_options_are_refused() -> None:
    for wrong in (
        {"subsets": ["dyck"]},
        {"subsets": []},
        {"asks": "mistake"},
        {"half": 1},
        {"subset": ["dyck_languages"]},
    ):
        with pytest.raises(ValidationError):
            BigBenchMistake.Options(**wrong)


def test_the_example_is_ours_and_needs_no_file() -> None:
    item = BigBenchMistake.example()
    assert item is not None
    assert right(item) == "A step has a mistake."


@pytest.mark.filterwarnings("ignore:bigbench_mistake")
def test_the_published_traces() -> None:
    path = published("bigbench_mistake")
    everything = items(path, keep_doubtful=True)
    mistakes = Counter((item.question.id.split("/")[0], bool(item.gold)) for item in everything)
    assert mistakes == {
        ("dyck_languages", False): 336,
        ("dyck_languages", True): 650,
        ("logical_deduction", False): 6,
        ("logical_deduction", True): 294,
        ("multistep_arithmetic", False): 62,
        ("multistep_arithmetic", True): 238,
        ("tracking_shuffled_objects", False): 40,
        ("tracking_shuffled_objects", True): 260,
        ("word_sorting", False): 34,
        ("word_sorting", True): 266,
    }
    assert len(everything) == 2186
    sure = items(path)
    assert (len(sure), sum(item.gold for item in sure)) == (2158, 1708)
    first = items(path, asks="first_mistake", keep_doubtful=True)
    assert (len(first), sum(bool(item.gold) for item in first)) == (1806, 1331)


@pytest.mark.filterwarnings("ignore:bigbench_mistake")
def test_every_published_trace_can_be_read_off_its_prompt() -> None:
    path = published("bigbench_mistake")
    records = {
        f"{subset}/{number}": json.loads(line)
        for subset in get_args(Subset)
        for number, line in enumerate((path / f"{subset}.jsonl").read_text(encoding="utf-8").splitlines(), start=1)
    }
    for item in items(path, asks="first_mistake"):
        record = records[item.question.id]
        steps = STEP.findall(item.question.prompt)
        assert [int(number) for number, _ in steps] == list(range(1, len(record["steps"]) + 1))
        assert [words for _, words in steps] == [" ".join(step.split()) for step in record["steps"]]
        index = record["mistake_index"]
        assert right(item) == ("No step has a mistake." if index is None else f"Step {index + 1}")
        assert record["input"] in item.question.prompt


def test_the_published_traces_as_steps_to_check() -> None:
    path = published("bigbench_mistake")
    found = items(path, asks="steps", keep_doubtful=True)
    assert len(found) == 2186
    outcomes = Counter((item.gold == 0, item.mistakes[0] is None) for item in found)
    assert outcomes == {(True, True): 450, (False, True): 28, (True, False): 217, (False, False): 1491}
    sure = {half: items(path, asks="steps", half=half) for half in ("all", "even", "odd")}
    assert {half: len(asked) for half, asked in sure.items()} == {"all": 2158, "even": 1079, "odd": 1079}
    halves = {item.question.id for half in ("even", "odd") for item in sure[half]}
    assert halves == {item.question.id for item in sure["all"]}
    lines = {subset: (path / f"{subset}.jsonl").read_text(encoding="utf-8").splitlines() for subset in get_args(Subset)}
    for item in found:
        subset, line = item.question.id.split("/")
        record = json.loads(lines[subset][int(line) - 1])
        assert list(item.question.worked[0].steps) == record["steps"]
        assert item.mistakes == (record["mistake_index"],)
        assert item.question.prompt.endswith(record["input"])
        assert "Final answer:" not in item.question.prompt
