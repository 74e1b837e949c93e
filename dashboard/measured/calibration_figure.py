"""Whether the judge's confidence can be believed."""

from __future__ import annotations

from typing import get_args

import pandas as pd
import streamlit as st

from oversight.reports.arm_plots import reliability_curves
from oversight.stats.calibration import Binning, ece, reliability

from .. import data, links
from ..data import Stamp
from . import figure

__all__ = ["show"]

_BINNINGS: tuple[Binning, ...] = get_args(Binning)
_MEANS = {
    "equal width": "10 bins of equal width, closed on the left",
    "equal mass": "10 bins with as many verdicts in each as can be",
}


def show(at: Stamp) -> None:
    """Show a reliability curve for each arm, or for one."""
    table = data.verdict_table(at)
    arms = list(dict.fromkeys(table.loc[table["counts"], "arm"]))
    if not arms:
        st.info("No verdict of this run counts yet.")
        return
    left, right = st.columns(2)
    with left:
        arm = links.choose("arm", "Arm", arms, every="every arm")
    with right:
        chosen = links.choose("bins", "Bins", _BINNINGS, every=None)
    binning = next((each for each in _BINNINGS if each == chosen), _BINNINGS[0])
    frame = _curves(at, binning)
    frame = frame[frame["arm"] == arm] if arm in arms else frame
    shown = frame.assign(arm=figure.short(frame["arm"], 36))
    note = (
        f"ECE and points: {_MEANS[binning]}, of the highest probability; a tie counts half. "
        f"Intervals: 95 %, {figure.methods(frame['interval'])}. On the dashed line confidence can be believed; "
        "larger dots rest on more verdicts."
    )
    figure.show(reliability_curves(shown, figure.colours_of(frame["protocol"])), frame, name="calibration", note=note)


@data.cached
def _curves(at: Stamp, binning: Binning) -> pd.DataFrame:
    """The bins of every arm."""
    table = data.verdict_table(at)
    rows = []
    for (_, arm), part in table[table["counts"]].groupby(["arm_no", "arm"], sort=True):
        gap = ece(part, binning=binning)
        for each in reliability(part, binning=binning):
            rows.append(
                {
                    "arm": arm,
                    "protocol": part["protocol"].iloc[0],
                    "bin": f"{each.low:.3f} to {each.high:.3f}",
                    "confidence": each.confidence,
                    "accuracy": each.accuracy.value,
                    "low": each.accuracy.low,
                    "high": each.accuracy.high,
                    "interval": each.accuracy.interval,
                    "n": each.accuracy.n,
                    "ece": gap,
                    "judged": len(part),
                }
            )
    return pd.DataFrame(rows)
