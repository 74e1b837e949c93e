"""Colours that mean the same on every page, told apart by people with colour-blindness (after Okabe and Ito)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

import altair as alt
from altair.utils import schemapi

__all__ = [
    "FAILED",
    "NEUTRAL",
    "OUTCOMES",
    "RIGHT",
    "WRONG",
    "chart_theme",
    "model_colour",
    "protocol_colour",
    "protocol_scale",
    "seat_colours",
]

# Altair checks every part of a chart when it is made, and then the whole again when it is shown. The parts are ours.
schemapi.disable_debug_mode()

# Dark enough for white paper, light enough for a dark one: every colour has a contrast of 3 or more on both.
_BLUE, _ORANGE, _GREEN, _PINK, _SKY, _VERMILION, _OCHRE, _GREY = (
    *("#2f7fb8", "#c77700", "#00936b", "#b9689a"),
    *("#3f97c9", "#d0581f", "#9a8700", "#7b828a"),
)

RIGHT, WRONG, NEUTRAL, FAILED = _GREEN, _VERMILION, _GREY, _PINK
OUTCOMES = {
    "right": RIGHT,
    "wrong": WRONG,
    "confidently wrong": "#cf2e45",
    "tie": _OCHRE,
    "abstained": NEUTRAL,
    "failed": FAILED,
    "pending": "#a9afb5",
}
"""The colour of what became of an episode."""

_PROTOCOLS = {
    "direct": _GREY,
    "consultancy": _ORANGE,
    "debate": _BLUE,
    "amplification": _PINK,
    "process_supervision": _GREEN,
    "outcome_supervision": _OCHRE,
}
_REST = (_SKY, _VERMILION, "#7a68c4", "#5f8a3a", "#a8643c")
_SEATS = (_BLUE, _ORANGE, _GREEN, _PINK, _OCHRE, "#7a68c4", _VERMILION, _SKY)
_WEAK = ("judge", "overseer")


def protocol_colour(name: str) -> str:
    """A protocol's colour: the same on every page, in every session and on every machine."""
    return _PROTOCOLS.get(name) or _REST[sha256(name.encode()).digest()[0] % len(_REST)]


def protocol_scale(names: Iterable[str]) -> alt.Scale:
    """An Altair colour scale over these protocols."""
    shown = list(dict.fromkeys(names))
    return alt.Scale(domain=shown, range=[protocol_colour(name) for name in shown])


def model_colour(name: str) -> str:
    """A model's colour."""
    return _SEATS[sha256(name.encode()).digest()[0] % len(_SEATS)]


def seat_colours(seats: Iterable[str]) -> dict[str, str]:
    """A colour for each seat of one transcript, in the order in which they come; judges and overseers are grey."""
    found: dict[str, str] = {}
    arguing = 0
    for seat in dict.fromkeys(seats):
        if seat.startswith(_WEAK):
            found[seat] = _GREY
        else:
            found[seat] = _SEATS[arguing % len(_SEATS)]
            arguing += 1
    return found


def _categories() -> Sequence[str]:
    return _SEATS


@alt.theme.register("oversight", enable=True)
def chart_theme() -> alt.theme.ThemeConfig:
    """What all charts of the dashboard share; text and paper come from Streamlit's theme."""
    return alt.theme.ThemeConfig(
        {
            "config": {
                "range": {"category": list(_categories())},
                "axis": {
                    "gridOpacity": 0.4,
                    "domainOpacity": 0.4,
                    "tickSize": 4,
                    "labelLimit": 220,
                    "titlePadding": 8,
                    "labelFlush": False,
                },
                "legend": {"labelLimit": 260, "symbolType": "circle"},
                "line": {"strokeWidth": 2},
                "view": {"strokeOpacity": 0},
                "bar": {"cornerRadiusEnd": 2},
            }
        }
    )
