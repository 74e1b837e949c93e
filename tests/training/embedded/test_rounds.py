"""Whole rounds on a network small enough to train here."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oversight.errors import StoreError, UsageError
from oversight.training.embedded import (
    DistilSettings,
    EmbeddedRounds,
    FactoredTask,
    LearnerSettings,
    PermutationPowering,
    UnionFind,
)
from oversight.training.embedded.factored_task import Tokens

pytest.importorskip("torch", reason="needs PyTorch (pip install 'oversight[ida]'): nothing is distilled")

CHILD = Path(__file__).with_name("child.py")
TINY = LearnerSettings(layers=2, width=32, hidden=64, learning_rate=0.01, warm_up=20, averaging=0.9)
SMALL = DistilSettings(learner=TINY, instances=60, questions=8, hardest=4, steps=4, batch=16, ceiling=False)


def _union_find(split: str = "train", **changed: Any) -> UnionFind:
    return UnionFind(UnionFind.Settings.model_validate({"size": 6, "values": 4, "depth": 2, "split": split} | changed))


def _rounds(
    folder: Path, settings: DistilSettings = SMALL, train: FactoredTask | None = None, **changed: Any
) -> EmbeddedRounds:
    arguments: dict[str, Any] = {"questions": 200, "seed": 0} | changed
    return EmbeddedRounds(train or _union_find(), _union_find("held_out"), settings, folder=folder, **arguments)


def test_x_learns_from_its_own_amplified_answers_alone(tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"instances": 200, "questions": 12, "steps": 40, "batch": 32})
    rounds = _rounds(tmp_path, settings, questions=600)
    before = rounds.evaluate(0)["alone"]
    for round in range(1, 7):
        amplified = rounds.amplify(round)
        rounds.distil(round)
    after = rounds.evaluate(6)
    assert before["overall"][0] / 600 < 0.4
    assert after["alone"]["2"][0] / after["alone"]["2"][1] >= 0.9
    assert after["alone"]["1"][0] / after["alone"]["1"][1] >= 0.9
    assert amplified["difficulty"] == 2
    assert after["ceiling"] is None


def test_rounds_never_look_at_the_truth(tmp_path: Path) -> None:
    class Secretive(UnionFind):
        def truth(self, facts: Tokens, questions: Tokens) -> Tokens:
            raise AssertionError("the truth was looked at")

    settings = SMALL.model_copy(update={"agreement": 0.01})
    rounds = _rounds(tmp_path, settings, train=Secretive(_union_find().settings))
    for round in (1, 2):
        rounds.amplify(round)
        rounds.distil(round)
    assert rounds.amplify(2)["difficulty"] == 2
    ceiling = settings.model_copy(update={"ceiling": True})
    other = _rounds(tmp_path / "ceiling", ceiling, train=Secretive(_union_find().settings))
    other.amplify(1)
    with pytest.raises(AssertionError, match="the truth was looked at"):
        other.distil(1)


@pytest.mark.long
def test_killed_in_the_second_distillation_it_ends_the_same(tmp_path: Path) -> None:
    def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, str(CHILD), str(folder), *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    undisturbed = run(tmp_path / "whole")
    assert undisturbed.returncode == 0, undisturbed.stderr
    killed = run(tmp_path / "killed", "kill")
    assert killed.returncode == -signal.SIGKILL
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "amplified.log",
        "ceiling-001.pt",
        "round-001.rows.npz",
        "round-002.rows.npz",
        "x-001.pt",
    ]
    resumed = run(tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == undisturbed.stdout
    assert '"overall": [' in resumed.stdout
    for folder in ("whole", "killed"):
        assert (tmp_path / folder / "amplified.log").read_text().splitlines() == ["60"] * 3


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    rounds = _rounds(tmp_path)
    told = [rounds.amplify(1), rounds.distil(1)]
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = _rounds(tmp_path)
    assert [again.amplify(1), again.distil(1)] == told
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


@pytest.mark.parametrize("name", ["round-001.rows.npz", "x-001.pt"])
def test_a_damaged_file_is_made_again(tmp_path: Path, name: str) -> None:
    rounds = _rounds(tmp_path)
    rounds.amplify(1)
    rounds.distil(1)
    counts = rounds.evaluate(1)["alone"]
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"not there or damaged: .* round 1 first"):
        rounds.evaluate(1)
    rounds.amplify(1)
    rounds.distil(1)
    assert rounds.evaluate(1)["alone"] == counts


def test_phases_out_of_order_say_what_is_missing(tmp_path: Path) -> None:
    rounds = _rounds(tmp_path)
    with pytest.raises(StoreError, match="amplify round 1 first"):
        rounds.distil(1)
    with pytest.raises(StoreError, match="distil round 1 first"):
        rounds.amplify(2)


def test_a_folder_of_another_experiment_is_refused(tmp_path: Path) -> None:
    _rounds(tmp_path).amplify(1)
    with pytest.raises(UsageError, match="give this experiment a folder of its own"):
        _rounds(tmp_path, seed=1).amplify(1)


def test_training_on_evaluation_instances_is_refused(tmp_path: Path) -> None:
    for split in ("train", "held_out"):
        with pytest.raises(UsageError, match="give train split: train, and evaluate split: held_out"):
            EmbeddedRounds(_union_find(split), _union_find(split), SMALL, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_shared_instance_is_refused_whatever_the_splits_say(tmp_path: Path) -> None:
    class Careless(UnionFind):
        def instances(self, rng: np.random.Generator, count: int) -> Tokens:
            return np.concatenate([super().instances(rng, count - 1), leaked])

    evaluate = _union_find("held_out")
    leaked = evaluate.instances(np.random.default_rng(0), 1)

    class Unlucky(UnionFind):
        def instances(self, rng: np.random.Generator, count: int) -> Tokens:
            return np.repeat(leaked, count, axis=0)

    rounds = EmbeddedRounds(
        Careless(_union_find().settings), Unlucky(evaluate.settings), SMALL, folder=tmp_path, questions=10
    )
    with pytest.raises(UsageError, match=r"\(1 instances of this round\)"):
        rounds.amplify(1)


def test_tasks_that_differ_in_more_than_their_split_are_refused(tmp_path: Path) -> None:
    for other in (_union_find("held_out", depth=3), PermutationPowering()):
        with pytest.raises(UsageError, match="except for split"):
            EmbeddedRounds(_union_find(), other, SMALL, folder=tmp_path)


@pytest.mark.parametrize(("agreement", "difficulties"), [(1e-9, [1, 2, 2]), (1.0, [1, 1, 1])])
def test_the_curriculum_goes_by_agreement(tmp_path: Path, agreement: float, difficulties: list[int]) -> None:
    rounds = _rounds(tmp_path, SMALL.model_copy(update={"agreement": agreement}))
    found = []
    for round in (1, 2, 3):
        told = rounds.amplify(round)
        assert list(told["agreement"]) == [str(d) for d in range(1, told["difficulty"] + 1)]
        found.append(told["difficulty"])
        rounds.distil(round)
    assert found == difficulties


def test_x_and_the_ceiling_are_one_while_h_needs_no_help(tmp_path: Path) -> None:
    """Same first weights, same questions, same steps: where H looks everything up, the truth is all H says."""
    rounds = _rounds(tmp_path, SMALL.model_copy(update={"ceiling": True}))
    told = rounds.amplify(1)
    assert (told["questions"], told["sub_questions"]) == (480, 0)
    distilled = rounds.distil(1)
    assert distilled["loss"] == distilled["ceiling"]["loss"]
    counts = rounds.evaluate(1)
    assert counts["alone"] == counts["ceiling"]
    assert counts["alone"]["overall"][1] == counts["n"] == sum(counts["alone"][d][1] for d in ("1", "2"))
    assert counts["amplified"]["1"] == [100, 100]


def test_h_that_errs_is_evaluated_with_its_errors(tmp_path: Path) -> None:
    right, asked = _rounds(tmp_path, error_rate=1.0, questions=1000).evaluate(0)["amplified"]["1"]
    assert asked == 500
    assert right / asked == pytest.approx(0.25, abs=0.07)
