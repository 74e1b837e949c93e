"""GSM8K: pairs of a right and a wrong worked solution."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from oversight.tasks.gsm8k import Gsm8k
from tasks.reading import complaint, items, jsonl, published, record, right, texts

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def solved(*solutions: tuple[bool, str], truth: str = "1+1=<<1+1=2>>2\nA: 2") -> dict[str, Any]:
    """A problem whose four models wrote these solutions; the last one is repeated."""
    padded = [*solutions, *[solutions[-1]] * (len(MODELS) - len(solutions))]
    written = [{"is_correct": right, "solution": text} for right, text in padded]
    return record(Gsm8k, ground_truth=truth, **dict(zip(MODELS, written, strict=True)))


def one(folder: Path, fields: dict[str, Any], **options: Any) -> Any:
    (item,) = items(Gsm8k, path=jsonl(folder / "s.jsonl", [fields]), **options)
    return item


def test_the_published_file() -> None:
    folder = published("gsm8k")
    found = items(Gsm8k, path=folder)
    assert len(found) == 731
    assert all(len(set(texts(item))) == 2 and all(a.solution for a in item.question.answers) for item in found)
    assert not any("<<" in str(a.solution) or "\nA:" in str(a.solution) for i in found for a in i.question.answers)
    assert len(items(Gsm8k, path=folder, right="reference")) == 1163
    assert any("<<" in str(a.solution) for i in items(Gsm8k, path=folder, calculator=True) for a in i.question.answers)


def test_the_published_file_is_known_by_its_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERSIGHT_DATA", str(published("gsm8k").parent))
    assert len(items(Gsm8k)) == 731


def test_seeds_draw_other_solutions_and_the_right_one_s_kind_does_not() -> None:
    folder = published("gsm8k")
    first, second = items(Gsm8k, path=folder), items(Gsm8k, seed=1, path=folder)
    assert [item.question.id for item in first] == [item.question.id for item in second]
    assert 0 < sum(one != other for one, other in zip(first, second, strict=True)) < len(first)
    by_people = {item.question.id: item for item in items(Gsm8k, path=folder, right="reference")}
    for item in first:
        other = by_people[item.question.id]
        assert right(item) == right(other)
        assert item.question.answers[1 - item.gold] == other.question.answers[1 - other.gold]


def test_every_wrong_solution_may_be_drawn(tmp_path: Path) -> None:
    fields = solved((True, "A: 2"), (False, "A: 3"), (False, "A: 4"), (False, "A: 5"))
    path = jsonl(tmp_path / "s.jsonl", [fields])
    assert {texts(item)[1] for seed in range(40) for item in items(Gsm8k, seed, path=path)} == {"3", "4", "5"}


def test_notes_and_the_closing_line_are_taken_off(tmp_path: Path) -> None:
    fields = solved((True, "1+1=<<1+1=2>>2 in all\nA: 2"), (False, "1*1=<<1*1=1>>1\nA: 1\n"))
    assert [a.solution for a in one(tmp_path, fields).question.answers] == ["1+1=2 in all", "1*1=1"]
    kept = one(tmp_path, fields, calculator=True)
    assert [a.solution for a in kept.question.answers] == ["1+1=<<1+1=2>>2 in all", "1*1=<<1*1=1>>1"]
    bare = one(tmp_path, solved((True, "A: 2"), (False, "A: 3")))
    assert [(a.text, a.solution) for a in bare.question.answers] == [("2", None), ("3", None)]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1,000", "1000"),
        ("$3.50", "3.5"),
        (" 7.0 ", "7"),
        ("-1.8 billion", "-1.8 billion"),
        ("1/5", "1/5"),
        ("NaN", "NaN"),
    ],
)
def test_results_are_written_alike(tmp_path: Path, written: str, shown: str) -> None:
    assert texts(one(tmp_path, solved((True, "A: 2"), (False, f"A: {written}"))))[1] == shown


def test_results_that_are_written_otherwise_are_the_same(tmp_path: Path) -> None:
    fields = solved((True, "A: 2,000.0"), (False, "A: 3"), truth="A: 2000")
    assert right(one(tmp_path, fields)) == "2000"


def test_what_has_no_pair_is_left_out(tmp_path: Path) -> None:
    only_right, only_wrong = solved((True, "A: 2")), solved((False, "A: 3"))
    endless = solved((True, "A: 2"), (False, "3.333333333333"))
    path = jsonl(tmp_path / "s.jsonl", [only_right, only_wrong, endless])
    assert items(Gsm8k, path=path) == []
    (item,) = items(Gsm8k, path=path, right="reference")
    assert item.question.id == "test-2"


def test_what_cannot_be_used(tmp_path: Path) -> None:
    def said(fields: dict[str, Any]) -> str:
        return complaint(Gsm8k, path=jsonl(tmp_path / "s.jsonl", [fields]))

    assert "s.jsonl:1: 6b_finetuning: is_correct is True, but its result is 3" in said(solved((True, "A: 3")))
    assert "ground_truth does not end in a line 'A: …'" in said(solved((True, "A: 2"), truth="2"))
    assert "no field '175b_verification'" in said(record(Gsm8k, **{"175b_verification": None}))
    assert "'6b_finetuning' is not a solution" in said(record(Gsm8k, **{"6b_finetuning": {"solution": "A: 2"}}))
    assert "prompt" in said({**record(Gsm8k), "question": ""})


def checked(item: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Each solution to check: the result it ends in, and its steps."""
    return [(texts(item)[worked.answer], worked.steps) for worked in item.question.worked]


