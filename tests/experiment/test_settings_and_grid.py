"""``--set``, ``grid``, seeds, repeats and limits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from cli.running import here

from experiment.files import TINY, experiment, ids, planned, questions, rows, specs, write
from oversight.errors import UsageError


def test_set_reaches_every_part_of_the_file(tmp_path: Path) -> None:
    labelled = write(tmp_path, TINY + "  - {debate: {rounds: 1}, as: long}\n")
    plan = planned(
        labelled,
        "name=other",
        "task.images=2",
        "models.judge.pixels=3",
        "models.strong={model: embedded/pixel-debater, pixels: 2}",
        "protocols.debate.turns=sequential",
        "protocols.long.rounds=2",
        "protocols.direct.sees=nothing",
        "seed=7",
    )
    assert plan.run_id.startswith("other-")
    assert {arm.label: arm.protocol.options for arm in plan.arms} == {
        "direct": {"sees": "nothing"},
        "debate": {"rounds": 1, "turns": "sequential"},
        "long": {"rounds": 2, "turns": "sequential"},
    }
    assert plan.arms[1].cast["judge"][0].settings == {"model": "embedded/pixel-judge", "pixels": 3}
    assert plan.arms[1].cast["strong"][0].settings == {"model": "embedded/pixel-debater", "pixels": 2}
    assert len(plan.items) == 2
    assert {episode.spec.seed for episode in plan.episodes} == {7}


def test_set_and_the_file_say_the_same(tmp_path: Path) -> None:
    written = experiment(tmp_path / "a", protocols=["direct", {"debate": {"rounds": 2}}], seed=3)
    assert ids(written) == ids(write(tmp_path / "b"), "protocols.debate.rounds=2", "seed=3")


def test_set_changes_one_entry_s_task_and_model(tmp_path: Path) -> None:
    path = write(tmp_path)
    episodes = specs(planned(path, "protocols.debate.task.images=2"))
    assert (len(episodes["direct"]), len(episodes["debate"])) == (4, 2 * 2)
    arms = planned(path, "protocols.debate.models.judge={model: embedded/pixel-judge, pixels: 2}").arms
    assert [arm.cast["judge"][0].settings.get("pixels") for arm in arms] == [None, 2]


def test_a_setting_inside_an_entry_s_model_is_not_lost(tmp_path: Path) -> None:
    path = write(tmp_path)
    setting = "protocols.debate.models.strong.pixels=3"
    ran = here("plan", path, "--set", setting)
    if ran.code == 0:  # a refusal is as good
        assert ids(path)["debate"] != ids(path, setting)["debate"]
    else:
        ran.complaint()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("task.limit", ("--set task.limit", "key=value")),
        ("task.limit=[1", ("--set task.limit", "not valid YAML")),
        ("protocols.debat.rounds=2", ("no entry is called 'debat'", "did you mean 'debate'?")),
        ("protocols.debate.rouns=2", ("rouns", "did you mean 'rounds'?")),
        ("nme=x", ("nme", "did you mean 'name'?")),
        ("name.first=x", ("name", "not a mapping")),
    ],
)
def test_a_wrong_set_is_one_line_and_changes_nothing(tmp_path: Path, setting: str, words: tuple[str, ...]) -> None:
    said = here("run", write(tmp_path), "--set", setting, "--store", tmp_path / "store").complaint()
    assert all(word in said for word in words), said
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("grid", [{"protocols.debate.rounds": [1, 2]}, {"protocols": {"debate": {"rounds": [1, 2]}}}])
def test_a_swept_option_makes_an_arm_per_value_and_repeats_no_other(tmp_path: Path, grid: dict) -> None:
    plan = planned(experiment(tmp_path, grid=grid))
    assert [arm.label for arm in plan.arms] == ["direct", "debate rounds=1", "debate rounds=2"]
    assert {label: len(those) for label, those in specs(plan).items()} == {
        "direct": 4,
        "debate rounds=1": 8,
        "debate rounds=2": 8,
    }


def test_two_swept_values_make_their_product_with_distinct_labels(tmp_path: Path) -> None:
    grid = {"models.judge.pixels": [3, 4], "models.strong.pixels": [3, 4], "task.lies": ["random", "hardest"]}
    labels = [arm.label for arm in planned(experiment(tmp_path, grid=grid)).arms]
    # The judge alone does not know the debaters: 2 x 2 of it, 2 x 2 x 2 of the debate.
    assert sum(label.startswith("direct") for label in labels) == 4
    assert sum(label.startswith("debate") for label in labels) == 8
    assert len(set(labels)) == 12


def test_swept_arms_are_told_apart_in_the_report(tmp_path: Path) -> None:
    path = experiment(tmp_path, grid={"models.judge.pixels": [3, 4], "models.strong.pixels": [3, 4]})
    plan = here("plan", path, "--format", "json").rows
    assert len({row["arm"] for row in plan}) == len(plan)
    for arm in (arm for arm in planned(path).arms if arm.label.startswith("debate")):
        # Both values that were swept for it can be read off the label.
        assert str(arm.cast["judge"][0].settings["pixels"]) in arm.label
        assert str(arm.cast["strong"][0].settings["pixels"]) in arm.label


def test_seeds_can_be_swept_and_do_not_make_arms(tmp_path: Path) -> None:
    plan = planned(experiment(tmp_path, grid={"seed": [0, 1]}))
    assert [arm.label for arm in plan.arms] == ["direct", "debate"]
    assert {episode.spec.seed for episode in plan.episodes} == {0, 1}


@pytest.mark.parametrize(
    ("grid", "word"),
    [
        ({"task.imags": [2, 3]}, "'images'"),
        ({"protocols.debat.rounds": [1, 2]}, "'debate'"),
        ({"models.judge.pixel": [3, 4]}, "'pixels'"),
    ],
)
def test_a_misspelt_swept_key_is_refused(tmp_path: Path, grid: dict, word: str) -> None:
    assert f"did you mean {word}?" in here("plan", experiment(tmp_path, grid=grid)).complaint()


def test_repeats_and_seeds_ask_for_more(tmp_path: Path) -> None:
    path = write(tmp_path)
    once, thrice = ids(path), ids(path, repeats=3)
    assert all(once[arm] < thrice[arm] and len(thrice[arm]) == 3 * len(once[arm]) for arm in once)
    other = ids(path, seed=1)
    assert all(once[arm].isdisjoint(other[arm]) for arm in once)
    assert ids(experiment(tmp_path, repeats=3)) == thrice
    assert ids(experiment(tmp_path, seed=1)) == other


def test_a_smaller_limit_is_part_of_a_larger_one_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    asked = rows(30)
    task = {"name": "table", "path": "rows.jsonl"}
    path = experiment(tmp_path, task=task, protocols=["direct"])
    questions(tmp_path, asked)
    few, more = ids(path, limit=5)["direct"], ids(path, limit=12)["direct"]
    assert (len(few), len(more)) == (5, 12)
    assert few < more < ids(path)["direct"]
    assert ids(path, "task.limit=5")["direct"] == few
    assert ids(path, "task.limit=12", limit=5)["direct"] == few

    questions(tmp_path, random.Random(3).sample(asked, len(asked)))
    assert ids(path, limit=5)["direct"] == few
    assert ids(path, limit=5, seed=1)["direct"].isdisjoint(few)
    assert {spec.question.id for spec in specs(planned(path, limit=5))["direct"]} != {
        spec.question.id for spec in specs(planned(path, limit=5, seed=1))["direct"]
    }


@pytest.mark.parametrize("limit", [0, -1])
def test_no_question_is_no_experiment(tmp_path: Path, limit: int) -> None:
    with pytest.raises(UsageError, match=f"1 or more, not {limit}"):
        planned(write(tmp_path), limit=limit)


def test_swept_tasks_and_models_are_labelled_by_their_names(tmp_path: Path) -> None:
    tasks = [{"name": "digits", "images": 2}, {"name": "prontoqa", "questions": 2}]
    judges = [{"model": "embedded/pixel-judge"}, {"model": "embedded/pixel-judge", "pixels": 3}]
    by_task = planned(experiment(tmp_path / "a", protocols=["direct"], grid={"task": tasks}))
    assert [arm.label for arm in by_task.arms] == ["direct task=digits", "direct task=prontoqa"]
    by_judge = planned(experiment(tmp_path / "b", protocols=["direct"], grid={"models.judge": judges}))
    assert [arm.label for arm in by_judge.arms] == [
        "direct judge=embedded/pixel-judge",
        "direct judge=embedded/pixel-judge #2",
    ]
