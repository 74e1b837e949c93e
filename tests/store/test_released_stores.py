"""Stores that the code of November 2026 wrote: today's code reads them, reports what it said then, and resumes.

Each is what ``oversight run NAME --limit 2 --engine local`` wrote (``smollm2``: ``--limit 1``;
``christiano2018``: ``--set iterate.rounds=1``). Beside it is what ``oversight report --measures --format json`` said.
Experiments on published data are not among them, because a store holds their questions.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from cli.running import here

from oversight.store import StoreWriter

RELEASED = Path(__file__).with_name("released")
REPORTED = sorted(path.name.removesuffix(".report.json") for path in RELEASED.glob("*.json"))
RESUMED = {"quickstart": 10, "irving2018": 50, "goodhart_digits": 42, "process_arithmetic": 6}


def laid_out(name: str, store: Path) -> Path:
    store.mkdir()
    (store / "oversight.duckdb").write_bytes(lzma.decompress((RELEASED / f"{name}.duckdb.xz").read_bytes()))
    with StoreWriter.open(store):
        return store  # brought up to date, as any run does


def assert_says_the_same(now: Any, then: Any, where: str = "") -> None:
    """Assert that all of ``then`` is in ``now``, which may say more."""
    if isinstance(then, dict):
        for key, value in then.items():
            assert_says_the_same(now[key], value, f"{where}.{key}")
    elif isinstance(then, list):
        assert len(now) == len(then), where
        for number, value in enumerate(then):
            assert_says_the_same(now[number], value, f"{where}[{number}]")
    elif isinstance(then, float):
        assert now == pytest.approx(then, abs=1e-9), where
    else:
        assert now == then, where


@pytest.mark.parametrize("name", REPORTED)
def test_a_released_store_is_reported_as_it_was(name: str, tmp_path: Path) -> None:
    store = laid_out(name, tmp_path / "store")
    now = here("report", "--measures", "--format", "json", "--store", store).rows
    assert_says_the_same(now, json.loads((RELEASED / f"{name}.report.json").read_text()))


def test_the_rounds_of_a_released_store_are_reported_as_they_were(tmp_path: Path) -> None:
    ran = here("report", "--store", laid_out("christiano2018", tmp_path / "store"))
    now = [line.split() for line in ran.out.splitlines()]
    for line in (RELEASED / "christiano2018.report.txt").read_text().splitlines():
        assert line.split() in now


@pytest.mark.parametrize("name", RESUMED)
def test_an_experiment_goes_on_in_a_released_store(name: str, tmp_path: Path) -> None:
    ran = here("run", name, "--limit", "2", "--engine", "local", "--store", laid_out(name, tmp_path / "store"))
    assert ran.code == 0, ran
    assert f"0 episodes run with 0 model calls; {RESUMED[name]} had been judged before" in ran.out