def test_candidates_are_all_solutions_with_a_result(tmp_path: Path) -> None:
    fields = solved(
        (True, "1+1=<<1+1=2>>2\nSo 2.\nA: 2"), (False, "1*1=<<1*1=1>>1\nA: 1"), (False, "no"), (False, "A: 1.0")
    )
    item = one(tmp_path, fields, asks="candidates")
    assert texts(item)[-1] == "None of these"
    assert sorted(texts(item)) == ["1", "2", "None of these"]
    assert sorted(checked(item)) == [("1", ()), ("1", ("1*1=1",)), ("2", ("1+1=2", "So 2."))]
    assert (right(item), item.mistakes) == ("2", ())
    assert all(answer.solution is None for answer in item.question.answers)
    kept = one(tmp_path, fields, asks="candidates", calculator=True)
    assert ("2", ("1+1=<<1+1=2>>2", "So 2.")) in checked(kept)


def test_none_of_the_candidates_may_be_right(tmp_path: Path) -> None:
    item = one(tmp_path, solved((False, "A: 3"), (False, "A: 4")), asks="candidates")
    assert (sorted(texts(item)[:-1]), right(item)) == (["3", "4"], "None of these")
    alike = one(tmp_path, solved((True, "A: 2")), asks="candidates")
    assert (texts(alike), right(alike), len(alike.question.worked)) == (["2", "None of these"], "2", 4)
    path = jsonl(tmp_path / "s.jsonl", [solved((False, "no end"))])
    assert items(Gsm8k, path=path, asks="candidates") == []


def test_halves_are_the_odd_and_the_even_lines(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "s.jsonl", [solved((True, "A: 2"), (False, "A: 3"))] * 5)

    def named(**options: Any) -> list[str]:
        return [item.question.id for item in items(Gsm8k, path=path, **options)]

    assert named(half="odd") == ["test-1", "test-3", "test-5"]
    assert named(half="even", asks="candidates") == ["test-2", "test-4"]
    assert named() == [f"test-{number}" for number in range(1, 6)]


def test_the_order_of_candidates_is_drawn_and_tells_nothing(tmp_path: Path) -> None:
    fields = solved((True, "a\nA: 2"), (False, "b\nA: 3"), (False, "c\nA: 4"), (False, "d\nA: 5"))
    path = jsonl(tmp_path / "s.jsonl", [fields] * 240)
    found = items(Gsm8k, path=path, asks="candidates")
    results = Counter(item.gold for item in found)
    first = Counter(texts(item)[item.question.worked[0].answer] for item in found)
    assert set(results) == {0, 1, 2, 3}
    assert set(first) == {"2", "3", "4", "5"}
    assert all(35 < count < 85 for count in (*results.values(), *first.values()))
    other = items(Gsm8k, seed=1, path=path, asks="candidates")
    assert [item.question.id for item in other] == [item.question.id for item in found]
    assert other != found


def test_who_wrote_a_solution_does_not_tell_its_place(tmp_path: Path) -> None:
    solutions = [(True, "a\nA: 2"), (False, "b\nA: 3"), (False, "c\nA: 4"), (False, "d\nA: 5")]
    there = one(tmp_path, solved(*solutions), asks="candidates")
    back = one(tmp_path, solved(*reversed(solutions)), asks="candidates")
    assert there == back


def test_candidates_are_what_models_wrote() -> None:
    with pytest.raises(ValidationError, match="right: reference is for asks: pair"):
        Gsm8k.Options(asks="candidates", right="reference")


@pytest.mark.parametrize("result", ["sNaN", "NaN", "1e999999999", "-0", "0.00", "Infinity"])
def test_results_that_are_hard_to_compare_end_nothing(tmp_path: Path, result: str) -> None:
    fields = solved((True, f"A: {result}"), (False, "A: 3"), truth=f"A: {result}")
    item = one(tmp_path, fields, asks="candidates")
    assert right(item) == ("0" if result in ("-0", "0.00") else result)


def test_the_published_solutions_to_check() -> None:
    folder = published("gsm8k")
    found = items(Gsm8k, path=folder, asks="candidates", calculator=True)
    assert len(found) == 1319
    assert sum(len(item.question.worked) for item in found) == 5265
    assert sum(right(item) == "None of these" for item in found) == 432
    by_right = Counter(worked.answer == item.gold for item in found for worked in item.question.worked)
    assert by_right == {True: 2001, False: 3264}
    assert any("<<" in step for item in found for worked in item.question.worked for step in worked.steps)
    assert not any(
        ">>" in str(one) for item in items(Gsm8k, path=folder, asks="candidates") for one in item.question.worked
    )
    assert not any(step.startswith("A:") for item in found for worked in item.question.worked for step in worked.steps)
    assert 0.2 < sum(item.gold == 0 for item in found) / len(found) < 0.45
