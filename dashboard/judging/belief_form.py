"""Sliders for a belief. Nothing is preselected: a slider that was not touched says nothing."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

__all__ = ["ask_belief", "ask_probability", "in_words"]

_EVEN = 50


def in_words(labels: Sequence[str], probs: Sequence[float] | None) -> str:
    """A belief in one line."""
    if probs is None:
        return "cannot tell"
    return " · ".join(f"{label} {p:.0%}" for label, p in zip(labels, probs, strict=True))


def ask_belief(labels: Sequence[str], key: str) -> list[float] | None:
    """How likely each answer is, summing to 1; None until that is said."""
    if len(labels) == 2:  # noqa: PLR2004
        percent = _touched_slider(f"How likely is {labels[1]}, rather than {labels[0]}?", key, labels)
        return None if percent is None else [(100 - percent) / 100, percent / 100]
    return _ask_many(labels, key)


def ask_probability(label: str, key: str, ends: Sequence[str]) -> float | None:
    """One probability; None until it is said."""
    percent = _touched_slider(label, key, ends)
    return None if percent is None else percent / 100


def _touched_slider(label: str, key: str, ends: Sequence[str]) -> int | None:
    """A slider from one end to another; None until it was moved, or its middle confirmed."""
    touched = f"{key}-touched"

    def touch() -> None:
        st.session_state[touched] = True

    percent = int(st.slider(label, 0, 100, _EVEN, format="%d %%", key=key, on_change=touch))
    if st.session_state.get(touched):
        st.text(in_words(ends, ((100 - percent) / 100, percent / 100)))
        return percent
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text("Not said yet: move the slider, or")
        st.button(f"it is {_EVEN} %", key=f"{key}-even", on_click=touch, shortcut="Alt+5")
    return None


def _ask_many(labels: Sequence[str], key: str) -> list[float] | None:
    """A slider for each answer, in any unit: they are scaled to sum to 1."""
    st.text("How likely is each answer? Only the proportions count: they are scaled to 100 %.")
    values = []
    for label in labels:
        values.append(int(st.slider(label, 0, 100, 0, key=f"{key}-{label}")))
    total = sum(values)
    if not total:
        st.text("Not said yet: move at least one slider. One that stays at 0 means 0 %.")
        return None
    probs = [value / total for value in values]
    st.text(f"sum {total}, scaled to 100 %:  {in_words(labels, probs)}")
    return probs
