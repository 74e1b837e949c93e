"""A person judges transcripts, or labels steps, and is told nothing that could tell the right answer."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from oversight.core.outcome import is_person
from oversight.errors import StoreError
from oversight.judging import JudgingSession
from oversight.store import InboxError

from . import data
from .judging import session_from_address, session_of, start, steps_form, verdict_form, words
from .judging.saved import pop_note, show_saved, told

__all__ = ["page"]

_WIDTH = 860
"""In pixels: lines that can be read."""


def page() -> None:
    """Show the page: choosing, judging, or what was said."""
    settings = session_from_address()
    with st.container(width=_WIDTH):
        if settings is None or not is_person(settings.judge):
            start.show(None if settings is None else settings.judge)
            return
        session = session_of(data.store(), settings)
        line = pop_note()
        if told() is not None:
            show_saved(line or "Saved.")
            return
        try:
            _judge(session, line)
        except InboxError as error:
            st.error("**Judging is not possible as things are:** what you say could not be kept.")
            words.trouble(error, "judge-trouble")


def _judge(session: JudgingSession, line: str) -> None:
    with suppress(StoreError):  # what waited for the database before; each judgement says so itself
        session.flush()
    assignment, queue = session.next()
    done = session.done()
    if assignment is None:
        start.nothing_left(session, queue, done)
        return
    total = done + 1 + queue.left
    what = "solution" if assignment.about == "steps" else "transcript"
    st.progress(done / total, text=f"{what} {done + 1:,} of {total:,}" + (f"  ·  {line}" if line else ""))
    if assignment.about == "steps":
        steps_form.show(session, assignment)
    else:
        verdict_form.show(session, assignment)
