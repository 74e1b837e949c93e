"""Charts, for the dashboard and for the documentation alike."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from oversight.analysis.rounds import OVERALL, Accuracy

__all__ = ["accuracy_over_rounds"]

_WHO = {"alone": "X_k alone", "amplified": "X_k amplified", "ceiling": "trained on true answers"}
_COLOURS = ("#1f6f8b", "#e07a1f", "#3d3d3d")


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
    scale = alt.Scale(domain=list(_WHO.values()), range=list(_COLOURS))
    legend = alt.Legend(title=None, orient="bottom", symbolOpacity=1)
    colour = alt.Color("who:N", scale=scale, sort=list(_WHO.values()), legend=legend)
    base = alt.Chart().encode(x=alt.X("round:Q", title="round", axis=alt.Axis(tickMinStep=1, format="d")), color=colour)
    band = base.mark_area(opacity=0.15).encode(
        y=alt.Y("low:Q", title="accuracy", scale=alt.Scale(domain=[0, 1])), y2="high:Q"
    )
    told = base.encode(
        y=alt.Y("accuracy:Q", title="accuracy"), tooltip=["who:N", "round:Q", "accuracy:Q", "correct:Q", "n:Q"]
    )
    # The ceiling lies over the model that reached it, so it is dashed, and nothing is hidden.
    ceiling = alt.datum.who == _WHO["ceiling"]
    trained = told.transform_filter(~ceiling).mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=18))
    supervised = told.transform_filter(ceiling).mark_line(strokeWidth=2, strokeDash=[4, 4])
    panels = alt.layer(band, trained, supervised, data=frame).properties(width=220, height=180)
    facet = alt.Facet("questions:N", title=None, sort=[*order, OVERALL])
    chart: alt.FacetChart = panels.facet(facet=facet, columns=4, title=title)
    return chart
