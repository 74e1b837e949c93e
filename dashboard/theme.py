"""How the dashboard looks, light and dark, as Streamlit's own options; nothing is fetched for it."""

from __future__ import annotations

__all__ = ["options"]

_BOTH: dict[str, str | int | bool] = {
    "baseRadius": "0.4rem",
    "buttonRadius": "0.4rem",
    "baseFontSize": 15,
    "codeFontSize": "0.86rem",
    "showWidgetBorder": True,
    "paddingTop": "3.2rem",
    "headingFontSizes": "1.9rem",
}
_LIGHT = {
    "primaryColor": "#1f5f8b",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f3f5f7",
    "textColor": "#1d2530",
    "linkColor": "#1f5f8b",
    "borderColor": "#d9dee4",
    "dataframeHeaderBackgroundColor": "#f3f5f7",
    "codeBackgroundColor": "#f6f8fa",
}
_DARK = {
    "primaryColor": "#5aa9dd",
    "backgroundColor": "#14181d",
    "secondaryBackgroundColor": "#1d232b",
    "textColor": "#e4e8ed",
    "linkColor": "#7fbfe9",
    "borderColor": "#333c47",
    "dataframeHeaderBackgroundColor": "#1d232b",
    "codeBackgroundColor": "#1a2027",
}
_LIGHT_SIDE = {"backgroundColor": "#f3f5f7", "secondaryBackgroundColor": "#e7ebef"}
_DARK_SIDE = {"backgroundColor": "#101419", "secondaryBackgroundColor": "#1d232b"}


def options() -> dict[str, str | int | bool]:
    """Option name -> value, as Streamlit keeps them."""
    found: dict[str, str | int | bool] = {}
    for section, settings in (
        ("theme", _BOTH),
        ("theme.light", _LIGHT),
        ("theme.dark", _DARK),
        ("theme.light.sidebar", _LIGHT_SIDE),
        ("theme.dark.sidebar", _DARK_SIDE),
    ):
        found |= {f"{section}.{name}": value for name, value in settings.items()}
    return found
