"""What the accuracies do not rest on: what failed, was void, or is still to come; and what was cut off."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from oversight.reports.report import ReportRow

from .. import data, formats, links, palette, untrusted
from ..data import Stamp
from . import figure

__all__ = ["show"]


def show(at: Stamp, rows: Sequence[ReportRow]) -> None:
    """Show it."""
    _balance(rows)
    with st.container(horizontal=True):
        if any(row.n_failed for row in rows):
            links.link("transcripts", "Read the failed episodes", run=at.run, verdict="failed")
        if any(row.n_abstained for row in rows):
            links.link("transcripts", "Read those whose judge abstained", run=at.run, verdict="abstained")
    _failures(data.failure_counts(at))
    _faults(at)
    _truncations(at)


def _balance(rows: Sequence[ReportRow]) -> None:
    """Where the episodes of each row went."""
    judged_as = "n" if {row.unit for row in rows} == {"episode"} else "clusters"
    frame = pd.DataFrame(
        [
            {
                "arm": label,
                "asked": row.n_asked,
                judged_as: row.n,
                "ties": row.n_ties,
                "abstained": row.n_abstained,
                "void": row.n_void,
                "failed": row.n_failed,
                "pending": row.n_pending,
                "accuracy": figure.ranged(row.accuracy, None, None),
                "if failed were wrong..right": ""
                if row.failures_wrong is None
                else f"{row.failures_wrong:.3f}..{row.failures_right:.3f}",
            }
            for row, label in zip(rows, figure.labels_of(rows), strict=True)
        ]
    )
    column = st.column_config
    untrusted.table(
        frame,
        key="balance-table",
        column_config={
            **{name: column.NumberColumn(format="localized", width=90) for name in frame.columns[1:8]},
            "accuracy": column.TextColumn(alignment="right", width=80),
            "if failed were wrong..right": column.TextColumn(alignment="right", width=175),
        },
    )
    st.caption(
        "Asked: episodes of the plan. n: those with a verdict that counts. Void: no side of the contest argued the "
        "right answer. Ties are part of n, and not right. What abstained, is void or failed is no part of any accuracy."
    )


def _failures(counts: pd.DataFrame) -> None:
    title = untrusted.Box("heading", ("Episodes without a verdict, by the class of their last failure",))
    if counts.empty:
        untrusted.show([title, untrusted.Box("faint", ("None failed.",))], key="failures")
        return
    wide = counts.pivot_table(
        index="arm", columns="failure", values="episodes", aggfunc="sum", sort=False, fill_value=0
    )
    classes = list(counts.groupby("failure")["episodes"].sum().sort_values(ascending=False).index)
    chips = tuple(
        untrusted.Box("chip", (f"{formats.failure(name)}: {wide[name].sum():,}",), palette.FAILED) for name in classes
    )
    untrusted.show([title, untrusted.Box("row", chips)], key="failures")
    column = st.column_config
    untrusted.table(
        wide[classes].reset_index(),
        key="failures-table",
        column_config={
            name: column.NumberColumn(formats.failure(name), format="localized", width=110) for name in classes
        },
    )


def _faults(at: Stamp) -> None:
    """Failed calls by side: those that fall on one side bias what is left."""
    found = data.fault_rows(at)
    if not found:
        return
    untrusted.show([untrusted.Box("heading", ("Failed calls, by whose they were",))], key="faults")
    frame = pd.DataFrame(found).drop(columns="run").rename(columns={"episodes": "episodes that failed for it"})
    frame["failure"] = frame["failure"].map(formats.failure)
    column = st.column_config
    untrusted.table(
        frame,
        key="faults-table",
        column_config={
            name: column.NumberColumn(format="localized", width=120)
            for name in ("calls", "episodes that failed for it")
        },
    )
    st.caption(
        "Honest and dishonest: seats that argued the right answer, and another. Most failed calls were made again. "
        "Failures that fall on one side more than on the other bias what is left."
    )


def _truncations(at: Stamp) -> None:
    """Texts that were kept although they were cut off, by side."""
    found = data.truncation_rows(at)
    if not found:
        return
    untrusted.show([untrusted.Box("heading", ("Texts that a token limit cut off, by whose they are",))], key="cut-off")
    column = st.column_config
    untrusted.table(
        pd.DataFrame(found).drop(columns="run"),
        key="cut-off-table",
        column_config={name: column.NumberColumn(format="localized", width=120) for name in ("texts", "episodes")},
    )
    st.caption(
        "They were kept up to their last whole sentence. More of them on one side than on the other bias verdicts."
    )
