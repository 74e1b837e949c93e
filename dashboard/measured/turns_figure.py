"""How the judge's belief in the right answer goes from turn to turn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from oversight.reports.arm_plots import belief_over_turns
from oversight.stats.estimate import mean_share

from .. import data
from ..data import Stamp
from . import figure

__all__ = ["show"]

_FEW = 5


def show(at: Stamp) -> None:
    """Show it."""
    frame = _means(at)
    if frame.empty:
        st.info("No judge of this run was asked on the way. In an experiment's file this makes a protocol ask:")
        st.code("protocols:\n  - debate: {beliefs: true}", language="yaml")
        return
    few = frame["n"] < _FEW if (frame["n"] >= _FEW).any() else frame["n"] < 0
    shown = frame.assign(arm=figure.short(frame["arm"]))[~few]
    note = (
        f"Bands: 95 %, {figure.methods(frame['interval'])}. An episode's last point is its verdict. Where episodes are "
        "of different lengths, later dots rest on fewer of them, and are smaller. Void contests are left out."
        + (f" What fewer than {_FEW} episodes reached is only in the CSV." if few.any() else "")
    )
    chart = belief_over_turns(shown, figure.colours_of(frame["protocol"]))
    figure.show(chart, frame, name="belief-over-turns", note=note)


@data.cached
def _means(at: Stamp) -> pd.DataFrame:
    """The mean belief of each arm after each turn, with its interval."""
    rows = []
    table = data.belief_table(at)
    casts = {str(arm): figure.cast_of(part["judge"], part["strong"]) for arm, part in table.groupby("arm")}
    for (_, arm, turn), part in table.groupby(["arm_no", "arm", "turn"], sort=True):
        found = mean_share(part["p"].to_numpy(np.float64), part["cluster"].tolist())
        assert found is not None, "a group has rows"
        rows.append(
            {
                "arm": str(arm),
                "protocol": part["protocol"].iloc[0],
                "cast": casts[str(arm)],
                "turn": int(str(turn)),
                "p": found.value,
                "low": found.low,
                "high": found.high,
                "interval": found.interval,
                "n": found.n,
            }
        )
    return pd.DataFrame(rows)
