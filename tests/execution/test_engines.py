"""The same episodes come out whichever engine runs them, even where a worker dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from execution.conftest import Disturbed
from execution.staging import ATTEMPTS, VERDICTS, WORDS, rows

pytestmark = pytest.mark.long


def test_a_run_survives_a_killed_worker_with_every_episode_once(ray_run: Disturbed, local_store: Path) -> None:
    assert ray_run.ran.code == 0, ray_run.ran.err
    assert ray_run.killed in ray_run.workers
    assert ray_run.workers - {ray_run.killed}, "its episodes ran on the other, or on the one that took its place"
    found = rows(ray_run.store, ATTEMPTS)
    assert found == rows(local_store, ATTEMPTS)
    assert {(row["attempt"], row["status"]) for row in found} == {(0, "judged")}
    assert "Traceback" not in ray_run.ran.err + ray_run.ran.out


def test_ray_and_local_give_the_same_verdicts_and_the_same_words(ray_run: Disturbed, local_store: Path) -> None:
    assert rows(ray_run.store, VERDICTS) == rows(local_store, VERDICTS)
    assert rows(ray_run.store, WORDS) == rows(local_store, WORDS)


def test_plugins_models_and_prompts_travel_to_workers(ray_run: Disturbed) -> None:
    """Their files were moved away before a worker started."""
    asked = rows(
        ray_run.store,
        "SELECT DISTINCT arm, text FROM messages JOIN episodes USING (episode_id) "
        "WHERE kind = 'request' AND protocol = 'ask' ORDER BY arm",
    )
    assert [row["arm"] for row in asked] == ["ask", "leaning"]
    assert all(row["text"].startswith("Make up your mind in the 2 ways there are.") for row in asked)
    providers = rows(ray_run.store, "SELECT DISTINCT provider FROM calls ORDER BY 1")
    assert [row["provider"] for row in providers] == ["embedded", "file"]


def test_a_call_was_made_once_for_every_episode_that_counts(ray_run: Disturbed, local_store: Path) -> None:
    query = "SELECT episode_id, number, seat, purpose FROM calls ORDER BY episode_id, number"
    assert rows(ray_run.store, query) == rows(local_store, query)
