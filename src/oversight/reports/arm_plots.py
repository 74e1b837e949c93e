"""Charts of a run's arms, for the dashboard and for the documentation alike.

Each takes a frame whose columns its docstring names. Colours come in from outside, by protocol, so that a protocol
has the same one everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

__all__ = [
    "accuracy_against_use",
    "accuracy_by_arm",
    "belief_over_turns",
    "differences_between_arms",
    "reliability_curves",
]

_STEP = 34
"""Pixels for each arm."""
_GREY, _RED = "#7b828a", "#cf2e45"
_GUESSING, _PAPER = "guessing", "the paper's number"
_UPRIGHT = "M0,-0.5L0,0.5"
"""A line from top to bottom, as a mark."""
_SHARE = alt.Scale(domain=[0, 1])
_PANELS, _PANEL = 3, 215
_NAMED = 6
"""With more arms than these their names would lie over each other."""
_FAR = 20
"""From this ratio of the dearest arm to the cheapest on, the scale is logarithmic."""


def accuracy_by_arm(
    rows: pd.DataFrame, colours: Mapping[str, str], title: str = "judge accuracy, 95 % interval"
) -> alt.LayerChart:
    """A dot and a whisker for each arm; arms are in the frame's order.

    Guessing is a dashed grey line through all arms, or a short one for each where arms differ in it; the paper's
    number is a filled triangle that points down on the arm. A legend names both.

    Args:
        rows: ``arm``, ``protocol``, ``n``, ``accuracy``, ``low``, ``high``, ``interval``; ``baseline``: whether
            others are compared with it; ``chance``: what guessing comes to, NaN if that is not known; ``published``:
            the paper's number, NaN if there is none.
        colours: of each protocol.
        title: under the axis.
    """
    held = rows.assign(count=[f"n {n:,}" for n in rows["n"]])
    x = alt.X("accuracy:Q", title=title, scale=_SHARE, axis=alt.Axis(format=".1f", tickCount=6))
    base = alt.Chart(held).encode(y=_arms(held), color=_protocols(held, colours), tooltip=_told(held))
    whisker = base.mark_rule(strokeWidth=2.5).encode(x=alt.X("low:Q", title=title, scale=_SHARE), x2="high:Q")
    dot = base.mark_point(filled=True, opacity=1).encode(
        x=x,
        shape=alt.condition("datum.baseline", alt.value("diamond"), alt.value("circle")),
        size=alt.condition("datum.baseline", alt.value(200), alt.value(95)),
    )
    count = base.mark_text(align="left", dx=12).encode(x=alt.value("width"), text="count:N", color=alt.value(_GREY))
    return _layered([*_chance(held), whisker, dot, count, *_published(held)]).properties(height=alt.Step(_STEP))


def differences_between_arms(rows: pd.DataFrame, colours: Mapping[str, str], other: str) -> alt.LayerChart:
    """How much more often each arm's judge is right than that of ``other``, on the questions both judged.

    Args:
        rows: ``arm``, ``protocol``, ``n``, ``difference``, ``low``, ``high``, ``interval``, ``p``, ``test``.
        colours: of each protocol.
        other: the arm they are compared with.
    """
    held = rows.assign(count=[f"n {n:,}" for n in rows["n"]])
    widest = float(held[["low", "high", "difference"]].abs().max().max()) if len(held) else 0.0
    reach = min(max(0.1, widest * 1.1), 1.0)
    axis = alt.Axis(format="+.2~f", tickCount=7)
    scale = alt.Scale(domain=[-reach, reach])
    x = alt.X("low:Q", title=f"accuracy less that of {other}", scale=scale, axis=axis)
    base = alt.Chart(held).encode(y=_arms(held), color=_protocols(held, colours), tooltip=_told(held))
    nothing = alt.Chart(pd.DataFrame({"none": [0.0]})).mark_rule(strokeDash=[4, 4], color=_GREY).encode(x="none:Q")
    whisker = base.mark_rule(strokeWidth=2.5).encode(x=x, x2="high:Q")
    dot = base.mark_point(filled=True, size=95, opacity=1).encode(x="difference:Q")
    count = base.mark_text(align="left", dx=12).encode(x=alt.value("width"), text="count:N", color=alt.value(_GREY))
    return _layered([nothing, whisker, dot, count]).properties(height=alt.Step(_STEP))


def reliability_curves(rows: pd.DataFrame, colours: Mapping[str, str]) -> alt.ConcatChart:
    """Accuracy by the judge's confidence, a panel for each arm; on the dashed line confidence can be believed.

    Args:
        rows: a row for each bin: ``arm``, ``protocol``, ``confidence``, ``accuracy``, ``low``, ``high``, ``n``,
            ``bin`` (its range, as text), ``ece`` (of the arm), ``judged`` (verdicts of the arm).
        colours: of each protocol.
    """
    panels = [
        _reliability(part, colours.get(str(part["protocol"].iloc[0]), _GREY))
        for _, part in rows.groupby("arm", sort=False)
    ]
    chart: alt.ConcatChart = alt.concat(*panels, columns=_PANELS).resolve_scale(size="shared")
    return chart


def _reliability(part: pd.DataFrame, colour: str) -> alt.LayerChart:
    first = part.iloc[0]
    title = alt.TitleParams(
        str(first["arm"]), subtitle=f"ECE {first['ece']:.3f}, n {int(first['judged']):,}", anchor="start"
    )
    x = alt.X("confidence:Q", title="confidence", scale=_SHARE, axis=alt.Axis(format=".1f", tickCount=5))
    y = alt.Y("low:Q", title="accuracy", scale=_SHARE, axis=alt.Axis(format=".1f", tickCount=5))
    perfect = pd.DataFrame({"confidence": [0.0, 1.0], "low": [0.0, 1.0]})
    line = alt.Chart(perfect).mark_line(strokeDash=[4, 4], color=_GREY, strokeWidth=1.2).encode(x=x, y=y)
    told = [
        alt.Tooltip("bin:N"),
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("confidence", "accuracy", "low", "high")),
    ]
    base = alt.Chart(part).encode(x=x, tooltip=[*told, alt.Tooltip("n:Q", format=",")])
    whisker = base.mark_rule(color=colour, opacity=0.55).encode(y=y, y2="high:Q")
    joined = base.mark_line(color=colour, opacity=0.5, strokeWidth=1.5).encode(y="accuracy:Q")
    size = alt.Size("n:Q", title="verdicts in the bin", scale=alt.Scale(range=[25, 220]), legend=None)
    dots = base.mark_point(color=colour, filled=True, opacity=1).encode(y="accuracy:Q", size=size)
    return _layered([line, whisker, joined, dots]).properties(width=_PANEL, height=_PANEL, title=title)


def belief_over_turns(rows: pd.DataFrame, colours: Mapping[str, str]) -> alt.LayerChart:
    """The judge's mean probability of the right answer after each turn, with a 95 % band for each arm.

    Args:
        rows: ``arm``, ``protocol``, ``cast``, ``turn`` (0: before the first speech), ``p``, ``low``, ``high``, ``n``.
        colours: of each protocol.
    """
    casts = rows["cast"].nunique()
    dash = alt.StrokeDash("cast:N", title=None, legend=_casts() if casts > 1 else None)
    axis = alt.Axis(tickMinStep=1, format="d", grid=False)
    base = alt.Chart(rows).encode(
        x=alt.X("turn:Q", title="turns read (0: before the first speech)", axis=axis, scale=alt.Scale(nice=False)),
        color=_protocols(rows, colours),
        detail="arm:N",
        tooltip=_told(rows),
    )
    y = alt.Y("low:Q", title="mean probability of the right answer", scale=_SHARE)
    band = base.mark_area(opacity=0.12).encode(y=y, y2="high:Q")
    lines = base.mark_line().encode(y="p:Q", strokeDash=dash)
    size = alt.Size("n:Q", scale=alt.Scale(range=[10, 70]), legend=None)
    dots = base.mark_point(filled=True, opacity=1).encode(y="p:Q", size=size)
    return _layered([band, lines, dots]).properties(height=340)


def accuracy_against_use(rows: pd.DataFrame, colours: Mapping[str, str], used: str) -> alt.LayerChart:
    """Accuracy against what an episode takes.

    Args:
        rows: ``arm``, ``protocol``, ``cast``, ``use``, ``n``, ``accuracy``, ``low``, ``high``.
        colours: of each protocol.
        used: what ``use`` counts, for the axis.
    """
    least, most = float(rows["use"].min()), float(rows["use"].max())
    near = alt.Scale(zero=False, nice=True, padding=12)
    far = least > 0 and most / least > _FAR
    scale = alt.Scale(type="log", padding=20) if far else alt.Scale(domainMin=0, padding=20)
    casts = rows["cast"].nunique()
    shape = alt.Shape("cast:N", title=None, legend=_casts() if casts > 1 else None)
    base = alt.Chart(rows).encode(
        x=alt.X("use:Q", title=used, scale=scale), color=_protocols(rows, colours), tooltip=_told(rows)
    )
    whisker = base.mark_rule(strokeWidth=2, opacity=0.6).encode(
        y=alt.Y("low:Q", title="judge accuracy, 95 % interval", scale=near), y2="high:Q"
    )
    dot = base.mark_point(filled=True, size=95, opacity=1).encode(y="accuracy:Q", shape=shape)
    layers = [whisker, dot]
    if len(rows) <= _NAMED:
        layers.append(base.mark_text(align="left", dx=9, dy=-7, limit=170).encode(y="accuracy:Q", text="arm:N"))
    return _layered(layers).properties(height=360)


def _layered(layers: Sequence[alt.Chart]) -> alt.LayerChart:
    return alt.LayerChart(layer=list(layers))


def _arms(rows: pd.DataFrame) -> alt.Y:
    return alt.Y("arm:N", title=None, sort=list(rows["arm"]), axis=alt.Axis(labelLimit=320, ticks=False, domain=False))


def _protocols(rows: pd.DataFrame, colours: Mapping[str, str]) -> alt.Color:
    shown = [str(name) for name in dict.fromkeys(rows["protocol"])]
    scale = alt.Scale(domain=shown, range=[colours.get(name, _GREY) for name in shown])
    return alt.Color("protocol:N", title=None, scale=scale, legend=_legend() if len(shown) > 1 else None)


def _legend() -> alt.Legend:
    return alt.Legend(orient="top", offset=6, symbolOpacity=1)


def _casts() -> alt.Legend:
    return alt.Legend(orient="bottom", columns=2, symbolFillColor=_GREY, symbolStrokeColor=_GREY, labelLimit=420)


def _told(rows: pd.DataFrame) -> list[alt.Tooltip]:
    """What is said of a mark under the pointer."""
    names = ("arm", "protocol", "task", "judge", "strong", "cast", "interval", "test")
    texts = [alt.Tooltip(f"{name}:N") for name in names if name in rows]
    numbers = ("turn", "n", "accuracy", "difference", "p", "low", "high", "published", "use")
    forms = {"n": ",", "turn": "d", "use": ",.4~g", "p": ".3~g"}
    return texts + [alt.Tooltip(f"{name}:Q", format=forms.get(name, ".3f")) for name in numbers if name in rows]


def _chance(rows: pd.DataFrame) -> list[alt.Chart]:
    """A dashed line through all arms that guessing would put at the same place, else a short one for each."""
    held = rows[rows["chance"].notna()].assign(mark=_GUESSING)
    known = held["chance"].round(6).unique()
    if not len(known):
        return []
    x = alt.X("chance:Q", scale=_SHARE)
    if len(known) == 1:
        line = alt.Chart(held.head(1)[["chance", "mark"]]).mark_rule(color=_GREY, strokeWidth=1.5)
        return [line.encode(x=x, strokeDash=_legend_of(alt.StrokeDash, _GUESSING, [3, 3]))]
    short = alt.Chart(held).mark_point(filled=False, color=_GREY, size=_STEP * _STEP, strokeWidth=2, opacity=1)
    dash = _legend_of(alt.StrokeDash, _GUESSING, [3, 3])
    return [short.encode(x=x, y=_arms(held), shape=alt.value(_UPRIGHT), strokeDash=dash, tooltip=_told(held))]


def _published(rows: pd.DataFrame) -> list[alt.Chart]:
    """A triangle above each arm, whose lower corner is the paper's number."""
    held = rows[rows["published"].notna()].assign(mark=_PAPER)
    if held.empty:
        return []
    mark = alt.Chart(held).mark_point(filled=True, color=_RED, size=90, yOffset=-11, opacity=1)
    shape = _legend_of(alt.Shape, _PAPER, "triangle-down")
    return [mark.encode(x=alt.X("published:Q", scale=_SHARE), y=_arms(held), shape=shape, tooltip=_told(held))]


def _legend_of(channel: Callable[..., Any], name: str, look: Any) -> Any:
    """A channel that gives all its marks one look, so that the legend has an entry for them."""
    colour = _RED if name == _PAPER else _GREY
    legend = alt.Legend(
        orient="top",
        offset=6,
        symbolOpacity=1,
        symbolStrokeColor=colour,
        symbolFillColor=colour,
        symbolStrokeWidth=2,
        symbolType="triangle-down" if name == _PAPER else _UPRIGHT,
        symbolSize=100 if name == _PAPER else 160,
    )
    return channel("mark:N", title=None, scale=alt.Scale(domain=[name], range=[look]), legend=legend)
