"""The page Protocols: what is installed, what it takes, and what is said of a plugin that is broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field
from streamlit.testing.v1 import AppTest

from dashboard.browsing import boxes, kinds, opened, said, texts
from dashboard.conftest import watch
from oversight import plugins as installed_plugins
from oversight.core.protocol import Protocol
from oversight.dashboard.installed import experiment_with, find_all, find_one, options_of, seats_of, without_paths
from oversight.experiment.file import load_experiment
from oversight.experiment.plan import build_plan
from oversight.prompting.templates import Templates
from oversight.tasks.task import Task

NAMES = sorted(installed_plugins.installed(Protocol))
BROKEN = '''\
"""A plugin that needs what is not there."""
raise OSError(f"no_such_library_anywhere beside {__file__}")
'''
ODD = '''\
from oversight import Protocol

class Odd(Protocol):
    """<b>Bold</b> ![x](http://evil.example/a.png) $x$"""

    name = "odd"

    async def run(self, episode):
        raise RuntimeError("nothing at /home/me/keys/odd.txt")
'''


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No store at all."""
    watch(tmp_path / "nowhere", monkeypatch)
    return tmp_path


@pytest.fixture
def plugins(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two more plugins: one that cannot be imported, one that is strange."""
    (nowhere / "broken_plugin.py").write_text(BROKEN, encoding="utf-8")
    (nowhere / "odd_plugin.py").write_text(ODD, encoding="utf-8")
    monkeypatch.syspath_prepend(nowhere)
    installed_plugins._entry_points.cache_clear()  # what is installed is read once a process
    for name in ("broken", "odd"):
        folder = nowhere / f"{name}_plugin-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[oversight.protocols]\n{name} = {name}_plugin:{name.title()}\n")
    yield nowhere
    installed_plugins._entry_points.cache_clear()


def listed(at: AppTest) -> Any:
    return at.dataframe[0].value.set_index("name")


def test_every_protocol_is_listed_without_any_store(nowhere: Path) -> None:
    at = opened("protocols")
    table = listed(at)
    assert sorted(table.index) == NAMES
    assert set(table["status"]) == {"installed"}
    assert all(name.startswith("oversight ") for name in table["from"])
    assert "oversight new protocol my_protocol" in texts(kinds(boxes(at), "pre"))
    assert not at.code  # its highlighter takes longer to load than all the rest
    assert not (nowhere / "nowhere").exists()


def test_a_link_shows_options_seats_and_every_prompt_in_full(nowhere: Path) -> None:
    at = opened("protocols", name="debate")
    options = [list(texts([box])) for box in kinds(boxes(at), "option")]
    assert ["rounds", "integer ≥ 1", "3", "turns of each debater"] in options
    assert ["turns", "simultaneous | sequential", "simultaneous"] in [each[:3] for each in options]
    assert ["word_limit", "integer ≥ 1 | null", "150"] in [each[:3] for each in options]
    seats = at.dataframe[1].value.set_index("seat")
    assert seats["material"].to_dict() == {"debater_a": "sees it", "debater_b": "sees it", "judge": ""}
    assert seats["reads"]["judge"] == "debater_a, debater_b"
    prompts = Templates(installed_plugins.find_plugin(Protocol, "debate").prompts).sources
    *shown, _command = texts(kinds(boxes(at), "pre"))
    assert sorted(shown) == sorted(source.strip() for source in prompts.values())


def test_a_click_chooses_one(nowhere: Path) -> None:
    at = opened("protocols")
    cell = [list(at.dataframe[0].value["name"]).index("direct"), "name"]
    at.session_state["plugins-protocols"] = {"selection": {"rows": [], "columns": [], "cells": [cell]}}
    at.run()
    assert at.query_params["name"] == "direct"


def test_tasks_are_shown_in_the_same_shape(nowhere: Path) -> None:
    at = opened("protocols", kind="tasks", name="quality")
    assert sorted(listed(at).index) == sorted(installed_plugins.installed(Task))
    assert ["answers", "2 | 4", "2"] in [list(texts([box]))[:3] for box in kinds(boxes(at), "option")]


def test_a_name_that_is_not_installed_is_said(nowhere: Path) -> None:
    assert "Nothing of that name" in opened("protocols", name="gone").warning[0].value


def test_a_broken_plugin_says_what_is_wrong_and_what_to_do(plugins: Path) -> None:
    at = opened("protocols", name="broken")
    assert listed(at).loc["broken", "status"] == "broken"
    assert listed(at).loc["debate", "status"] == "installed"
    assert "cannot be used" in at.error[0].value
    assert "no_such_library_anywhere" in at.code[0].value
    assert "pip install --upgrade" in at.code[1].value
    assert str(plugins) not in "\n".join([said(at), *(each.value for each in at.code)])


def test_a_plugin_writes_no_markup_and_its_dry_run_may_fail(plugins: Path) -> None:
    at = opened("protocols", name="odd")
    assert "<b>Bold</b> ![x](http://evil.example/a.png) $x$" in said(at)
    assert not any("Bold" in each.value for each in (*at.markdown, *at.caption))
    assert "…/odd.txt" in at.code[0].value
    assert "/home/me" not in at.code[0].value


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_the_example_is_an_experiment_that_can_be_planned(name: str, tmp_path: Path) -> None:
    found = find_one(Protocol, name, installed_plugins.installed(Protocol)[name])
    path = tmp_path / "example.yaml"
    path.write_text(experiment_with(found), encoding="utf-8")
    plan = build_plan(load_experiment(path), limit=2)
    assert [arm.label for arm in plan.arms] == [name]
    assert plan.episodes


def test_seats_are_those_that_a_dry_run_saw() -> None:
    found = {each.name: each for each in find_all(Protocol)}
    seats = seats_of(found["consultancy"])
    assert not isinstance(seats, str)
    assert {seat.seat: (seat.role, seat.material) for seat in seats} == {
        "consultant": ("strong", True),
        "judge": ("judge", False),
    }


def test_options_are_told_in_words() -> None:
    class Part(BaseModel):
        n: int

    class Options(BaseModel):
        needed: str
        share: float = Field(0.5, gt=0, le=1, description="of all")
        parts: list[Part] = []
        other: Part | None = Field(None, alias="else")

    assert [each[:3] for each in options_of(Options)] == [
        ("needed", "string", "required"),
        ("share", "number > 0 ≤ 1", "0.5"),
        ("parts", "list of mapping", "[]"),
        ("else", "mapping | null", "null"),
    ]


def test_of_paths_only_the_end_is_left() -> None:
    assert without_paths("no '/home/me/x/prompt.j2' in /srv/a/b") == "no '…/prompt.j2' in …/b"
