"""Labelling one solution, a step at a time."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from oversight.judging import JudgingSession, LabelledSolution, PersonLabel
from oversight.judging.step_labelling import Label
from oversight.store import JudgingAssignment

from . import saved, words
from .belief_form import ask_probability
from .shown import show_once

__all__ = ["show"]

_LABELS: tuple[Label, ...] = get_args(Label)
_HELP = (
    "Label each step by itself, given the steps before it: **correct** if it follows and what it states is right, "
    "**incorrect** if it states something wrong or does not follow, **neutral** if it states nothing that could be "
    "right or wrong."
)


def show(session: JudgingSession, assignment: JudgingAssignment) -> None:
    """Show the steps as far as the person has come, and ask about the next."""
    solution, entries = session.solution(assignment), session.entries(assignment)
    if saved.finish(session, assignment):  # all was said, but the page went away before that was kept
        st.rerun()
    step = len(entries)
    show_once(session, assignment, step)
    st.caption(_HELP)
    words.steps_so_far(solution, entries)
    _ask(session, assignment, solution, step)


@st.fragment
def _ask(session: JudgingSession, assignment: JudgingAssignment, solution: LabelledSolution, step: int) -> None:
    """The label and its probability; choosing one reruns no more than this."""
    key = f"{assignment.sitting_id}-{step}"
    chosen = _ask_label(f"{key}-label")
    p_correct = ask_probability("How likely is it that this step is right?", key, ("wrong", "right"))
    ends = (solution.stop_at_error and chosen == "incorrect") or step == len(solution.steps) - 1
    label = "Save the labels" if ends else "Save and read on"
    ready = chosen is not None and p_correct is not None
    if st.button(label, type="primary", disabled=not ready, key=f"{key}-save", shortcut="Ctrl+Enter"):
        assert chosen is not None
        assert p_correct is not None
        if not session.label(assignment, step, PersonLabel(label=chosen, p_correct=p_correct)):
            saved.note("You labelled this step in another window before; that stays.")
        elif not ends:
            saved.note("Saved.")
        saved.finish(session, assignment)
        st.rerun()


def _ask_label(key: str) -> Label | None:
    """Three buttons, none of them pressed beforehand; the keys Alt+1 to Alt+3 press them."""

    def choose(label: Label) -> None:
        st.session_state[key] = label

    chosen: Label | None = st.session_state.get(key)
    with st.container(horizontal=True):
        for number, label in enumerate(_LABELS, 1):
            st.button(
                label,
                key=f"{key}-{label}",
                type="primary" if chosen == label else "secondary",
                on_click=choose,
                args=(label,),
                shortcut=f"Alt+{number}",
            )
    return chosen
