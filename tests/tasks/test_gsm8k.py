"""GSM8K: pairs of a right and a wrong worked solution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
