"""Saying beforehand what it costs that the record of a run's calls is gone."""

from __future__ import annotations

import warnings
from contextlib import suppress

from oversight.calls.call_cache import CALLS_FILE
from oversight.calls.gate import GateSettings
from oversight.store import open_store

__all__ = ["warn_of_lost_calls"]

_PAID = """
SELECT count(*) AS calls, sum(cost_usd) AS usd FROM calls WHERE run_id = ? AND cost_usd > 0 AND origin = 'made'
"""


def warn_of_lost_calls(gate: GateSettings | None) -> None:
    """Warn if a run has paid for calls and their record is missing or empty; to be asked before it is opened."""
    if gate is None or gate.replay is not None:
        return
    journal = gate.directory / CALLS_FILE
    with suppress(OSError):
        if journal.stat().st_size:
            return
    (paid,) = open_store(gate.directory).arrow(_PAID, [gate.run_id]).to_pylist()
    if paid["calls"]:
        warnings.warn(
            f"{journal} is missing or empty, though this run has paid for {paid['calls']} calls: those of unfinished "
            f"episodes are paid again, and the ${paid['usd']:,.2f} spent before does not count towards --max-cost",
            stacklevel=2,
        )
