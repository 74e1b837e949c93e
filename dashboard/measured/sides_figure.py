"""Whether the judge is right because the honest side was argued, or in spite of the dishonest one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from oversight.reports.arm_plots import accuracy_by_arm
from oversight.stats.scores import accuracy

from .. import data, untrusted
from ..data import Stamp
from . import figure

__all__ = ["show", "split"]


def split(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy by arm and by who argued the right answer, of the arms in which that differs.

    The numbers are those of ``oversight report --by arm,honest``.
    """
    rows = []
    argued = table[table["counts"] & (table["seats"] > 0)]
    for (_, arm), part in argued.groupby(["arm_no", "arm"], sort=True):
        if part["honest"].nunique() < 2:  # noqa: PLR2004
            continue
        for honest, half in part.groupby("honest", sort=True):
            found = accuracy(half).right
            assert found is not None
            name = "a wrong answer was argued" if honest == "none" else f"{honest} argued the right answer"
            rows.append(
                {
                    "arm": f"{arm}: {name}",
                    "of": arm,
                    "honest": honest,
                    "protocol": half["protocol"].iloc[0],
                    "n": found.n,
                    "accuracy": found.value,
                    "low": found.low,
                    "high": found.high,
                    "interval": found.interval,
                    "baseline": False,
                    "chance": float("nan"),
                    "published": float("nan"),
                }
            )
    return pd.DataFrame(rows)


def show(at: Stamp) -> None:
    """Show it."""
    frame = split(data.verdict_table(at))
    if frame.empty:
        st.info("In no arm of this run is it sometimes one seat that argues the right answer, and sometimes another.")
        return
    chart = accuracy_by_arm(frame.assign(arm=figure.short(frame["arm"], 90)), figure.colours_of(frame["protocol"]))
    note = f"Intervals: 95 %, {figure.methods(frame['interval'])}. A lone seat that argues a wrong answer is dishonest."
    figure.show(chart, frame.drop(columns=["baseline", "chance", "published"]), name="sides", note=note)
    shown = frame[["of", "honest", "n"]].rename(columns={"of": "arm", "honest": "honest seat"})
    shown["accuracy [95 %]"] = figure.ranges(frame, "accuracy")
    shown["interval"] = frame["interval"]
    column = st.column_config
    untrusted.table(
        shown,
        key="sides-table",
        column_config={
            "n": column.NumberColumn(format="localized", width=80),
            "accuracy [95 %]": column.TextColumn(alignment="right", width=180),
        },
        colours={"arm": figure.arm_colours(frame, "of")["of"]},
    )
