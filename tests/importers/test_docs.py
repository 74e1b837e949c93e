"""docs/importing.md is followed to the letter."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from cli.running import here
from pydantic import BaseModel

from importers.writing import JSONL, brought, only
from oversight.errors import FailureClass
from oversight.importers import jsonl_records
from oversight.importers.importer import Importer
from oversight.importers.jsonl import JsonLines
from oversight.reports.report import report
from oversight.store import open_store

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "schema",
    [
        jsonl_records.Line,
        jsonl_records.MessageRecord,
        jsonl_records.BeliefRecord,
        jsonl_records.VerdictRecord,
        jsonl_records.JudgementRecord,
        jsonl_records.CallEntry,
        jsonl_records.AnnotationRecord,
        JsonLines.Options,
    ],
)
def test_every_field_is_documented(schema: type[BaseModel]) -> None:
    assert [name for name in schema.model_fields if not re.search(rf'[`"]{name}[`"=]|--set {name}=', PAGE)] == []


def test_the_failures_named_are_classes() -> None:
    (cell,) = re.findall(r"^\| `failed` \|.*went wrong: (.*) or another", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", cell)) <= {each.value for each in FailureClass}


def test_the_example_line_can_be_imported(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, json.loads(blocks("json")[0]))
    found = only(store)
    assert [quote.verified for message in found.messages for quote in message.quotes] == [True, True]
    (row,) = report(store)
    assert (row.arm, row.n_correct, row.calls, row.cost_usd) == ("debate, 2 turns", 1, 1, 0.027)


def test_the_worked_example_works(tmp_path: Path) -> None:
    said = {"correct": "I quote <v_quote>the text</v_quote>.", "incorrect": "And I <u_quote>lie</u_quote>."}
    with (tmp_path / "judged.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["id", "story_title", "question", "correct answer", "negative answer", "transcript", "answer_judge"]
        )
        for swap, reply in ((False, "Answer: A"), (True, "Answer: A"), (True, "Neither.")):
            transcript = json.dumps({"swap": swap, "rounds": [said, said]})
            number = 1 if reply == "Answer: A" else 2
            table.writerow([number, "A story", "Who?" if number == 1 else "Why?", "Ann", "Ben", transcript, reply])
    (tmp_path / "convert.py").write_text(blocks("python")[0], encoding="utf-8")
    subprocess.run([sys.executable, "convert.py"], cwd=tmp_path, check=True, timeout=60)
    ran = here("import", JSONL, tmp_path / "judged.jsonl", "--store", tmp_path / "store")
    assert ran.code == 0, ran
    (row,) = report(open_store(tmp_path / "store"))
    assert (row.n, row.n_correct, row.n_failed) == (2, 1, 1)


def test_the_source_of_ones_own_works(tmp_path: Path) -> None:
    (tmp_path / "votes.py").write_text(blocks("python")[1], encoding="utf-8")
    (tmp_path / "votes.txt").write_text("Who? | Ann | Ben | Ann\nWhy? | Fear | Fun | Fun\n")
    ran = here("import", f"{tmp_path}/votes.py:Votes", tmp_path / "votes.txt", "--store", tmp_path / "store")
    assert ran.code == 0, ran
    (row,) = report(open_store(tmp_path / "store"))
    assert (row.n, row.n_correct) == (2, 1)


def test_the_sources_that_come_along_are_importers() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["oversight.imports"]
    for name, place in points.items():
        module, _, attribute = place.partition(":")
        found = getattr(import_module(module), attribute)
        assert issubclass(found, Importer)
        assert found.name == name
        assert f"oversight import {name} " in PAGE
