"""What people can judge."""

from __future__ import annotations

from oversight.judging import About, arms

from .store_access import Moment, cached, store

__all__ = ["arms_to_judge"]


@cached
def arms_to_judge(now: Moment, run_id: str, about: About) -> list[str]:
    """The arms of a run in which there is something to judge."""
    return arms(store(), run_id, about)
