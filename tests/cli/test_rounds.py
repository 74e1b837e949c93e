"""``plan``, ``run`` and ``report`` on an iterated run, beside plain ones in the same store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from training.staging import HELD, TRAIN, command, lay_out_files

from cli.running import Ran, here

pytestmark = pytest.mark.long

FEW, TWO = TRAIN[:2], HELD[:2]


class Both(NamedTuple):
    """A store with an iterated run and a plain one on the same questions, and what running them printed."""

    experiment: Path
    store: Path
    ran: Ran
    plain: Ran

    def read(self, *arguments: object) -> Ran:
        return here(*arguments, "--store", self.store)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("both")
    ceiling = {"ceiling": {"model": "./model.py:Ceiling"}}
    experiment = lay_out_files(folder, train=FEW, held=TWO, models=ceiling)
    plain = folder / "plain.yaml"
    bound = {"judge": "./model.py:X0"}
    task = {"name": "table", "path": "held.jsonl"}
    entry = {"direct": {"sees": "material"}, "as": "before"}
    plain.write_text(yaml.safe_dump({"name": "plain", "task": task, "models": bound, "protocols": [entry]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERSIGHT_TEST_CALLS", str(folder / "calls"))
        return Both(
            experiment,
            folder / "store",
            command(experiment),
            here("run", plain, "--engine", "local", "--store", folder / "store"),
        )


def name(ran: Ran) -> str:
    return next(line for line in ran.out.splitlines() if line.startswith("run ")).removeprefix("run ")


def test_a_run_prints_its_arms_and_its_rounds(both: Both) -> None:
    assert both.ran.code == 0, both.ran
    for arm in ("X_0", "amplified X_0", "ceiling", "training, X_0", "X_1", "amplified X_1"):
        assert re.search(rf"^ {re.escape(arm)}  ", both.ran.out, re.MULTILINE), arm
    title = f"{name(both.ran)}: X_k on held-out questions, before (0) and after each round"
    assert title in both.ran.out
    table = both.ran.out.partition(title)[2].splitlines()
    header = next(line for line in table if "round" in line).split()
    assert header[:5] == ["round", "n", "alone", "amplified", "ceiling"]
    found = [line.split() for line in table if re.match(r"^ +[01] ", line)]
    assert [row[:2] for row in found] == [["0", "2"], ["1", "2"]]
    assert "12 episodes run with 28 model calls" in both.ran.out


def test_what_a_plain_run_has_asked_is_not_asked_again(both: Both) -> None:
    """X_0 alone is `direct` on those questions."""
    assert both.plain.code == 0, both.plain
    assert "0 episodes run with 0 model calls; 2 had been judged before" in both.plain.out
    assert "X_k" not in both.plain.out


def test_plan_says_what_all_rounds_take(both: Both) -> None:
    planned = here("plan", both.experiment, "--format", "json")
    *arms, total = planned.rows
    assert [(row["arm"], row["questions"], row["episodes"]) for row in arms] == [
        ("training, X_0 and on", 2, 2),
        ("X_0 and on", 2, 4),
        ("amplified X_0 and on", 2, 4),
        ("ceiling", 2, 2),
    ]
    assert (total["arm"], total["questions"], total["episodes"]) == ("total", 4, 12)
    more = here("plan", both.experiment, "--set", "iterate.rounds=3", "--format", "json").rows
    assert [row["episodes"] for row in more] == [6, 8, 8, 2, 24]
    assert f"run {name(both.ran)}" in here("plan", both.experiment).out
    for form in ("csv", "markdown"):
        assert "amplified X_0 and on" in here("plan", both.experiment, "--format", form).out


def test_plan_says_what_fails_in_its_dry_run(both: Both, tmp_path: Path) -> None:
    """As it does of any other experiment."""
    experiment = lay_out_files(tmp_path, train=FEW, held=TWO)
    (tmp_path / "broken.py").write_text(
        "from oversight.protocols.amplification import Amplification\n\n\n"
        "class Broken(Amplification):\n    name = 'broken'\n\n"
        "    async def run(self, episode):\n        raise RuntimeError('broken as told')\n"
    )
    planned = here("plan", experiment, "--set", "protocols=['./broken.py:Broken']")
    assert "broken as told" in planned.err


def test_a_report_has_the_plain_run_and_the_rounds(both: Both) -> None:
    said = both.read("report")
    assert said.code == 0, said
    assert f"run {name(both.plain)}" in said.out
    assert f"run {name(both.ran)}" in said.out
    assert said.out.count("X_k on held-out questions") == 1
    of_one = both.read("report", "--run", name(both.plain))
    assert "X_k" not in of_one.out
    assert both.read("report", "--run", name(both.ran)).out.count("X_k on held-out questions") == 1
    rows = both.read("report", "--format", "json").rows
    assert {row["arm"] for row in rows if row["run"] == name(both.plain)} == {"before"}
    arms = [row["arm"] for row in rows if row["run"] == name(both.ran)]
    assert arms == ["X_0", "amplified X_0", "ceiling", "training, X_0", "X_1", "amplified X_1"]
    by = both.read("report", "--by", "strong", "--format", "json")
    assert "./model.py:X1" in {row["strong"] for row in by.rows}
    for form in ("csv", "markdown"):
        assert both.read("report", "--format", form).code == 0


def test_rounds_are_there_for_queries(both: Both) -> None:
    found = both.read("sql", "SELECT round, who, n FROM round_scores ORDER BY ALL", "--format", "json").rows
    assert {(row["round"], row["who"]) for row in found} >= {(0, "alone"), (0, "ceiling"), (1, "amplified")}
    assert {row["n"] for row in found} == {2}


def test_an_episode_of_a_round_is_shown_and_exported(both: Both, tmp_path: Path) -> None:
    query = "SELECT min(episode_id) AS id FROM episodes WHERE arm = 'training, X_0'"
    (row,) = both.read("sql", query, "--format", "json").rows
    shown = both.read("show", row["id"])
    assert shown.code == 0, shown
    assert "training note" in shown.out
    written = both.read("export", name(both.ran), "--format", "episodes", "--output", tmp_path / "out.jsonl")
    assert written.code == 0, written
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 12


def test_a_run_that_waits_is_reported_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERSIGHT_TEST_CALLS", str(tmp_path / "calls"))
    path = lay_out_files(tmp_path, train=FEW, held=TWO, distil={"method": "export"})
    ran = command(path, "--limit", 1)
    assert (ran.code, ran.err.count("waiting: ")) == (0, 1), ran
    said = here("report", "--store", tmp_path / "store")
    assert said.code == 0
    assert re.search(r"^ +0 +1 ", said.out.partition("X_k on held-out")[2], re.MULTILINE), said.out
