"""A chart that can be taken away: as PNG, as SVG, and its numbers as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import TypeAlias

import altair as alt
import pandas as pd
import streamlit as st

from oversight.reports.report import ReportRow

from .. import palette, untrusted

__all__ = [
    "Chart",
    "arm_colours",
    "cast_of",
    "colours_of",
    "labels_of",
    "methods",
    "ranged",
    "ranges",
    "short",
    "show",
    "under",
]

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.ConcatChart | alt.FacetChart


def _file(name: str) -> str:
    return (files(__package__ or "dashboard.measured") / name).read_text(encoding="utf-8")


# Streamlit's own toolbar saves a PNG and shows the data, but has no SVG, and drops the chart's menu.
_take = st.components.v2.component(
    "oversight_takeaway", html="<div class='take'></div>", css=_file("takeaway.css"), js=_file("takeaway.js")
)


def show(chart: Chart, numbers: pd.DataFrame, *, name: str, note: str) -> None:
    """Show a chart, what has to be known to read it, and the ways to take it away.

    Args:
        chart: what to draw.
        numbers: what is drawn, for the CSV file.
        name: of the files, and unique on the page; ours, never a text from the store.
        note: under the chart; ours, too.
    """
    with st.container(key=f"figure-{name}"):
        # Else Streamlit draws many marks on a canvas, which is no SVG.
        st.altair_chart(chart.properties(usermeta={"embedOptions": {"renderer": "svg"}}), key=f"chart-{name}")
        _under(note, numbers, name, ("PNG", "SVG", "CSV"))


def under(note: str, numbers: pd.DataFrame, name: str) -> None:
    """Under a table: what has to be known to read it, and its numbers as CSV."""
    _under(note, numbers, name, ("CSV",))


def _under(note: str, numbers: pd.DataFrame, name: str, ways: Sequence[str]) -> None:
    left, right = st.columns([8, 2])
    with left:
        untrusted.show([untrusted.Box("faint", (note,))], key=f"note-{name}")
    with right:
        told = {"ways": list(ways), "name": f"oversight-{name}", "csv": numbers.to_csv(index=False)}
        _take(key=f"take-{name}", data=told)


def colours_of(protocols: Iterable[str]) -> dict[str, str]:
    """The colour of each protocol; rows that are about several are grey."""
    return {name: palette.NEUTRAL if ", " in name else palette.protocol_colour(name) for name in protocols}


def methods(intervals: Iterable[str | None]) -> str:
    """By which methods intervals were made, each once; how many clusters each rests on stands in the tables."""
    found = dict.fromkeys(text.partition(",")[0].partition(" on ")[0] for text in intervals if text)
    return " and ".join(found) or "none"


def ranged(value: float | None, low: float | None, high: float | None, form: str = ".3f") -> str:
    """A number with its interval, as tables have it; a dash where there is none."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "-"
    if low is None or high is None or low != low:  # noqa: PLR0124
        return f"{value:{form}}"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def ranges(frame: pd.DataFrame, value: str, low: str = "low", high: str = "high", form: str = ".3f") -> list[str]:
    """The same for the columns of a frame."""
    columns = (frame[name].astype("float64").tolist() for name in (value, low, high))
    return [ranged(number, least, most, form) for number, least, most in zip(*columns, strict=True)]


def arm_colours(frame: pd.DataFrame, column: str = "arm") -> dict[str, dict[str, str]]:
    """For a table: each arm's name in the colour of its protocol."""
    colours = colours_of(frame["protocol"])
    return {column: {str(arm): colours[name] for arm, name in zip(frame[column], frame["protocol"], strict=True)}}


def short(names: Iterable[str], longest: int = 60) -> list[str]:
    """Names short enough for a chart; what differs goes on doing so."""
    found: dict[str, str] = {}
    for name in (names := list(names)):
        cut = untrusted.one_line(name, longest)
        again = sum(other == cut or other.startswith(f"{cut} (") for other in found.values()) + 1
        found.setdefault(name, cut if cut not in found.values() else f"{cut} ({again})")
    return [found[name] for name in names]


def cast_of(judges: Iterable[str | None], strong: Iterable[str | None]) -> str:
    """Judge and strong model in one line."""
    return " ← ".join(_one(names, what) for names, what in ((judges, "judges"), (strong, "models")))


def _one(names: Iterable[str | None], what: str) -> str:
    found = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    return untrusted.one_line(found[0], 40) if len(found) == 1 else f"{len(found)} {what}" if found else "-"


def labels_of(rows: Sequence[ReportRow]) -> list[str]:
    """What each row is called: by the columns that rows are told apart by."""
    return [" / ".join(row.group.values()) for row in rows]
