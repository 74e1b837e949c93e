"""StrategyQA: yes-or-no questions, with facts and steps as the material."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oversight.tasks.strategyqa import StrategyQA
from tasks.reading import complaint, items, published, record, right


def written(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "s.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def test_the_published_files(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = published("strategyqa")
    dev, train = (items(StrategyQA, path=folder, split=split) for split in ("dev", "train"))
    assert (len(dev), len(train)) == (229, 2061)
    assert [sum(right(item) == "Yes" for item in found) for found in (dev, train)] == [107, 964]
    assert len({item.question.id for item in dev + train}) == 2290
    assert all(item.question.material for item in dev + train)
    monkeypatch.setenv("OVERSIGHT_DATA", str(folder.parent))
    assert items(StrategyQA) == dev
    assert items(StrategyQA, split="train") == train


def test_the_material(tmp_path: Path) -> None:
    path = written(tmp_path, record(StrategyQA, facts=["One.", "Two."], decomposition=["Who?", "Is #1 tall?"]))

    def material(**options: bool) -> str | None:
        (item,) = items(StrategyQA, path=path, **options)
        return item.question.material

    assert material() == "Facts:\n- One.\n- Two."
    steps = "Steps, where #1 stands for the answer to the first:\n#1 Who?\n#2 Is #1 tall?"
    assert material(decomposition=True) == f"Facts:\n- One.\n- Two.\n\n{steps}"
    assert material(facts=False, decomposition=True) == steps
    assert material(facts=False) is None


def test_records_without_facts_have_no_material(tmp_path: Path) -> None:
    (item,) = items(StrategyQA, path=written(tmp_path, record(StrategyQA, facts=None, decomposition=None)))
    assert item.question.material is None


def test_the_id_and_the_answers_do_not_depend_on_which_is_right(tmp_path: Path) -> None:
    (yes,) = items(StrategyQA, path=written(tmp_path, record(StrategyQA, answer=True)))
    (no,) = items(StrategyQA, path=written(tmp_path, record(StrategyQA, answer=False)))
    assert yes.question == no.question
    assert (right(yes), right(no)) == ("Yes", "No")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"answer": "yes"}, "s.json: record 1: answer: Input should be a valid boolean"),
        ({"answer": 1}, "answer: Input should be a valid boolean"),
        ({"question": ""}, "prompt"),
        ({"qid": None}, "there is no field 'qid'"),
        ({"facts": "One."}, "facts: Input should be a valid list"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert said in complaint(StrategyQA, path=written(tmp_path, record(StrategyQA, **changes)))
