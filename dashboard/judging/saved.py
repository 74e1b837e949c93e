"""After a verdict: it is safe, the right answer if the session tells it, and on to the next."""

from __future__ import annotations

from typing import Any

import streamlit as st

from oversight.errors import StoreError
from oversight.judging import Feedback, JudgingSession
from oversight.store import JudgingAssignment

from . import words

__all__ = ["finish", "note", "pop_note", "show_saved", "told"]

_TOLD = "judging-told"
_NOTE = "judging-note"
_TROUBLE = "judging-trouble"


def note(line: str) -> None:
    """Say something after the next rerun; ``line`` is ours."""
    st.session_state[_NOTE] = line


def pop_note() -> str:
    """What was noted before this rerun, and a warning if a judgement waits."""
    error: Any = st.session_state.pop(_TROUBLE, None)
    if isinstance(error, StoreError):
        st.warning(
            "Your judgement is safe in `judgements.sqlite`, but the database cannot take it. Whatever opens the store "
            "for writing next brings it in."
        )
        words.trouble(error, "judging-trouble")
    return str(st.session_state.pop(_NOTE, ""))


def finish(session: JudgingSession, assignment: JudgingAssignment) -> bool:
    """Keep the judgement if all is said, and bring it to the database; False if something is left to say."""
    judgement = session.finish(assignment)
    if judgement is None:
        return False
    note("Saved.")
    try:
        if session.flush():
            note("Saved. The database is busy; it gets the judgement as soon as it is free.")
    except StoreError as error:
        st.session_state[_TROUBLE] = error
    st.session_state[_TOLD] = session.answered(assignment)
    return True


def told() -> Feedback | None:
    """What is to be told about the judgement that was saved last."""
    answered: Any = st.session_state.get(_TOLD)
    return answered if isinstance(answered, Feedback) else None


def show_saved(line: str) -> None:
    """Tell the right answer under a line of ours, and wait until the person goes on."""
    answered = told()
    assert answered is not None
    st.subheader(line)
    if answered.mistake is not None:
        st.text(f"The first wrong step is step {answered.mistake}." if answered.mistake else "No step is wrong.")
    st.text(f"The right answer is {answered.label}:")
    words.text(answered.answer, "judging-answer")

    def go_on() -> None:
        st.session_state.pop(_TOLD, None)

    st.button("Next", type="primary", on_click=go_on, shortcut="Ctrl+Enter")
