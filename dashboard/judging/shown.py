"""When a part was put before a person: once for each browser session, so that breaks show."""

from __future__ import annotations

import streamlit as st

from oversight.judging import JudgingSession
from oversight.store import JudgingAssignment

__all__ = ["show_once"]

_SHOWN = "judging-shown"


def show_once(session: JudgingSession, assignment: JudgingAssignment, part: int) -> None:
    """Start the part's clock, unless this browser session did."""
    if st.session_state.get(_SHOWN) != (assignment.sitting_id, part):
        session.show(assignment, part)
        st.session_state[_SHOWN] = (assignment.sitting_id, part)
