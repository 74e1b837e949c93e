"""A person judges transcripts, or labels steps, and is told nothing that could tell the right answer."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from oversight.core.outcome import is_person
from oversight.errors import StoreError
from oversight.judging import Desk
from oversight.store import LedgerError

from . import data
from .judging import desk_of, session_from_address, start, steps_form, verdict_form, words
from .judging.saved import pop_note, show_saved, told

__all__ = ["page"]

_WIDTH = 860
"""In pixels: lines that can be read."""


def page() -> None:
    """Show the page: choosing, judging, or what was said."""
    session = session_from_address()
    with st.container(width=_WIDTH):
        if session is None or not is_person(session.judge):
            start.show(None if session is None else session.judge)
            return
        desk = desk_of(data.store(), session)
        line = pop_note()
        if told() is not None:
            show_saved(line or "Saved.")
            return
        try:
            _judge(desk, line)
        except LedgerError as error:
            st.error("**Nobody can judge here as it is:** what you say could not be kept.")
            words.trouble(error, "judge-trouble")


def _judge(desk: Desk, line: str) -> None:
    with suppress(StoreError):  # what waited for the database before; each judgement says so itself
        desk.deliver()
    sitting, queue = desk.sit()
    done = desk.done()
    if sitting is None:
        start.nothing_left(desk, queue, done)
        return
    total = done + 1 + queue.left
    what = "solution" if sitting.about == "steps" else "transcript"
    st.progress(done / total, text=f"{what} {done + 1:,} of {total:,}" + (f"  ·  {line}" if line else ""))
    if sitting.about == "steps":
        steps_form.show(desk, sitting)
    else:
        verdict_form.show(desk, sitting)
