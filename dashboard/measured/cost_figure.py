"""What being right takes: accuracy against money, or against tokens where prices are not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from oversight.reports.arm_plots import accuracy_against_use
from oversight.reports.report import ReportRow

from . import figure

__all__ = ["Use", "show", "use_of"]


class Use(NamedTuple):
    """What the axis counts, and why it is not money if it is not; None of a row of which it is unknown."""

    axis: str
    why: str
    of: list[float | None]


def use_of(rows: Sequence[ReportRow]) -> Use | None:
    """What an attempted episode of each row took; None if nothing is known of any."""
    tried = [max(row.n_asked - row.n_pending, 1) for row in rows]
    costs = [row.cost_usd for row in rows]
    known = [cost for cost in costs if cost is not None]
    if len(known) == len(costs) and any(known):
        each: list[float | None] = [cost / n for cost, n in zip(known, tried, strict=True)]
        return Use("US dollars an episode", "What failed attempts cost is part of it.", each)
    tokens = [_tokens(row) for row in rows]
    if not any(tokens):
        return None
    reason = "every price is zero" if len(known) == len(costs) else "the price of some calls is not known"
    why = f"Tokens, because {reason}; those of failed attempts are part of it."
    if None in tokens:
        why += " Rows with a count that is not known are left out."
    each = [None if n is None else n / m for n, m in zip(tokens, tried, strict=True)]
    return Use("tokens an episode, read and written", why, each)


def _tokens(row: ReportRow) -> int | None:
    """Tokens read and written; None if they are unknown."""
    if row.prompt_tokens is None or row.completion_tokens is None:
        return None
    return row.prompt_tokens + row.completion_tokens


def show(rows: Sequence[ReportRow]) -> None:
    """Show it."""
    rows = [row for row in rows if row.accuracy is not None]
    use = use_of(rows)
    if use is None:
        st.info("Neither tokens nor prices are known of this run, as is often so with imported transcripts.")
        return
    frame = pd.DataFrame(
        [
            {
                "arm": label,
                "protocol": row.protocol,
                "cast": figure.cast_of([row.judge], [row.strong]),
                "use": each,
                "n": row.n,
                "accuracy": row.accuracy,
                "low": row.low,
                "high": row.high,
                "interval": row.interval,
            }
            for row, label, each in zip(rows, figure.short(figure.labels_of(rows)), use.of, strict=True)
            if each is not None
        ]
    )
    note = f"{use.why} Intervals: 95 %, {figure.methods(frame['interval'])}."
    chart = accuracy_against_use(frame, figure.colours_of(frame["protocol"]), use.axis)
    figure.show(chart, frame.rename(columns={"use": use.axis}), name="accuracy-against-cost", note=note)
