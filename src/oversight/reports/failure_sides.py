"""What went wrong, and on whose side: failures that fall on one side bias what is left (rule 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from oversight.store import Store

__all__ = ["SideFailures", "Truncation", "faults", "truncations"]


class SideFailures(NamedTuple):
    """Failed calls of one class, of one arm, on one side.

    Attributes:
        run, arm: where.
        failure: the class.
        side: ``honest`` or ``dishonest`` for seats that argue, else the seat's role.
        calls: attempts at a call that failed so; most of them were made again.
        episodes: attempts at an episode that failed for it.
    """

    run: str
    arm: str
    failure: str
    side: str
    calls: int
    episodes: int


class Truncation(NamedTuple):
    """Texts of one arm, on one side, that were kept although a token limit cut them off.

    Attributes:
        run, arm: where.
        side: as in `SideFailures`.
        texts: what seats said, thought or drafted; what a model only reasoned is not counted.
        episodes: episodes with such a text in the attempt that counts.
    """

    run: str
    arm: str
    side: str
    texts: int
    episodes: int


def faults(store: Store, runs: Sequence[str] = ()) -> list[SideFailures]:
    """The failed calls of some runs, by default of all."""
    query = """
        SELECT run_id, arm, failure, side, calls, attempts_failed
        FROM faults WHERE len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], run_id)
        ORDER BY run_id, arm_no, failure, side
    """
    return [SideFailures(*row.values()) for row in store.arrow(query, [list(runs), list(runs)]).to_pylist()]


def truncations(store: Store, runs: Sequence[str] = ()) -> list[Truncation]:
    """The texts of some runs, by default of all, that a token limit cut off and that were kept."""
    query = """
        SELECT run_id, arm, side, messages, episodes
        FROM truncations WHERE len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], run_id)
        ORDER BY run_id, arm_no, side
    """
    return [Truncation(*row.values()) for row in store.arrow(query, [list(runs), list(runs)]).to_pylist()]
