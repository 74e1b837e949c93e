"""Judging one transcript: what was said so far, and what the person makes of it."""

from __future__ import annotations

import streamlit as st

from oversight.judging import JudgingSession, TranscriptView
from oversight.judging.session import LONGEST_EXPLANATION
from oversight.store import JudgingAssignment

from . import saved, words
from .belief_form import ask_belief, in_words
from .shown import show_once

__all__ = ["show"]


def show(session: JudgingSession, assignment: JudgingAssignment) -> None:
    """Show a transcript as far as the person has come, and ask."""
    view, entries = session.view(assignment), session.entries(assignment)
    part = len(entries)
    if part >= len(view.parts):  # all was said, but the page went away before that was kept
        saved.finish(session, assignment)
        st.rerun()
    show_once(session, assignment, part)
    words.situation(view, first=part == 0)
    heard = view.parts[: part + 1]
    words.said_so_far(heard, [in_words(view.labels, each.data["probs"]) for each in entries])
    words.image_so_far(view, heard)
    _ask(session, assignment, view, part)


@st.fragment
def _ask(session: JudgingSession, assignment: JudgingAssignment, view: TranscriptView, part: int) -> None:
    """The sliders; moving one reruns no more than this."""
    last = part == len(view.parts) - 1
    key = f"{assignment.sitting_id}-{part}"
    st.divider()
    if last and view.asked:
        words.text(view.asked, "judging-asked")
    probs = ask_belief(view.labels, key)
    why = ""
    if last:
        why = st.text_area("Why? (optional)", key=f"{key}-why", max_chars=LONGEST_EXPLANATION, height=90)
    with st.container(horizontal=True):
        label = "Save the verdict" if last else "Save and read on"
        save = st.button(label, type="primary", disabled=probs is None, key=f"{key}-save", shortcut="Ctrl+Enter")
        abstain = "Abstain" if last else "Cannot tell yet"
        skip = st.button(abstain, key=f"{key}-abstain", shortcut="Alt+A")
    if save or skip:
        if not session.believe(assignment, part, None if skip else probs, why):
            saved.note("You said this in another window before; that stays.")
        elif not last:
            saved.note("Saved.")
        saved.finish(session, assignment)
        st.rerun()
