"""Numbers and times as people read them; nothing in here ever sees a text of the store."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["ago", "duration", "money", "share"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_CENT = 0.01


def duration(seconds: float | None) -> str:
    """About how long; a dash where that is not known."""
    if seconds is None:
        return "-"
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


def money(usd: float | None) -> str:
    """US dollars; small sums with what is worth seeing of them."""
    if usd is None:
        return "unknown"
    return f"${usd:,.2f}" if usd >= _CENT or usd == 0 else f"${usd:.4f}"


def share(part: int, whole: int) -> float:
    """A part of a whole, 0 of nothing."""
    return part / whole if whole else 0.0
