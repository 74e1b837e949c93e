"""Reading a task's questions, and the published files that some tests need."""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from oversight.core.question import Item
from oversight.errors import UsageError
from oversight.tasks.dataset_files import FileTask
from oversight.tasks.table import Table

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data"


def published(name: str) -> Path:
    """A folder of data as its authors released it; the test is skipped where it is absent."""
    folder = PUBLISHED / name
    if not folder.is_dir():
        pytest.skip(f"needs the published files in {folder}")
    return folder


def items(task: type[FileTask], seed: int = 0, **options: Any) -> list[Item]:
    return list(task(task.Options(**options)).items(seed))


def complaint(task: type[FileTask], **options: Any) -> str:
    """The one line that reading ends with."""
    with pytest.raises(UsageError) as caught:
        items(task, **options)
    said = str(caught.value)
    assert "\n" not in said
    return said


def record(task: type[FileTask], **changes: Any) -> dict[str, Any]:
    """The task's sample with some fields replaced, or left out where None."""
    fields = {**deepcopy(dict(task.sample)), **changes}
    return {name: value for name, value in fields.items() if value is not None}


def jsonl(path: Path, records: Iterable[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def texts(item: Item) -> list[str]:
    return [answer.text for answer in item.question.answers]


def right(item: Item) -> str:
    return texts(item)[item.gold]


ROW = {"prompt": "P?", "answers": ["a", "b", "c"], "gold": 0}


def one(folder: Path, row: dict[str, Any], **options: Any) -> Item:
    """The question in a table of one row."""
    (item,) = items(Table, path=jsonl(folder / "rows.jsonl", [row]), **options)
    return item


def bad(folder: Path, row: dict[str, Any], **options: Any) -> str:
    """What is said of a table of one row that cannot be used."""
    said = complaint(Table, path=jsonl(folder / "rows.jsonl", [row]), **options)
    assert said.startswith(f"{folder / 'rows.jsonl'}:1: ")
    return said
