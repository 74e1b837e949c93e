"""The embedded distiller as an experiment's method: what it refuses beforehand, and what a run that is killed keeps."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.running import here, oversight

from training.staging import command, rounds, scores

LEARNER = {"layers": 1, "width": 16, "heads": 2, "hidden": 16, "warm_up": 2}
DISTIL: dict[str, Any] = {"learner": LEARNER, "instances": 40, "questions": 4, "hardest": 2, "steps": 2, "batch": 8}
DISTIL["questions_evaluated"] = 20
SMALL = {"name": "union_find", "size": 6, "values": 4, "depth": 2}


def lay_out(folder: Path, **changed: Any) -> Path:
    """Three short rounds of union find."""
    iterate = {"rounds": 3, "train": SMALL, "evaluate": SMALL, "distil": {"method": "embedded", **DISTIL}}
    path = folder / "e.yaml"
    path.write_text(yaml.safe_dump({"name": "ida", "iterate": {**iterate, **changed}}))
    return path


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        pytest.param({"train": {**SMALL, "split": "held_out"}}, "would learn from what it is evaluated on", id="split"),
        pytest.param({"evaluate": {**SMALL, "split": "train"}}, "would learn from what it is evaluated on", id="other"),
        pytest.param({"train": {**SMALL, "values": 5}}, "the same task with the same settings", id="settings"),
        pytest.param({"train": {"name": "permutation"}}, "the same task with the same settings", id="task"),
        pytest.param({"train": {**SMALL, "size": 1}}, "iterate.train.size: ", id="size"),
        pytest.param({"train": {**SMALL, "depth": 7}}, "size (6) must be at least depth (7)", id="depth"),
        pytest.param({"alone": {"sees": "nothing"}}, "iterate.alone: ", id="alone"),
        pytest.param(
            {"distil": {"method": "embedded", **DISTIL, "hardest": 5}},
            "hardest (5) must be at most questions (4)",
            id="hardest",
        ),
        pytest.param(
            {key: {**SMALL, "size": 2, "values": 2} for key in ("train", "evaluate")},
            "no instance of 'union_find' is of the split held_out: make instances larger",
            id="empty",
        ),
    ],
)
def test_what_cannot_be_carried_out_is_refused_before_there_is_a_store(
    tmp_path: Path, changed: Mapping[str, Any], words: str
) -> None:
    experiment = lay_out(tmp_path, **changed)
    said = here("plan", experiment).complaint()
    assert said.startswith(f"{experiment}:")
    assert words in said
    assert command(experiment).complaint() == said
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["christiano2018", "christiano2018_union_find"])
def test_the_shipped_experiments_are_planned(name: str) -> None:
    assert here("plan", name).code == 0


def test_a_limit_that_would_change_nothing_is_refused(tmp_path: Path) -> None:
    said = command(lay_out(tmp_path), "--limit", 5).complaint()
    assert "set iterate.distil.questions_evaluated instead" in said
    assert not (tmp_path / "store").exists()


def test_the_plan_says_that_nobody_else_s_model_is_called(tmp_path: Path) -> None:
    (total,) = here("plan", lay_out(tmp_path), "--format", "json").rows
    assert (total["questions"], total["episodes"], total["calls"], total["cost_usd"]) == (20, 0, 0, 0)


def test_without_torch_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "oversight.training.embedded.learner", raising=False)
    said = command(lay_out(tmp_path)).complaint()
    assert said == "embedded distillation needs PyTorch: pip install 'oversight[ida]'"
    assert not (tmp_path / "store").exists()


TASK = '''\
"""Union find that writes down every time H is asked about training instances, and dies as told."""

import os
import signal
from pathlib import Path

from oversight.training.embedded import UnionFind

LOG = Path(__file__).with_name("amplified.log")


class Watched(UnionFind):
    """Dies once H has amplified twice and the ceiling of that round asks for the truth."""

    name = "watched"

    def decompose(self, facts, questions, ask):
        with LOG.open("a") as log:
            log.write(self.settings.split + "\\n")
        return super().decompose(facts, questions, ask)

    def truth(self, facts, questions):
        trained = LOG.read_text().split().count("train")
        if os.environ.get("OVERSIGHT_TEST_KILL") and self.settings.split == "train" and trained == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().truth(facts, questions)
'''
WATCHED = {**SMALL, "name": "./task.py:Watched"}


@pytest.mark.long
def test_killed_in_round_two_of_three_the_same_command_ends_the_same_and_repeats_no_amplification(
    tmp_path: Path,
) -> None:
    pytest.importorskip("torch", reason="needs PyTorch (pip install 'oversight[ida]'): nothing is distilled")
    found = []
    for name in ("whole", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "task.py").write_text(TASK)
        experiment, store = lay_out(folder, train=WATCHED, evaluate=WATCHED), folder / "store"
        again = ("run", experiment, "--engine", "local", "--store", store)
        if name == "killed":
            assert oversight(*again, cwd=folder, OVERSIGHT_TEST_KILL="1").code == -signal.SIGKILL
            assert list(rounds(store))[-1] == (2, "amplified")
        ran = oversight(*again, cwd=folder)
        assert ran.code == 0, ran
        assert (folder / "amplified.log").read_text().split().count("train") == 3
        found.append((list(rounds(store)), scores(store)))
    whole, killed = found
    assert killed == whole
    assert whole[0][-1] == (3, "evaluated")
