"""Charts, for the dashboard and for the documentation alike."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from oversight.analysis.rounds import OVERALL, Accuracy

__all__ = ["accuracy_over_rounds"]

_WHO = {"alone": "X_k alone", "amplified": "X_k amplified", "ceiling": "trained on true answers"}
_COLOURS = ("#1f6f8b", "#e07a1f", "#8a8a8a")


def accuracy_over_rounds(scores: Sequence[Accuracy], title: str = "") -> alt.FacetChart:
    """Accuracy on held-out questions after each round, with 95 % intervals; a panel for each difficulty.

    Args:
        scores: of one run.
        title: over the panels.
    """
    frame = pd.DataFrame([each._asdict() for each in scores])
    frame["who"] = frame["who"].map(_WHO)
    frame["questions"] = frame["part"].where(frame["part"] == OVERALL, "difficulty " + frame["part"])
    order = [part for part in dict.fromkeys(frame["questions"]) if part != OVERALL]
    colour = alt.Color(
        "who:N", title=None, scale=alt.Scale(domain=list(_WHO.values()), range=list(_COLOURS)), sort=list(_WHO.values())
    )
    base = alt.Chart().encode(x=alt.X("round:Q", title="round", axis=alt.Axis(tickMinStep=1, format="d")), color=colour)
    band = base.mark_area(opacity=0.2).encode(
        y=alt.Y("low:Q", title="accuracy", scale=alt.Scale(domain=[0, 1])), y2="high:Q"
    )
    line = base.mark_line(point=alt.OverlayMarkDef(size=18)).encode(
        y=alt.Y("accuracy:Q", title="accuracy"), tooltip=["who:N", "round:Q", "accuracy:Q", "correct:Q", "n:Q"]
    )
    panels = alt.layer(band, line, data=frame).properties(width=220, height=180)
    facet = alt.Facet("questions:N", title=None, sort=[*order, OVERALL])
    chart: alt.FacetChart = panels.facet(facet=facet, columns=4, title=title)
    configured: alt.FacetChart = chart.configure_legend(orient="bottom")
    return configured
