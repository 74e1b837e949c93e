"""The shipped experiments show what their descriptions say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli.running import here


def arms(store: Path) -> dict[str, dict[str, Any]]:
    return {row["arm"]: row for row in here("report", "--store", store, "--format", "json").rows}


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("quickstart") / "store"
    assert here("run", "quickstart", "--engine", "local", "--store", store).code == 0
    return store


def test_debate_beats_consultancy_by_far(quickstart: Path) -> None:
    found = arms(quickstart)
    assert found["debate"]["accuracy"] - found["consultancy"]["accuracy"] >= 0.25
    assert found["debate"]["low"] > found["consultancy"]["high"]
    assert found["debate"]["difference_low"] > 0.25
    assert [found[arm]["n_failed"] for arm in ("direct", "consultancy", "debate")] == [0, 0, 0]


def test_the_quickstart_run_again_calls_no_model(quickstart: Path) -> None:
    again = here("run", "quickstart", "--engine", "local", "--store", quickstart)
    assert again.code == 0
    assert "0 episodes run with 0 model calls; 500 had been judged before" in again.out


def test_every_reveal_is_stored_as_a_verified_quote(quickstart: Path) -> None:
    query = """
        SELECT count(*) AS reveals, count(*) FILTER ((data->>'verified')::BOOLEAN) AS verified
        FROM annotations WHERE kind = 'quote'
    """
    (row,) = here("sql", query, "--store", quickstart, "--format", "json").rows
    assert row == {"reveals": 200 * 4 + 200 * 4, "verified": 200 * 4 + 200 * 4}


@pytest.mark.long
def test_precommitment_is_what_makes_debate_work(tmp_path: Path) -> None:
    """Irving et al. 2018, table 2, on a few images: the order of the arms, and the size of their differences."""
    store = tmp_path / "store"
    assert here("run", "irving2018", "--engine", "local", "--store", store, "--set", "task.images=40").code == 0
    found = arms(store)
    assert {row["unit"] for row in found.values()} == {"cluster"}
    assert found["consultancy"]["accuracy"] == pytest.approx(0.5, abs=0.05)
    assert found["precommitment"]["accuracy"] > found["no precommitment"]["accuracy"] + 0.15
    assert found["precommitment"]["low"] > 0.75
    assert 0.3 < found["judge alone"]["accuracy"] < 0.7
    assert (found["precommitment"]["published"], found["precommitment"]["n_void"]) == (0.852, 0)
    # Nine digits of ten that are defended are wrong, so is whoever opposes them.
    assert (found["no precommitment"]["n"], found["no precommitment"]["n_void"]) == (80, 720)
    # The paper counts images, so its number says nothing about episodes.
    by_episode = here("report", "--store", store, "--unit", "episode", "--format", "json").rows
    assert {row["published"] for row in by_episode} == {None}


@pytest.mark.long
@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.long)])
def test_checking_the_process_beats_checking_the_outcome_where_slips_show(tmp_path: Path, engine: str) -> None:
    store, workers = tmp_path / "store", ("--workers", 1) if engine == "ray" else ()
    ran = here("run", "process_arithmetic", "--engine", engine, *workers, "--limit", 30, "--store", store)
    assert ran.code == 0, ran
    assert "First wrong steps found" in ran.out
    found = arms(store)
    assert found["process"]["accuracy"] == 1
    assert found["process"]["low"] > found["outcome"]["high"]
    assert found["majority"]["calls"] == 0


@pytest.mark.long
def test_first_mistakes_in_real_traces_are_found(tmp_path: Path) -> None:
    data = Path(__file__).parents[3] / "shared" / "data" / "bigbench_mistake"
    if not data.is_dir():
        pytest.skip(f"{data} is not there")
    store = tmp_path / "store"
    options = ("--set", f"task.path={data}", "--limit", 60, "--store", store)
    assert here("run", "process_bigbench_mistake", "--engine", "local", *options).code == 0
    query = """
        SELECT avg((first_error IS NOT DISTINCT FROM mistakes[1])::INTEGER) AS exact, count(*) AS n FROM (
            SELECT (data->>'first_error')::INTEGER AS first_error, episode_id FROM annotations
            WHERE kind = 'solution' AND data->>'labelled' IS NOT NULL
        ) JOIN plan USING (episode_id) JOIN questions USING (question_key)
    """
    (row,) = here("sql", query, "--store", store, "--format", "json").rows
    assert row["n"] == 5 * 60
    assert row["exact"] > 0.9
