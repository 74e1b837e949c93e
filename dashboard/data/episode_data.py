"""One stored episode."""

from __future__ import annotations

import json
from typing import Any

from oversight.store import Transcript

from .store_access import Moment, cached, select, store

__all__ = ["find_attempts", "settings_of", "transcript"]


@cached
def transcript(now: Moment, episode_id: str, attempt: int | None = None) -> Transcript:
    """One attempt at an episode, by default the one that counts.

    Raises:
        StoreError: there is none.
    """
    return store().transcript(episode_id, attempt)


@cached
def find_attempts(now: Moment, prefix: str) -> tuple[str, dict[int, str]] | None:
    """The one episode whose id begins so, and what became of its attempts; None if none does, or several do."""
    rows = select(ATTEMPTS, [prefix])
    if len({row["episode_id"] for row in rows}) != 1:
        return None
    return str(rows[0]["episode_id"]), {row["attempt"]: row["status"] for row in rows}


@cached
def settings_of(now: Moment, run_id: str) -> dict[str, Any]:
    """A run's experiment as resolved; it never has a key in it."""
    rows = select("SELECT experiment FROM runs WHERE run_id = ?", [run_id])
    return dict(json.loads(rows[0]["experiment"])) if rows else {}


ATTEMPTS = """
SELECT episode_id, attempt, status FROM episodes WHERE starts_with(episode_id, ?) ORDER BY episode_id, attempt LIMIT 100
"""
