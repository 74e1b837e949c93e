"""docs/measures.md names every measure, its example runs, and its coverage table is the benchmark's kind of table."""

from __future__ import annotations

import re
from pathlib import Path
from types import FunctionType

import pytest

from oversight.execution.run import RunSettings
from oversight.stats import (
    agreement,
    asd,
    bias,
    calibration,
    compare,
    cost,
    crossed,
    decomposition,
    equivalence,
    failures,
    goodhart,
    mixed,
    multiplicity,
    oversight_elo,
    persuasiveness,
    planning,
    ratings,
    recovery,
    schedules,
    scores,
    tiers,
)
from oversight.training.run_experiment import run_experiment

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "measures.md").read_text(encoding="utf-8")
MODULES = (
    *(agreement, asd, bias, calibration, compare, cost, crossed, decomposition, equivalence, failures, goodhart),
    *(mixed, multiplicity, oversight_elo, persuasiveness, planning, ratings, recovery, schedules, scores, tiers),
)
# What measures are made of, or another form of one.
PARTS = {
    "cluster_test",
    "win_probability",
    "brier",
    "log_odds",
    "log_score",
    "judge_score",
    "expected_calibration_error",
}

EXPERIMENT = """\
name: measured
task: {name: digits, images: 6, lies: random}
models: {judge: embedded/pixel-judge, strong: embedded/pixel-debater}
protocols: [direct, {consultancy: {rounds: 2}}, {debate: {rounds: 1}}]
"""


def test_every_measure_is_in_the_docs() -> None:
    measures = [
        name
        for module in MODULES
        for name in module.__all__
        if isinstance(getattr(module, name), FunctionType) and name not in PARTS
    ]
    assert len(measures) > 25
    assert [name for name in measures if not re.search(rf"\b{name}\b", PAGE)] == []


def test_every_measure_names_its_formula_unit_source_and_when_it_misleads() -> None:
    tables = re.findall(r"^\| measure \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    rows = [line.strip("|").split(" | ") for table in tables for line in table.splitlines()]
    assert len(rows) >= 20
    assert [row[0] for row in rows if len(row) != 5 or not row[1].strip() or not row[4].strip()] == []


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.yaml").write_text(EXPERIMENT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    run_experiment(Path("e.yaml"), RunSettings(Path("oversight-store"), "local"))
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    capsys.readouterr()
    exec(compile(example, "docs/measures.md", "exec"), {})
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 4
    assert re.fullmatch(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", shown[0])
