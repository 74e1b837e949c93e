"""The script that says whether debate beats consultancy, as its readers run it."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.running import here

SCRIPT = Path(__file__).parents[2] / "experiments" / "debate_or_consultancy.py"
Asked = Callable[..., str]
NUMBER = r"(-?\d\.\d{3}) \[(-?\d\.\d{3}), (-?\d\.\d{3})\]"


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asked:
    def asked(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return capsys.readouterr().out

    return asked


def numbers(told: str, protocol: str, name: str) -> list[float]:
    """A number of one protocol with its interval."""
    part = next(part for part in told.split("\n\n") if part.startswith(f"{protocol}:"))
    found = re.search(rf"^  {re.escape(name)} +{NUMBER} +n = \d+, \w", part, re.MULTILINE)
    assert found is not None, part
    return [float(each) for each in found.groups()]


def test_debate_beats_consultancy_on_the_digits_and_the_numbers_are_the_report_s(tmp_path: Path, answer: Asked) -> None:
    told = answer("--store", tmp_path / "store", "--limit", 16)
    assert re.match(r"run quickstart-\w{8}: 80 verdicts, 0 episodes failed\n", told)
    said = re.search(rf"^Yes: debate beats consultancy here, by {NUMBER} in accuracy\.$", told, re.MULTILINE)
    assert said is not None, told
    report = {row["arm"]: row for row in here("report", "--store", tmp_path / "store", "--format", "json").rows}
    for arm, row in report.items():
        assert numbers(told, arm, "accuracy") == [round(row[each], 3) for each in ("accuracy", "low", "high")]
    assert float(said[1]) == pytest.approx(report["debate"]["accuracy"] - report["consultancy"]["accuracy"], abs=1e-3)
    # The consultant convinces the judge of either side, whichever it was assigned; two debaters, of the truth.
    assert numbers(told, "consultancy", "- nobody defends the truth")[0] == 0
    assert numbers(told, "consultancy", "- consultant defends the truth")[0] == 1
    assert numbers(told, "consultancy", "persuasion")[0] == 1
    assert numbers(told, "debate", "persuasion")[0] < 0.2
    assert "agent score difference, bits" in told
    (line,) = re.findall(r"^  difference of accuracies .* n = 16, (.*)$", told, re.MULTILINE)
    assert re.fullmatch(r"paired cluster score, 16 clusters; p = \S+ \(paired cluster score, 16 clusters\)", line)
    assert re.search(r"finds a difference of 0\.\d{3} or more above 0\.500 with 80 % power", told)


def test_a_run_that_is_there_is_read_and_a_small_difference_is_no_answer(tmp_path: Path, answer: Asked) -> None:
    store = tmp_path / "store"
    changes = ("--set", "models.strong.play=random", "--set", "task.images=12")
    assert here("run", "quickstart", "--engine", "local", "--store", store, *changes).code == 0
    (run,) = here("sql", "SELECT run_id FROM runs", "--store", store, "--format", "json").rows
    told = answer("--store", store, "--run", run["run_id"])
    assert told.startswith(f"run {run['run_id']}: 60 verdicts")
    assert re.search(r"n = 12, paired cluster score, 12 clusters; p = 0\.\d+ \(paired cluster score, 12", told)
    last = told.splitlines()[-1]
    assert re.fullmatch(rf"Cannot say: the difference in accuracy is {NUMBER}, and the interval holds 0\.", last), told


def test_a_run_that_nobody_knows_is_one_line(tmp_path: Path, answer: Asked) -> None:
    with pytest.raises(SystemExit, match="error: there is no store in"):
        answer("--store", tmp_path, "--run", "nothing")
