"""The documentation is run, so that it cannot drift from what it documents."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from cli.running import here

from oversight.cli.commands import app
from oversight.core.protocol import Protocol
from oversight.experiment.file import COLUMNS, ExperimentFile, load_experiment
from oversight.experiment.plan import build_plan
from oversight.plugins import find_plugin, installed
from oversight.prompting.templates import Templates
from oversight.reports.export import ExportForm
from oversight.tasks.dataset_files import FileTask
from oversight.tasks.task import Task
from oversight.testing import check_protocol

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def write_critique(folder: Path) -> Path:
    """The protocol of docs/writing-a-protocol.md with its prompts and experiment, in a folder of their own."""
    page = "docs/writing-a-protocol.md"
    protocol, test = blocks(page, "python")
    (folder / "critique.py").write_text(protocol, encoding="utf-8")
    (folder / "test_critique.py").write_text(test, encoding="utf-8")
    rows = re.findall(r"^\| `(prompts/\w+\.j2)` \| (.*) \|$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    (folder / "prompts").mkdir()
    for name, words in rows:
        (folder / name).write_text(words, encoding="utf-8")
    experiment = folder / "critique.yaml"
    experiment.write_text(blocks(page, "yaml")[0], encoding="utf-8")
    return experiment


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("block", blocks("docs/experiment-file.md", "yaml"))
def test_experiment_files_in_the_docs_can_be_planned(block: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(block, encoding="utf-8")
    assert build_plan(load_experiment(path), limit=2).episodes


def test_every_key_of_an_experiment_file_is_documented() -> None:
    page = (ROOT / "docs/experiment-file.md").read_text(encoding="utf-8")
    undocumented = [name for name in ExperimentFile.model_fields if f"`{name}`" not in page]
    assert undocumented in ([], ["description"])


def test_the_protocol_in_the_docs_runs(tmp_path: Path) -> None:
    experiment = write_critique(tmp_path)
    ran = here("run", experiment, "--engine", "local", "--limit", 3, "--store", tmp_path / "store")
    assert ran.code == 0, ran.err
    assert "critique" in ran.out


def test_the_test_in_the_docs_passes(tmp_path: Path) -> None:
    write_critique(tmp_path)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert [name for name in names if f"oversight {name}" not in readme] == []


def test_every_form_of_export_is_documented() -> None:
    page = (ROOT / "docs/exporting.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [form for form in get_args(ExportForm) if f"| `{form}` |" not in page or f"`{form}`" not in readme] == []


def test_every_shipped_experiment_says_what_to_expect_and_can_be_planned() -> None:
    for path in sorted((ROOT / "experiments").glob("*.yaml")):
        experiment = load_experiment(path)
        assert "xpect" in experiment.file.description, path.name
        if experiment.file.iterate is not None:
            continue  # tests/training runs these
        # Those that read a published file are planned from stand-ins in tests/experiment/test_published_setups.py.
        if not issubclass(find_plugin(Task, experiment.file.task["name"]).load(Task), FileTask):
            assert build_plan(experiment, limit=1).episodes


def test_the_columns_a_report_can_be_grouped_by_are_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [column for column in COLUMNS if column not in readme] == []


def test_the_protocol_in_the_readme_passes_the_conformance_check(tmp_path: Path) -> None:
    (tmp_path / "consultancy.py").write_text(blocks("README.md", "python")[0], encoding="utf-8")
    shutil.copytree(ROOT / "protocols" / "consultancy" / "prompts", tmp_path / "prompts")
    (tmp_path / "prompts" / "consultant.j2").write_text("You are a consultant.", encoding="utf-8")
    plugin = find_plugin(Protocol, "./consultancy.py:Consultancy", tmp_path)
    check_protocol(plugin.load(Protocol)(), templates=Templates({**plugin.prompts, "argue": "Argue."}))


def test_the_experiment_in_the_readme_can_be_planned(tmp_path: Path) -> None:
    rows = [{"prompt": f"Question {n}?", "answers": ["yes", "no"], "gold": 0, "material": "A story."} for n in range(3)]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "my-debate.yaml").write_text(blocks("README.md", "yaml")[0], encoding="utf-8")
    plan = build_plan(load_experiment(tmp_path / "my-debate.yaml"))
    assert [arm.label for arm in plan.arms] == ["direct", "expert", "consultancy", "debate"]


def test_the_tasks_in_the_docs_can_be_planned(tmp_path: Path) -> None:
    page = "docs/tasks.md"
    published, steps, from_csv, from_hugging_face, own = blocks(page, "yaml")
    for block in (published, from_hugging_face):  # their data is not here: what can be checked is what is asked of it
        asked = yaml.safe_load(block)["task"]
        cls = find_plugin(Task, asked.pop("name")).load(Task)
        assert cls.Options.model_validate({key: value for key, value in asked.items() if key != "limit"})
    (tmp_path / "questions.csv").write_text("question,right,wrong,document\nWho?,Ann,Ben,a\nWhy?,Fear,Fun,a\n")
    (tmp_path / "sums.py").write_text(blocks(page, "python")[0], encoding="utf-8")
    plans = []
    for name, block in (("steps.yaml", steps), ("csv.yaml", from_csv), ("sums.yaml", own)):
        (tmp_path / name).write_text(block, encoding="utf-8")
        plans.append(build_plan(load_experiment(tmp_path / name)))
    checked, table, sums = plans
    assert all(item.question.worked for _, item in checked.items.values())
    assert {item.question.answers[item.gold].text for _, item in table.items.values()} == {"Ann", "Fear"}
    assert {item.question.cluster for _, item in table.items.values()} == {"a"}
    assert [(arm.label, arm.task) for arm in sums.arms] == [("direct", "sums"), ("expert", "sums"), ("debate", "sums")]
    assert len(sums.items) == 10
    for _, item in sums.items.values():
        numbers = map(int, str(item.question.material).split(" + "))
        assert item.question.answers[item.gold].text == str(sum(numbers))


def test_every_installed_task_is_in_the_docs() -> None:
    page = (ROOT / "docs/tasks.md").read_text(encoding="utf-8")
    assert [name for name in installed(Task) if f"\n| `{name}` |" not in page] == []


def test_the_glossary_names_classes_that_there_are() -> None:
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", (ROOT / "docs" / "glossary.md").read_text()))
    classes = {
        name for path in (ROOT / "src").rglob("*.py") for name in re.findall(r"^class (\w+)", path.read_text(), re.M)
    }
    assert named
    assert named <= classes
