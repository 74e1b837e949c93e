"""Compare: one question in two arms side by side, two arms question by question, two runs setting by setting."""

from __future__ import annotations

import streamlit as st

from . import data, links, untrusted
from .comparing import beside, question_comparison, run_comparison
from .comparing.choice import choose
from .untrusted import Box

__all__ = ["page"]


def page() -> None:
    """The page: a question side by side where the address names one, else what it can be chosen from."""
    now = data.moment()
    st.title("Compare")
    choice = choose(now)
    if choice is None:
        st.markdown("No run has an arm yet. This makes three, in seconds and without any key:")
        st.code("oversight run experiments/quickstart.yaml", language="bash")
        return
    question = links.get("question")
    if question:
        beside.show(now, choice, question)
        return
    if choice.one.run != choice.other.run:
        run_comparison.settings(now, choice)
        run_comparison.arms(now, choice)
        untrusted.show([Box("heading", ("The two arms that are chosen above",))], key="chosen")
    elif choice.one.arm == choice.other.arm:
        st.info(
            "This is one arm beside itself: choose another arm, or another run. A question still shows two episodes."
        )
    if question_comparison.summary(now, choice):
        question_comparison.table(now, choice)
