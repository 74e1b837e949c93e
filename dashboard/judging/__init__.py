"""The Judge page's parts. What a person said is on disk, by way of `oversight.judging`, before the page goes on."""

from __future__ import annotations

from oversight.judging import JudgingSession, SessionSettings
from oversight.store import Store

from .. import links

__all__ = ["address_of", "session_from_address", "session_of"]

_YES = "yes"


def session_from_address() -> SessionSettings | None:
    """The session that the address asks for; None as long as a run or a person is missing."""
    run, judge = links.get("run"), links.get("judge")
    if run is None or judge is None:
        return None
    arms = links.get("arms")
    return SessionSettings(
        judge=judge,
        run_id=run,
        about="steps" if links.get("about") == "steps" else "verdict",
        stepped=links.get("mode") != "end",
        feedback=links.get("feedback") == _YES,
        arms=tuple(arms.split("|")) if arms else (),
        again=links.get("again") == _YES,
    )


def address_of(settings: SessionSettings) -> dict[str, str | None]:
    """The same in an address: what `session_from_address` reads."""
    return {
        "run": settings.run_id,
        "judge": settings.judge or None,
        "about": "steps" if settings.about == "steps" else None,
        "mode": "turns" if settings.stepped else "end",
        "feedback": _YES if settings.feedback else None,
        "arms": "|".join(settings.arms) or None,
        "again": _YES if settings.again else None,
    }


def session_of(store: Store, settings: SessionSettings) -> JudgingSession:
    """The session with these settings."""
    return JudgingSession(store, settings)
