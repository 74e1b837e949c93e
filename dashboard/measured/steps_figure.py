"""How overseers, and people, labelled the steps of solutions."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from oversight.stats.estimate import Estimate

from .. import data, untrusted
from ..data import Stamp
from . import figure

__all__ = ["show"]


def show(at: Stamp) -> None:
    """Show it."""
    rows = data.process_rows(at)
    if not rows:
        st.info("No solution was checked in this run yet.")
        return
    frame = pd.DataFrame(
        [
            {
                "arm": row.arm,
                "labels of": row.labeller or "the overseer",
                "solutions": row.solutions,
                "steps": row.steps,
                "labelled right [95 %]": _text(row.step_accuracy),
                "first error F1 [95 %]": _text(row.first_error_f1),
                "found in erroneous [95 %]": _text(row.on_erroneous),
                "none in correct [95 %]": _text(row.on_correct),
                "final error [95 %]": _text(row.final_error),
                "unparsable": row.unparsable,
            }
            for row in rows
        ]
    ).dropna(axis="columns", how="all")
    column = st.column_config
    right = column.TextColumn(alignment="right", width=155)
    whole = column.NumberColumn(format="localized", width=70)
    untrusted.table(
        frame,
        key="steps-table",
        column_config={
            **{name: right for name in map(str, frame) if name.endswith("[95 %]")},
            **dict.fromkeys(("solutions", "steps", "unparsable"), whole),
        },
    )
    measured = [each for row in rows for each in (row.step_accuracy, row.first_error_f1, row.final_error) if each]
    note = (
        "Steps count up to the first wrong one, where the truth is known; labels that could not be read count as "
        "wrong. First error F1: the harmonic mean of finding the first wrong step, and of finding none where none is "
        f"(ProcessBench). Intervals: 95 %, {figure.methods(each.interval for each in measured)}."
    )
    figure.under(note, frame, "steps")


def _text(number: Estimate | None) -> str | None:
    return None if number is None else number.text()
