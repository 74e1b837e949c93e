"""What an episode's and a run's id depend on: what the user set and what the code is, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.running import environment

from experiment.files import TINY, ask_plugin, experiment, ids, planned, questions, rows, write

TESTS = Path(__file__).parents[1]

PRINT_IDS = """
import json, sys
from pathlib import Path
from experiment.files import planned
plan = planned(Path(sys.argv[1]))
print(json.dumps([plan.run_id, [episode.spec.episode_id for episode in plan.episodes]]))
"""


def test_ids_are_the_same_in_every_process(tmp_path: Path) -> None:
    path = experiment(tmp_path, protocols=["direct", "consultancy", {"debate": {"rounds": 1, "turns": "sequential"}}])
    plan = planned(path)
    expected = [plan.run_id, [episode.spec.episode_id for episode in plan.episodes]]
    found = subprocess.run(
        [sys.executable, "-c", PRINT_IDS, str(path)],
        env=environment(PYTHONHASHSEED="1", PYTHONPATH=str(TESTS)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(found.stdout) == expected


def test_ids_do_not_depend_on_the_folder_or_the_arm_s_label(tmp_path: Path) -> None:
    ask_plugin(tmp_path / "a")
    path = experiment(tmp_path / "a", protocols=["./ask.py:Ask", "direct"])
    before = ids(path)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert ids(tmp_path / "b" / "e.yaml") == before
    assert planned(tmp_path / "b" / "e.yaml").run_id == planned(path).run_id
    labelled = experiment(tmp_path / "a", protocols=[{"direct": {}, "as": "alone"}])
    assert ids(labelled)["alone"] == before["direct"]


@pytest.mark.long
def test_a_default_that_a_later_release_adds_changes_no_id(tmp_path: Path) -> None:
    def released(name: str, **options: int) -> set[str]:
        protocol = {f"experiment.releases:{name}": options}
        return ids(experiment(tmp_path / name, protocols=[protocol]))["released"]

    assert released("Earlier") == released("Later")
    assert released("Earlier", rounds=2) == released("Later", rounds=2)
    assert released("Later", patience=4).isdisjoint(released("Earlier"))
    assert released("Bumped").isdisjoint(released("Earlier"))


def test_a_model_is_the_same_in_its_short_and_long_form(tmp_path: Path) -> None:
    long = {"judge": {"model": "embedded/pixel-judge"}, "strong": {"model": "embedded/pixel-debater"}}
    assert ids(experiment(tmp_path / "a", models=long)) == ids(write(tmp_path / "b"))


@pytest.mark.parametrize(
    ("setting", "untouched"),
    [
        ("protocols.debate.rounds=2", {"direct"}),
        ("protocols.debate.rounds=3", {"direct"}),  # which is the default: what the user set counts
        ("models.strong.pixels=3", {"direct"}),
        ("models.judge.belief=stated", set()),
        ("task.lies=hardest", set()),
        ("seed=1", set()),
    ],
)
def test_whatever_the_user_sets_changes_the_ids_it_concerns(tmp_path: Path, setting: str, untouched: set[str]) -> None:
    path = write(tmp_path)
    before, after = ids(path), ids(path, setting)
    if setting == "task.lies=hardest":  # the lie drawn may be the hardest one
        assert before["direct"] != after["direct"]
    else:
        assert {arm for arm in before if before[arm] & after[arm]} == untouched
    assert planned(path).run_id != planned(path, setting).run_id


def test_a_prompt_edit_and_a_code_edit_change_the_ids(tmp_path: Path) -> None:
    ask_plugin(tmp_path)
    path = experiment(tmp_path, protocols=["./ask.py:Ask", "direct"])
    before, run = ids(path), planned(path).run_id
    ask_plugin(tmp_path, prompt="Please decide at once.")
    edited = ids(path)
    assert edited["ask"].isdisjoint(before["ask"])
    assert edited["direct"] == before["direct"]
    assert planned(path).run_id != run

    source = tmp_path / "ask.py"
    source.write_text(source.read_text() + "\nSOMETHING = 1\n")
    assert ids(path)["ask"].isdisjoint(edited["ask"])


def test_a_question_edit_and_a_gold_correction_change_just_that_question_s_ids(tmp_path: Path) -> None:
    asked = rows(3)
    path = experiment(tmp_path, task={"name": "table", "path": "rows.jsonl"}, protocols=["direct"])

    def found() -> tuple[set[str], str]:
        questions(tmp_path, asked)
        return ids(path)["direct"], planned(path).run_id

    (before, first_run) = found()
    asked[1]["prompt"] += " Really?"
    (edited, second_run) = found()
    assert len(before & edited) == 2
    asked[2]["gold"] = 1
    (corrected, third_run) = found()
    assert len(edited & corrected) == 2
    asked[0]["material"] = "A note."
    (informed, _) = found()
    assert len(corrected & informed) == 2
    assert len({first_run, second_run, third_run}) == 3


def test_a_run_asks_for_more_under_the_same_id(tmp_path: Path) -> None:
    path = write(tmp_path)
    run = planned(path).run_id
    assert planned(path, limit=2).run_id == run
    assert planned(path, "task.limit=2").run_id == run
    assert planned(path, repeats=3).run_id == run
    assert planned(path, "repeats=3").run_id == run
    assert planned(path, "description=Something else").run_id == run
    assert planned(write(tmp_path, "# A remark.\n" + TINY)).run_id == run
    assert planned(path, "name=other").run_id != run
