"""The Judge page's parts. What a person said is on disk, by way of `oversight.judging`, before the page goes on."""

from __future__ import annotations

from oversight.judging import Desk, Session
from oversight.store import Store

from .. import links

__all__ = ["address_of", "desk_of", "session_from_address"]

_YES = "yes"


def session_from_address() -> Session | None:
    """The session that the address asks for; None as long as a run or a person is missing."""
    run, judge = links.get("run"), links.get("judge")
    if run is None or judge is None:
        return None
    arms = links.get("arms")
    return Session(
        judge=judge,
        run_id=run,
        about="steps" if links.get("about") == "steps" else "verdict",
        stepped=links.get("mode") != "end",
        feedback=links.get("feedback") == _YES,
        arms=tuple(arms.split("|")) if arms else (),
        again=links.get("again") == _YES,
    )


def address_of(session: Session) -> dict[str, str | None]:
    """The same in an address: what `session_from_address` reads."""
    return {
        "run": session.run_id,
        "judge": session.judge or None,
        "about": "steps" if session.about == "steps" else None,
        "mode": "turns" if session.stepped else "end",
        "feedback": _YES if session.feedback else None,
        "arms": "|".join(session.arms) or None,
        "again": _YES if session.again else None,
    }


def desk_of(store: Store, session: Session) -> Desk:
    """The desk of a session."""
    return Desk(store, session)
