"""Results: how often the judge was right, arm by arm, and all that follows from it; of a live run, as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import streamlit as st

from oversight.reports.report import COLUMNS, Unit

from . import data, formats, links
from .data import Stamp
from .measured import (
    accuracy_figure,
    best_of_n_figure,
    calibration_figure,
    cost_figure,
    difference_figure,
    lost,
    people,
    rounds_figure,
    sides_figure,
    steps_figure,
    turns_figure,
)
from .trouble import explained

__all__ = ["page"]

_WHILE_WRITTEN_S = 3
_OTHERWISE_S = 10
_VIEWS = {
    "difference": "Differences",
    "sides": "Honest and dishonest",
    "calibration": "Calibration",
    "turns": "Belief over turns",
    "cost": "Accuracy and cost",
    "people": "People",
    "steps": "Steps",
    "best-of": "Best of n",
    "rounds": "Rounds",
    "lost": "Left out and failed",
}
_OF_A_VIEW = ("one", "other", "arm", "bins")
"""Parameters of the address that are about arms, which another run does not have."""


def page() -> None:
    """The page."""
    st.title("Results")
    names = data.run_names(data.moment())
    if not names:
        st.markdown("No run has begun yet. One that has results in seconds, without any key:")
        st.code("oversight run experiments/quickstart.yaml", language="bash")
        return
    run = _chooser(names)
    if run is None:
        return
    live = data.live()
    st.fragment(_watched, run_every=_WHILE_WRITTEN_S if live else _OTHERWISE_S)(run, live)


def _chooser(names: Mapping[str, str]) -> str | None:
    """Which run, and what its rows are about."""
    asked = links.get("run")
    if asked is not None and asked not in names:
        st.warning("There is no run of that name in this store; choose one from the list.")
        st.button("The latest run", on_click=lambda: links.put(run=None))
        return None
    shown = {run_id: formats.run(run_id, name) for run_id, name in names.items()}
    left, middle, right = st.columns([5, 2, 2])
    with left:
        run = links.choose("run", "Run", list(names), every=None, shown=shown, resets=(*_OF_A_VIEW, "view"))
    with middle:
        links.choose("by", "A row for each", COLUMNS, every="as its experiment says")
    with right:
        links.choose("unit", "Unit of scoring", ("episode", "cluster"), every="as the experiment says")
    return run


def _watched(run: str, live: bool) -> None:
    """What refreshes by itself; nothing is worked out again unless something of this run was stored."""
    if data.live() != live:
        st.rerun()
    with explained():
        _show(run)


def _show(run: str) -> None:
    now = data.moment()
    at = data.stamp(now, run)
    if not at.planned and at.rounds:  # a network that is trained here answers questions that are no episodes
        rounds_figure.show(at)
        return
    if not at.planned:
        st.info("This run has planned no episode yet: as soon as it has, they are counted here.")
        return
    by, unit = links.get("by"), links.get("unit")
    rows = data.report_rows(
        at, by if by in COLUMNS else None, cast("Unit", unit) if unit in ("episode", "cluster") else None
    )
    accuracy_figure.plot(rows, data.chances(at))
    accuracy_figure.table(rows)
    with st.container(horizontal=True):
        links.link("transcripts", "Transcripts of this run", run=run)
        links.link("runs", "Progress", run=run)
    shows: dict[str, Callable[[], None]] = {
        "difference": lambda: difference_figure.show(at),
        "sides": lambda: sides_figure.show(at),
        "calibration": lambda: calibration_figure.show(at),
        "turns": lambda: turns_figure.show(at),
        "cost": lambda: cost_figure.show(rows),
        "people": lambda: people.show(at),
        "steps": lambda: steps_figure.show(at),
        "best-of": lambda: best_of_n_figure.show(at),
        "rounds": lambda: rounds_figure.show(at),
        "lost": lambda: lost.show(at, rows),
    }
    shows[_view(at)]()


def _view(at: Stamp) -> str:
    """What is looked at below the table; it is in the address."""
    extras = data.extras(at)
    there = {"steps": extras.steps, "best-of": extras.best_of, "rounds": bool(at.rounds)}
    views = [name for name in _VIEWS if there.get(name, True)]
    key, chosen = "view-box", links.get("view")
    st.session_state[key] = chosen if chosen in views else views[0]

    def changed() -> None:
        picked = st.session_state[key]
        links.put(view=None if picked in (None, views[0]) else picked)

    st.segmented_control(
        "View", views, format_func=_VIEWS.__getitem__, key=key, on_change=changed, label_visibility="collapsed"
    )
    return st.session_state[key] or views[0]
