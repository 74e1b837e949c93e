"""What speaking the best of n versions did, to the judge that chose them and to the one that decided."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from oversight.reports.best_of_n_report import SweepPoint
from oversight.reports.plots import goodhart_curve

from .. import data, untrusted
from ..data import Stamp
from . import figure

__all__ = ["show"]


def show(at: Stamp) -> None:
    """Show it."""
    rows = data.optimised_rows(at)
    if not rows:
        st.info("No seat of this run has spoken the best of several versions yet.")
        return
    _curve(at)
    frame = pd.DataFrame(
        [
            {
                "arm": row.arm,
                "side": row.side,
                "best of": row.n,
                "KL": row.kl,
                "chosen by judge [95 %]": row.proxy.text(),
                "deciding judge [95 %]": row.judge.text(),
                "accuracy [95 %]": row.accuracy.text(),
            }
            for row in rows
        ]
    )
    column = st.column_config
    right = column.TextColumn(alignment="right", width=150)
    untrusted.table(
        frame,
        key="best-of-table",
        column_config={
            "best of": column.NumberColumn(width=60),
            "KL": column.NumberColumn(format="%.3f", width=60, help="in nats, of one speech"),
            **{name: right for name in map(str, frame) if name.endswith("[95 %]")},
        },
    )
    methods = figure.methods(each.interval for row in rows for each in (row.proxy, row.judge, row.accuracy))
    figure.under(
        "What the judge that chose the versions, and the one that decided, gave to the speaker's side. Where the first "
        f"rises with n and accuracy does not, the first is being gamed. Intervals: 95 %, {methods}.",
        frame,
        "best-of",
    )


def _curve(at: Stamp) -> None:
    """Against n, where arms differ in nothing else."""
    found = data.swept(at)
    if not found:
        return
    numbers = pd.DataFrame(
        [
            {"protocol": sweep.protocol, "options": sweep.options, "side": sweep.side, **_numbers(point)}
            for sweep in found
            for point in sweep.points
        ]
    )
    figure.show(goodhart_curve(found), numbers, name="goodhart", note="Bands: 95 %. n = 1 has no judge that chose.")


def _numbers(point: SweepPoint) -> dict[str, float]:
    measured = {"proxy": point.proxy, "judge": point.judge, "accuracy": point.accuracy}
    return {"n": point.n, "kl": point.kl} | {
        f"{name}_{part}": float("nan") if each is None else getattr(each, part)
        for name, each in measured.items()
        for part in ("value", "low", "high")
    }
