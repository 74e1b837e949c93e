"""Two runs: which settings differ, and how each arm that both have did."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from oversight.reports.comparison import changed_settings, compared, matched, p_text

from .. import data, links, palette, untrusted
from ..untrusted import Box
from .choice import PLACES, Choice
from .question_comparison import points

__all__ = ["arms", "settings"]

_CHANGES = {"changed": palette.OUTCOMES["tie"], "added": palette.RIGHT, "removed": palette.WRONG}


def settings(now: data.Moment, choice: Choice) -> None:
    """Show what two runs set differently, and how much they share."""
    one, other = (data.run_settings(now, half.run) for half in choice)
    differing = changed_settings(one, other)
    untrusted.show([Box("heading", ("What differs",))], key="settings-heading")
    same = sum(one[key] == other.get(key) for key in one)
    if not differing:
        st.info(f"All {same:,} settings are the same, and so are the code and the prompts: the runs differ by chance.")
        return
    frame = pd.DataFrame(
        {
            "setting": [each.key for each in differing],
            "first run": [_shown(each.one) for each in differing],
            "second run": [_shown(each.other) for each in differing],
            "change": [each.change for each in differing],
        }
    )
    column = st.column_config
    untrusted.table(
        frame,
        key="settings",
        column_config={"setting": column.TextColumn(width=300), "change": column.TextColumn(width="small")},
        colours={"change": _CHANGES},
    )
    st.caption(f"{same:,} settings are the same. Added and removed are as seen from the first run.")


def _shown(value: str | None) -> str:
    """A setting as people write it; of a path that starts at this machine's root no more than its end."""
    if value is None:
        return ""
    if value == "{}":
        return "defaults"
    held = json.loads(value)
    if isinstance(held, str):
        return f"…/{held.rstrip('/').rpartition('/')[2]}" if held.startswith(("/", "~")) else held
    return value


def arms(now: data.Moment, choice: Choice) -> None:
    """Show the accuracy of every arm that both runs have, and how it differs; a click compares that arm."""
    untrusted.show([Box("heading", ("Arm by arm, on the questions that both runs judged",))], key="arms-heading")
    rows, methods = _rows(now, choice)
    if not rows:
        st.info(
            "No arm of one run has the name of an arm of the other. Choose two arms above: any two can be compared."
        )
        return
    frame = pd.DataFrame(rows)
    colours = {arm.arm: palette.protocol_colour(arm.protocol) for arm in data.arms_of_all(now)[choice.one.run]}
    column = st.column_config
    picked = untrusted.table(
        frame,
        key=f"by-arm-{len(frame)}",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "arm": column.TextColumn(width=170),
            "n": column.NumberColumn(format="localized", width=60, help="questions that both judged"),
            **{name: column.NumberColumn(f"{name} %", format="%.1f", width=75) for name in ("first", "second")},
            "difference": column.TextColumn("points", width=70, alignment="right", help="second minus first"),
            "interval": column.TextColumn("95 % interval", width=115, alignment="right"),
            "p": column.TextColumn(width=70, alignment="right"),
            **{name: column.NumberColumn(format="localized", width=115) for name in ("right → wrong", "wrong → right")},
        },
        colours={"arm": colours},
    )
    left_out = _only(now, choice)
    st.caption(
        "Second less first, paired by question. Click on an arm to see its questions."
        + (f" Not in the other run: {left_out:,} arms." if left_out else "")
    )
    untrusted.show([Box("faint", (line,)) for line in methods], key="methods")
    if picked.selection.cells:
        arm = str(frame["arm"].iloc[picked.selection.cells[0][0]])
        if (links.get("one"), links.get("other")) != (arm, arm):
            links.put(**dict.fromkeys(PLACES), one=arm, other=arm)
            st.rerun()


@data.cached
def _rows(now: data.Moment, choice: Choice) -> tuple[list[dict[str, object]], list[str]]:
    """A row for each arm, and what each method of an interval and its test was used for."""
    one, other = (data.standings(now, half.run) for half in choice)
    methods: dict[str, list[str]] = {}
    rows: list[dict[str, object]] = []
    for name, part in one.groupby("arm", sort=False):
        both = matched(part, other[other["arm"] == name])
        found = compared(both)
        if found is None:
            continue
        low, high = found.difference.low, found.difference.high
        rows.append(
            {
                "arm": str(name),
                "n": found.difference.n,
                "first": 100 * found.one.value,
                "second": 100 * found.other.value,
                "difference": points(found.difference.value),
                "interval": "" if low is None or high is None else f"{points(low)} to {points(high)}",
                "p": p_text(found.test).removeprefix("p ").removeprefix("= "),
                "right → wrong": int((both["change"] == "lost").sum()),
                "wrong → right": int((both["change"] == "gained").sum()),
            }
        )
        methods.setdefault(f"interval: {found.difference.interval}; test: {found.test.test}", []).append(str(name))
    return rows, [f"{method} ({', '.join(names)})" for method, names in methods.items()]


def _only(now: data.Moment, choice: Choice) -> int:
    """How many arms only one of the runs has."""
    one, other = ({arm.arm for arm in data.arms_of_all(now)[half.run]} for half in choice)
    return len(one ^ other)
