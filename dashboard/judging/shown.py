"""When a part was put before a person: once for each browser session, so that breaks show."""

from __future__ import annotations

import streamlit as st

from oversight.judging import Desk
from oversight.store import Sitting

__all__ = ["show_once"]

_SHOWN = "judging-shown"


def show_once(desk: Desk, sitting: Sitting, part: int) -> None:
    """Start the part's clock, unless this browser session did."""
    if st.session_state.get(_SHOWN) != (sitting.sitting_id, part):
        desk.show(sitting, part)
        st.session_state[_SHOWN] = (sitting.sitting_id, part)
