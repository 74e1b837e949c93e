"""How two arms differ on the questions that both judged."""

from __future__ import annotations

from math import isnan
from typing import NamedTuple

import pandas as pd
import streamlit as st

from oversight.reports.arm_plots import differences_between_arms
from oversight.reports.differences import SEVERAL
from oversight.stats.compare import paired_difference
from oversight.stats.multiplicity import holm
from oversight.stats.verdict_columns import accuracy_by_question

from .. import data, links, untrusted
from ..data import Stamp
from ..untrusted import Box
from . import figure

__all__ = ["show"]

_ALL = "every other arm"


class _Pair(NamedTuple):
    arm: str
    protocol: str
    n: int
    difference: float
    low: float | None
    high: float | None
    interval: str
    p: float
    test: str


def show(at: Stamp) -> None:
    """Choose two arms, or one and all others, and show the difference."""
    table = data.verdict_table(at)
    counting = table[table["counts"]]
    protocols = dict(zip(counting["arm"], counting["protocol"], strict=True))
    arms = list(protocols)
    if len(arms) < 2:  # noqa: PLR2004
        st.info("Differences need two arms with verdicts that count. Another protocol in the experiment makes one.")
        return
    alone = next((arm for arm in data.baselines(at) if arm in protocols), arms[0])
    left, right = st.columns(2)
    with right:
        other = links.choose("other", "Compared with", [alone, *(arm for arm in arms if arm != alone)], every=None)
    with left:
        one = links.choose("one", "Arm", [arm for arm in arms if arm != other], every=_ALL)
    if other is None:
        return
    wanted = [arm for arm in arms if arm != other and one in (arm, None)]
    pairs = [pair for arm in wanted if (pair := _paired(at, arm, other, protocols[arm])) is not None]
    if not pairs:
        st.info("These arms judged no question in common, so nothing can be paired.")
        return
    if len(pairs) == 1:
        _sentence(pairs[0], other, counting)
    frame = pd.DataFrame(pairs)
    shown = frame.assign(arm=figure.short(frame["arm"]))
    chart = differences_between_arms(shown, figure.colours_of(frame["protocol"]), untrusted.one_line(other, 60))
    note = (
        f"Intervals: 95 %, {figure.methods(frame['interval'])}. Several episodes of a question are averaged first; "
        "judges and seeds are compared with themselves where both arms have them."
    )
    if len(pairs) > SEVERAL:
        note += f" {len(pairs)} differences against one arm: p (Holm) is adjusted for them, intervals are not."
    figure.show(chart, frame, name="difference", note=note)
    _table(frame)


@data.cached
def _paired(at: Stamp, one: str, other: str, protocol: str) -> _Pair | None:
    table = data.verdict_table(at)
    table = table.assign(context=table["judge"].fillna("") + " " + table["seed"].astype(str))
    sides = [table[table["arm"] == arm] for arm in (one, other)]
    if not set(sides[0]["context"]) & set(sides[1]["context"]):  # it is judges or seeds that are compared
        sides = [side.drop(columns="context") for side in sides]
    found = paired_difference(*sides)
    if found is None:
        return None
    number, test = found
    return _Pair(one, protocol, number.n, number.value, number.low, number.high, number.interval, test.p, test.test)


def _sentence(pair: _Pair, other: str, counting: pd.DataFrame) -> None:
    """One difference in words, and on which questions the two arms part."""
    both = accuracy_by_question(counting[counting["arm"] == pair.arm], counting[counting["arm"] == other])
    ahead, behind = int((both[0] > both[1]).sum()), int((both[0] < both[1]).sum())
    number = figure.ranged(pair.difference, pair.low, pair.high, "+.3f")
    boxes = [
        Box("row", (Box("strong", (pair.arm,)), "less", Box("strong", (other,)))),
        Box("facts", (Box("title", (number,)), Box("number", (f"p {_p(pair.p)}",)), Box("faint", (pair.test,)))),
        Box(
            "facts",
            (
                Box("number", (f"{pair.n:,} shared questions",)),
                Box("number", (f"{ahead:,} better in the first",)),
                Box("number", (f"{behind:,} better in the second",)),
                Box("number", (f"{pair.n - ahead - behind:,} alike",)),
            ),
        ),
    ]
    untrusted.show(boxes, key="difference")


def _table(frame: pd.DataFrame) -> None:
    shown = frame[["arm", "test", "interval"]]
    shown.insert(1, "shared questions", frame["n"])
    shown.insert(2, "difference [95 %]", figure.ranges(frame, "difference", form="+.3f"))
    shown.insert(3, "p", [_p(p) for p in frame["p"]])
    if len(frame) > SEVERAL:
        shown.insert(4, "p (Holm)", [_p(float("nan") if p is None else p) for p in holm(frame["p"].tolist())])
    column = st.column_config
    untrusted.table(
        shown,
        key="difference-table",
        column_config={
            "arm": column.TextColumn(width=130),
            "shared questions": column.NumberColumn(format="localized", width=110),
            "difference [95 %]": column.TextColumn(alignment="right", width=165),
            **dict.fromkeys(("p", "p (Holm)"), column.TextColumn(alignment="right", width=70)),
            "test": column.TextColumn(width=185),
            "interval": column.TextColumn(width=225),
        },
        colours=figure.arm_colours(frame),
    )


def _p(p: float) -> str:
    if isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004
