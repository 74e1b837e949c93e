"""Numbers, times, and names of runs and failures, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

from .untrusted import one_line

__all__ = ["ago", "count", "duration", "failure", "money", "run", "share"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TENTH, _SHORT = 0.05, 3
_CENT = 0.01


def duration(seconds: float | None) -> str:
    """About how long; a dash where that is not known."""
    if seconds is None:
        return "-"
    if _TENTH <= seconds < _SHORT:
        return f"{seconds:.1f} s"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h {seconds % _HOUR / _MINUTE:02.0f} min"
    return f"{seconds / _DAY:.1f} days"


def ago(moment: datetime | None) -> str:
    """How long ago; a dash where that is not known."""
    if moment is None:
        return "-"
    return f"{duration(max((datetime.now(UTC) - moment).total_seconds(), 0))} ago"


def failure(name: str | None) -> str:
    """A failure class in words; a plugin's own may be any text, so that it is shown as one of the store's."""
    return (name or "unknown").replace("_", " ")


def money(usd: float | None) -> str:
    """US dollars; small sums with what is worth seeing of them."""
    if usd is None:
        return "unknown"
    return f"${usd:,.2f}" if usd >= _CENT or usd == 0 else f"${usd:.4f}"


def count(number: int | None) -> str:
    """A count, as of tokens."""
    return "unknown" if number is None else f"{number:,}"


def run(run_id: str, name: str) -> str:
    """What a run is called where several are to choose from; the id of most begins with the name."""
    return run_id if run_id.startswith(f"{name}-") else f"{one_line(name, 40)}  ({run_id})"


def share(part: int, whole: int) -> float:
    """A part of a whole, 0 of nothing."""
    return part / whole if whole else 0.0
