"""Runs: every run and how far it is; one that is being written shows its progress by itself."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from . import data, formats, links, palette, untrusted
from .data import RunProgress
from .trouble import explained
from .untrusted import Box

__all__ = ["page"]

_WHILE_WRITTEN_S = 2
_OTHERWISE_S = 10
_STATUS = {
    "running": palette.RIGHT,
    "finished": "#2f7fb8",
    "interrupted": palette.OUTCOMES["tie"],
    "stopped": palette.OUTCOMES["tie"],
    "failed": palette.WRONG,
}
_MEANS = {
    "stopped": "No process writes this run, and it did not end: the same `oversight run` resumes it.",
    "interrupted": "What finished is kept: the same `oversight run` goes on from here.",
    "failed": "The machinery broke down: the same `oversight run` goes on from here.",
}


def page() -> None:
    """The page."""
    st.title("Runs")
    live = data.live()
    st.fragment(_watched, run_every=_WHILE_WRITTEN_S if live else _OTHERWISE_S)(live)


def _watched(live: bool) -> None:
    """What refreshes by itself; how often depends on whether something is being written."""
    if data.live() != live:
        st.rerun()
    with explained():
        _all()


def _all() -> None:
    runs = data.run_rows(data.moment())
    if not runs:
        st.markdown(
            "The store is there, but no run has begun yet. One that shows something in seconds, without any key:"
        )
        st.code("oversight run experiments/quickstart.yaml", language="bash")
        return
    running = [run for run in runs if run.status == "running" and run.done < run.planned]
    if running:
        untrusted.show([Box("cards", tuple(_card(run) for run in running))], key="running")
    _table(runs)
    chosen = links.get("run")
    found = next((run for run in runs if run.run_id == chosen), None)
    if found is not None:
        _one(found)
    elif chosen:
        st.warning("There is no run of that name in this store; choose one from the table.")
    else:
        st.caption("Click on a run to see its arms, and to go to its results and transcripts.")


def _card(run: RunProgress) -> Box:
    """A run that is under way."""
    facts = (
        Box("number", (f"{run.done:,} of {run.planned:,} episodes",)),
        Box("number", (f"ETA {formats.duration(run.eta_s)}",)),
        Box("number", (f"{run.rate:,.1f}/s" if run.rate else "starting",)),
        Box("number", (f"spent {formats.money(run.spent)}",)),
        *([Box("number", (f"{run.failed:,} failed",))] if run.failed else []),
    )
    return Box(
        "card",
        (
            Box("row", (Box("live", ("● running",)), Box("strong", (run.name,)), Box("faint", (run.run_id,)))),
            _bar(run),
            Box("facts", facts),
        ),
    )


def _bar(run: RunProgress) -> Box:
    return Box(
        "wide",
        (
            Box("part", colour=palette.RIGHT, shade=formats.share(run.judged, run.planned)),
            Box("part", colour=palette.FAILED, shade=formats.share(run.failed, run.planned)),
        ),
    )


def _table(runs: Sequence[RunProgress]) -> None:
    frame = pd.DataFrame(
        [
            {
                "run": run.name,
                "status": run.status,
                "done": 100 * formats.share(run.done, run.planned) if run.planned else None,
                "judged": run.judged if run.planned else None,
                "failed": run.failed if run.planned else None,
                "planned": run.planned if run.planned else None,
                "ETA": formats.duration(run.eta_s) if run.status == "running" else "",
                "spent": formats.money(run.spent),
                "started": run.started or run.created,
                "failures": ", ".join(f"{formats.failure(name)} {count:,}" for name, count in run.failures.items()),
                "id": run.run_id,
            }
            for run in runs
        ]
    )
    column = st.column_config
    picked = untrusted.table(
        frame,
        key=f"runs-{len(runs)}",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "run": column.TextColumn(width=150),
            "status": column.TextColumn(width=78),
            "done": column.ProgressColumn(min_value=0, max_value=100, format="%.0f %%", width=72),
            **{name: column.NumberColumn(format="localized", width=62) for name in ("judged", "failed", "planned")},
            "spent": column.TextColumn(width=66, alignment="right"),
            "ETA": column.TextColumn(width=58, alignment="right"),
            "started": column.DatetimeColumn(format="D MMM, HH:mm", width=102),
            "failures": column.TextColumn(width=190),
        },
        colours={"status": _STATUS},
    )
    cells = picked.selection.cells
    if cells and runs[cells[0][0]].run_id != links.get("run"):
        links.put(run=runs[cells[0][0]].run_id)


def _one(run: RunProgress) -> None:
    """The run that was chosen."""
    heading = Box("row", (Box("title", (run.name,)), Box("verdict", (run.status,), _STATUS.get(run.status))))
    # A network that is trained here answers questions that are no episodes.
    far = (
        [f"{run.judged:,} judged", f"{run.failed:,} failed", f"{run.planned - run.done:,} to go"]
        if run.planned or run.round is None
        else [f"round {run.round}"]
    )
    facts = [
        *far,
        f"{run.calls:,} calls",
        f"spent {formats.money(run.spent)}",
        f"started {formats.ago(run.started or run.created)}",
    ]
    failures = tuple(
        Box("chip", (f"{formats.failure(name)}: {count:,}",), palette.FAILED) for name, count in run.failures.items()
    )
    bar = [_bar(run)] if run.planned else []
    boxes = [heading, *bar, Box("facts", tuple(Box("number", (fact,)) for fact in facts))]
    untrusted.show([*boxes, *([Box("row", (Box("faint", ("failed for",)), *failures))] if failures else [])], key="one")
    if run.status in _MEANS:
        st.info(_MEANS[run.status])
    with st.container(horizontal=True):
        links.link("results", "Results", run=run.run_id)
        if run.planned:
            links.link("transcripts", "Transcripts", run=run.run_id)
        if run.failed:
            links.link("transcripts", "Failed episodes", run=run.run_id, verdict="failed")
    _arms(run)


def _arms(run: RunProgress) -> None:
    arms = data.arm_rows(data.moment(), run.run_id, run.started if run.status == "running" else None)
    if not arms:
        return
    frame = pd.DataFrame([arm._asdict() for arm in arms])
    frame.insert(5, "done", 100 * (frame["judged"] + frame["failed"]) / frame["planned"].clip(lower=1))
    column = st.column_config
    untrusted.table(
        frame,
        key=f"arms-{run.run_id}",
        column_config={
            "done": column.ProgressColumn(min_value=0, max_value=100, format="%.0f %%", width="small"),
            **{
                name: column.NumberColumn(format="localized", width="small") for name in ("planned", "judged", "failed")
            },
        },
        colours={"protocol": {arm.protocol: palette.protocol_colour(arm.protocol) for arm in arms}},
    )
