"""Shipped experiments on published data, from a clone that has nothing beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import here
from tasks.reading import published

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
DOWNLOADED = {
    "amplification_strategyqa": "strategyqa/dev.json",
    "gsm8k_debate": "gsm8k/example_model_solutions.jsonl",
    "ida_strategyqa": "strategyqa/train.json",
    "process_bigbench_mistake": "bigbench_mistake/dyck_languages.jsonl",
    "process_gsm8k": "gsm8k/example_model_solutions.jsonl",
}


@pytest.fixture
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and no way to the network."""
    monkeypatch.setenv("OVERSIGHT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    return tmp_path / "data"


def test_no_shipped_experiment_names_a_path_outside_the_project() -> None:
    assert [path.name for path in EXPERIMENTS.glob("*.yaml") if "path: .." in path.read_text(encoding="utf-8")] == []


@pytest.mark.usefixtures("nothing_there")
@pytest.mark.parametrize("name", DOWNLOADED)
def test_what_cannot_be_downloaded_is_one_line_with_its_address_and_what_to_do(name: str) -> None:
    said = here("plan", name).complaint()
    assert "https://raw.githubusercontent.com/" in said
    assert Path(DOWNLOADED[name]).name in said
    assert "download it yourself and name your copy with 'path:'" in said


@pytest.mark.usefixtures("nothing_there")
def test_what_has_no_single_download_is_one_line_that_says_where_it_is() -> None:
    said = here("plan", "michael2023").complaint()
    assert "github.com/julianmichael/debate, branch 2023-nyu-experiments" in said
    assert "--set task.path=YOUR/pub" in said


@pytest.mark.parametrize("name", DOWNLOADED)
def test_what_was_downloaded_before_is_used(name: str, nothing_there: Path) -> None:
    folder = Path(DOWNLOADED[name]).parent.name
    nothing_there.mkdir()
    (nothing_there / folder).symlink_to(published(folder), target_is_directory=True)
    assert here("plan", name, "--limit", 1).code == 0
