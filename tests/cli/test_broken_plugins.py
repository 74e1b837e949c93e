"""Installed plugins that cannot be used: lists show the rest and name the fault; experiments are refused in a line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cli.running import Ran, oversight

FAULTS = {
    "missing": ("no_such_module_here:X", "ModuleNotFoundError"),
    "raising": ("raising_here:X", "ValueError: one two"),
    "exiting": ("exiting_here:X", "SystemExit: 0"),
    "other": ("json:JSONDecoder", "no protocol class 'JSONDecoder'"),
    "lacking": ("json:Nope", "no protocol class 'Nope'"),
    "module": ("json", "its entry point is 'json', not 'package.module:Class'"),
}


def install(site: Path, name: str, points: dict[str, str], group: str = "oversight.protocols") -> None:
    """Make a distribution as an installer leaves it."""
    folder = site / f"{name.replace('-', '_')}-1.2.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = "".join(f"{point} = {value}\n" for point, value in points.items())
    (folder / "entry_points.txt").write_text(f"[{group}]\n{lines}")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages, most of them broken."""
    site = tmp_path / "site"
    for name, (value, _) in FAULTS.items():
        install(site, f"broken-{name}", {name: value})
    install(site, "shadowing", {"debate": "oversight.protocols.direct:Direct"})
    (site / "raising_here.py").write_text("print('hello')\nraise ValueError('one\\ntwo')\n")
    (site / "exiting_here.py").write_text("import sys\nsys.exit(0)\n")
    return site


def command(site: Path, *words: object) -> Ran:
    return oversight(*words, cwd=site.parent, PYTHONPATH=os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))


def test_a_list_shows_the_rest_and_names_each_fault_with_its_distribution(site: Path) -> None:
    ran = command(site, "protocols", "--format", "json")
    assert ran.code == 0
    listed = {row["name"]: row for row in json.loads(ran.out)}
    assert listed["direct"]["fault"] is None
    assert listed["direct"]["what it does"].startswith("The judge decides alone")
    for name, (_, reason) in FAULTS.items():
        assert reason in listed[name]["fault"]
        assert f"broken-{name} 1.2" in listed[name]["fault"]
        assert sum(f"broken-{name} 1.2" in line for line in ran.err.splitlines()) == 1
    both = listed["debate"]["fault"]
    assert "shadowing 1.2 (oversight.protocols.direct:Direct)" in both
    assert "(oversight.protocols.debate:Debate)" in both
    assert "Traceback" not in ran.err


def test_other_lists_are_whole_too(site: Path) -> None:
    install(site, "broken-task", {"mine": "raising_here:X"}, "oversight.tasks")
    install(site, "broken-model", {"mine": "raising_here:X"}, "oversight.models")
    for words, kept in ((("tasks",), "digits"), (("models",), "embedded/pixel-judge")):
        ran = command(site, *words)
        assert (ran.code, kept in ran.out) == (0, True)
        assert "raising_here: cannot be imported: ValueError: one two" in ran.err


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("debate", ["protocol 'debate' is installed by ", "shadowing 1.2", "oversight.protocols.debate:Debate"]),
        ("missing", ["no_such_module_here: cannot be imported"]),
        ("module", ["broken-module 1.2", "not 'package.module:Class'"]),
    ],
)
def test_an_experiment_that_names_one_is_refused_in_a_line(site: Path, name: str, said: list[str]) -> None:
    path = site.parent / "e.yaml"
    path.write_text(
        "name: x\ntask: {name: digits, images: 1}\n"
        f"models: {{judge: embedded/pixel-judge, strong: embedded/pixel-debater}}\nprotocols: [{name}]\n"
    )
    complaint = command(site, "run", path, "--engine", "local").complaint()
    assert complaint.startswith(f"{path}:4: protocols.0: ")
    assert all(each in complaint for each in said)
    assert not (site.parent / "oversight-store").exists()
