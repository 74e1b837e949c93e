"""Judging one transcript: what was said so far, and what the person makes of it."""

from __future__ import annotations

import streamlit as st

from oversight.judging import Desk, Hearing
from oversight.judging.session import LONGEST_EXPLANATION
from oversight.store import Sitting

from . import saved, words
from .belief_form import ask_belief, in_words
from .shown import show_once

__all__ = ["show"]


def show(desk: Desk, sitting: Sitting) -> None:
    """Show a transcript as far as the person has come, and ask."""
    hearing, entries = desk.hearing(sitting), desk.entries(sitting)
    part = len(entries)
    if part >= len(hearing.parts):  # all was said, but the page went away before that was kept
        saved.finish(desk, sitting)
        st.rerun()
    show_once(desk, sitting, part)
    words.situation(hearing, first=part == 0)
    heard = hearing.parts[: part + 1]
    words.said_so_far(heard, [in_words(hearing.labels, each.data["probs"]) for each in entries])
    words.image_so_far(hearing, heard)
    _ask(desk, sitting, hearing, part)


@st.fragment
def _ask(desk: Desk, sitting: Sitting, hearing: Hearing, part: int) -> None:
    """The sliders; moving one reruns no more than this."""
    last = part == len(hearing.parts) - 1
    key = f"{sitting.sitting_id}-{part}"
    st.divider()
    if last and hearing.asked:
        words.text(hearing.asked, "judging-asked")
    probs = ask_belief(hearing.labels, key)
    why = ""
    if last:
        why = st.text_area("Why? (optional)", key=f"{key}-why", max_chars=LONGEST_EXPLANATION, height=90)
    with st.container(horizontal=True):
        label = "Save the verdict" if last else "Save and read on"
        save = st.button(label, type="primary", disabled=probs is None, key=f"{key}-save", shortcut="Ctrl+Enter")
        abstain = "Abstain" if last else "Cannot tell yet"
        skip = st.button(abstain, key=f"{key}-abstain", shortcut="Alt+A")
    if save or skip:
        if not desk.believe(sitting, part, None if skip else probs, why):
            saved.note("You said this in another window before; that stays.")
        elif not last:
            saved.note("Saved.")
        saved.finish(desk, sitting)
        st.rerun()
