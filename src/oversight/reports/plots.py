"""Charts, for the dashboard and for the documentation alike."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from oversight.reports.best_of_n_report import Sweep
from oversight.reports.rounds_report import OVERALL, RoundAccuracy

__all__ = ["accuracy_over_rounds", "goodhart_curve"]

_WHO = {"alone": "X_k alone", "amplified": "X_k amplified", "ceiling": "trained on true answers"}
_COLOURS = ("#2f7fb8", "#c77700", "#00936b")  # to be told apart on white and on black
_WHAT = {"proxy": "the judge that chose", "judge": "the judge that decided", "accuracy": "accuracy"}


def accuracy_over_rounds(scores: Sequence[RoundAccuracy], title: str = "") -> alt.FacetChart:
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
    chart: alt.FacetChart = panels.facet(facet=facet, columns=3, title=title)
    return chart


def goodhart_curve(sweeps: Sequence[Sweep], title: str = "") -> alt.FacetChart:
    """What two judges give to a speaker's side, and how often the verdict is right, against the KL of best-of-n.

    A panel for each protocol and side, with 95 % intervals.

    Args:
        sweeps: of one run.
        title: over the panels.
    """
    rows = []
    for sweep in sweeps:
        for point in sweep.points:
            for name, what in _WHAT.items():
                measured = getattr(point, name)
                if measured is not None:
                    told = {"what": what, "value": measured.value, "low": measured.low, "high": measured.high}
                    panel = f"{sweep.protocol}, {sweep.side} speakers"
                    rows.append({"panel": panel, "n": point.n, "kl": point.kl, **told})
    frame = pd.DataFrame(rows)
    scale = alt.Scale(domain=list(_WHAT.values()), range=list(_COLOURS))
    legend = alt.Legend(title=None, orient="bottom", symbolOpacity=1)
    base = alt.Chart().encode(
        x=alt.X("kl:Q", title="KL of one speech, nats"),
        color=alt.Color("what:N", scale=scale, sort=list(_WHAT.values()), legend=legend),
    )
    axis = alt.Y("low:Q", title="probability of the side, or share right", scale=alt.Scale(domain=[0, 1]))
    band = base.mark_area(opacity=0.15).encode(y=axis, y2="high:Q")
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=18)).encode(
        y=alt.Y("value:Q"), tooltip=["what:N", "n:Q", "kl:Q", "value:Q", "low:Q", "high:Q"]
    )
    panels = alt.layer(band, line, data=frame).properties(width=220, height=180)
    facet = alt.Facet("panel:N", title=None, sort=list(dict.fromkeys(frame["panel"])))
    chart: alt.FacetChart = panels.facet(facet=facet, columns=2, title=title)
    return chart
