"""The first thing to see: how often the judge was right, arm by arm, and the table with all that goes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from oversight.reports.arm_plots import accuracy_by_arm
from oversight.reports.report import ReportRow

from .. import formats, untrusted
from . import figure

__all__ = ["frame_of", "plot", "table"]


def frame_of(rows: Sequence[ReportRow], chances: Mapping[str, float]) -> pd.DataFrame:
    """The rows of a report that have an accuracy, as the chart takes them."""
    baselines = {row.baseline for row in rows}
    return pd.DataFrame(
        [
            {
                "arm": label,
                "protocol": row.protocol,
                "task": untrusted.one_line(row.task, 60),
                "judge": untrusted.one_line(row.judge or "-", 60),
                "strong": untrusted.one_line(row.strong or "-", 60),
                "n": row.n,
                "accuracy": row.accuracy,
                "low": row.low,
                "high": row.high,
                "interval": row.interval,
                "baseline": row.arm in baselines,
                "chance": chances.get(row.arm, float("nan")),
                "published": float("nan") if row.published is None else row.published,
            }
            for row, label in zip(rows, figure.short(figure.labels_of(rows)), strict=True)
            if row.accuracy is not None
        ]
    )


def plot(rows: Sequence[ReportRow], chances: Mapping[str, float]) -> None:
    """Show dots and whiskers."""
    frame = frame_of(rows, chances)
    if frame.empty:
        st.info("No verdict of this run counts yet: the first one that does appears here by itself.")
        return
    notes = [f"Intervals: 95 %, {figure.methods(frame['interval'])}."]
    if frame["chance"].notna().any():
        notes.append("Dashed grey line: guessing.")
    if frame["baseline"].any():
        notes.append("◆ the judge alone, with whom the others are compared.")
    if frame["published"].notna().any():
        notes.append("Red triangle: the paper's number.")
    if {row.unit for row in rows} == {"cluster"}:
        notes.append("Units are whole clusters, right only if every verdict in them is.")
    chart = accuracy_by_arm(frame, figure.colours_of(frame["protocol"]))
    numbers = pd.DataFrame([row.model_dump(mode="json") for row in rows])
    figure.show(chart, numbers, name="accuracy", note=" ".join(notes))


def table(rows: Sequence[ReportRow]) -> None:
    """Show the numbers of ``oversight report``, aligned."""
    frame = pd.DataFrame([_cells(row, label) for row, label in zip(rows, figure.labels_of(rows), strict=True)])
    shown = frame.drop(columns="protocol").dropna(axis="columns", how="all")
    column = st.column_config
    settings = {
        "arm": column.TextColumn(width=140),
        "accuracy [95 %]": column.TextColumn(alignment="right", width=150),
        "paper": column.NumberColumn(format="%.3f", width=58, help="what the paper says"),
        "Brier": column.NumberColumn(format="%.3f", width=58, help="0 best; 0.25: an even split of two"),
        "log score": column.NumberColumn(format="%.3f", width=72, help="mean log2 of the right answer's probability"),
        "ECE": column.NumberColumn(format="%.3f", width=58, help="expected calibration error, 10 bins of equal width"),
        "label mass": column.NumberColumn(
            format="%.3f", width=72, help="median token probability on the answers' labels"
        ),
        "abstained": column.NumberColumn(format="localized", width=78),
        "ties": column.NumberColumn(format="localized", width=54, help="part of n, and not right"),
        "cost": column.TextColumn(alignment="right", width=72),
        **dict.fromkeys(("n", "void", "failed", "calls"), column.NumberColumn(format="localized", width=54)),
    }
    untrusted.table(
        shown,
        key="accuracy-table",
        column_config={name: each for name, each in settings.items() if name in shown},
        colours=figure.arm_colours(frame),
    )
    imported = dict.fromkeys(row.imported for row in rows if row.imported)
    if imported:
        untrusted.show([untrusted.Box("faint", (f"Imported: {text}.",)) for text in imported], key="imported")


def _cells(row: ReportRow, label: str) -> dict[str, object]:
    return {
        "arm": label,
        "protocol": row.protocol,
        "n": row.n,
        "accuracy [95 %]": figure.ranged(row.accuracy, row.low, row.high),
        "paper": row.published,
        "Brier": row.brier,
        "log score": row.log_score,
        "ECE": row.ece,
        "label mass": row.label_mass,
        "ties": row.n_ties or None,
        "abstained": row.n_abstained,
        "void": row.n_void,
        "failed": row.n_failed,
        "calls": row.calls,
        "cost": formats.money(row.cost_usd),
    }
