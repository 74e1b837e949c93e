"""People, and other models, beside the judge that decided when a transcript was made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from oversight.stats.agreement import class_agreement, cohen
from oversight.stats.estimate import difference_of, share_of

from .. import data, links, untrusted
from ..data import Stamp
from . import figure

__all__ = ["beside", "show"]

_POOLED = "{} people"


def beside(again: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """A row for each judge of each arm, and one for all people of an arm, on the transcripts that both judged.

    Accuracy and difference are those of ``oversight report``. Kappa is Cohen's, of the answers chosen; it takes all
    people of an arm for one judge.

    Args:
        again: `oversight.dashboard.data.judged_again`.
        first: `oversight.dashboard.data.verdict_table`.
    """
    found = again.merge(
        first[["episode", "chosen", "arm_no", "protocol"]],
        on="episode",
        suffixes=("", "_first"),
        validate="many_to_one",
    )
    rows = []
    for (_, arm), part in found.groupby(["arm_no", "arm"], sort=True):
        people = part[part["kind"] == "human"]
        for (mode, _), those in people.groupby(["mode", "settings"], sort=True, dropna=False):
            if (count := those["judge"].nunique()) > 1:
                rows.append(_row(str(arm), "people", _POOLED.format(count), str(mode), those))
        alone = people["judge"].nunique() == 1
        for (kind, judge, mode, _), own in part.groupby(["kind", "judge", "mode", "settings"], dropna=False):
            human = kind == "human"
            one = _row(str(arm), "person" if human else "model", str(judge), str(mode), own, kappa=alone or not human)
            rows.append(one)
    return pd.DataFrame(rows)


def _row(arm: str, kind: str, judge: str, mode: str, part: pd.DataFrame, kappa: bool = True) -> dict[str, object]:
    clusters = part["cluster"].tolist()
    right, before = part["correct"].to_numpy(bool), part["first_correct"].to_numpy(bool)
    share, difference = share_of(right, clusters), difference_of(right.astype(np.float64) - before, clusters)
    assert share is not None
    assert difference is not None
    # Its bootstrap takes a second for many transcripts, and says little of the few that one person judged.
    both = cohen(part["chosen"].tolist(), part["chosen_first"].tolist(), clusters) if kappa else None
    alike = both and both.beyond_chance
    classes = class_agreement(pd.DataFrame({"own": right, "first": before}).astype(float), clusters)
    firsts = part["first_judge"].dropna().unique().tolist()
    return {
        "arm": arm,
        "protocol": part["protocol"].iloc[0],
        "kind": kind,
        "judge": judge,
        "asked": "after each turn" if mode == "stepped" else mode,
        "first judge": firsts[0] if len(firsts) == 1 else f"{len(firsts)} judges",
        "n": len(part),
        "accuracy": float(right.mean()),
        "low": share.low,
        "high": share.high,
        "first accuracy": float(before.mean()),
        "difference": float(right.mean() - before.mean()),
        "difference_low": difference.low,
        "difference_high": difference.high,
        "agree": float((right == before).mean()),
        "agree right": classes[1.0].value if 1.0 in classes else None,
        "agree wrong": classes[0.0].value if 0.0 in classes else None,
        "kappa": alike.value if alike else None,
        "kappa_low": alike.low if alike else None,
        "kappa_high": alike.high if alike else None,
        "interval": share.interval,
        "difference_interval": difference.interval,
    }


def show(at: Stamp) -> None:
    """Show it, or the way to judge."""
    with st.spinner("Working out how well they agree"):
        frame = _beside(at)
    if frame.empty:
        st.info("No transcript of this run was judged again. Later judgements appear here, beside its judge's.")
        with st.container(horizontal=True):
            links.link("judge", "Judge transcripts of this run", run=at.run)
        return
    _table(frame)
    figure.under(
        "Each row is about the transcripts that both judged, with verdicts that count. Agree: both right, or both not. "
        "On right, on wrong: of the verdicts that are so, how many the other judge shares. "
        "Kappa: Cohen's, of the answers chosen; 1 is agreement, 0 chance. "
        f"Intervals: 95 %; accuracy {figure.methods(frame['interval'])}; difference, by transcript, "
        f"{figure.methods(frame['difference_interval'])}; kappa cluster bootstrap.",
        frame,
        "people",
    )
    links.link("judge", "Judge transcripts of this run", run=at.run)


@data.cached
def _beside(at: Stamp) -> pd.DataFrame:
    again = data.judged_again(at)
    return beside(again, data.verdict_table(at)) if len(again) else pd.DataFrame()


def _table(frame: pd.DataFrame) -> None:
    shown = frame[["arm", "judge", "n"]].rename(columns={"judge": "who"})
    shown["accuracy [95 %]"] = figure.ranges(frame, "accuracy")
    shown["first judge's"] = frame["first accuracy"]
    shown["agree"] = frame["agree"]
    shown[["on right", "on wrong"]] = frame[["agree right", "agree wrong"]]
    shown["kappa [95 %]"] = figure.ranges(frame, "kappa", "kappa_low", "kappa_high", ".2f")
    shown["difference [95 %]"] = figure.ranges(frame, "difference", "difference_low", "difference_high", "+.3f")
    shown[["first judge", "asked"]] = frame[["first judge", "asked"]]
    column = st.column_config
    right = column.TextColumn(alignment="right", width=150)
    untrusted.table(
        shown.replace("", None).dropna(axis="columns", how="all"),
        key="people-table",
        column_config={
            "n": column.NumberColumn(format="localized", width=50),
            "accuracy [95 %]": right,
            "first judge's": column.NumberColumn(format="%.3f", width=88, help="accuracy on the same transcripts"),
            "difference [95 %]": right,
            "agree": column.NumberColumn(
                format="%.3f", width=64, help="share on which both are right, or both are not"
            ),
            **dict.fromkeys(
                ("on right", "on wrong"),
                column.NumberColumn(format="%.3f", width=70, help="of such verdicts, how many the other judge shares"),
            ),
            "kappa [95 %]": right,
        },
        colours=figure.arm_colours(frame),
    )
