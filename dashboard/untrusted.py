"""The one way by which texts of models and datasets reach the screen.

A page describes what it shows as `Box`es with texts in them. A small component of our own builds the elements in the
browser and puts each text in as a text node: nothing in a text is ever parsed, neither as HTML nor as Markdown or
LaTeX, so there is nothing to escape and nothing to forget. Which elements there are is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
import streamlit as st

from oversight.util.invisible import invisible_note, mark_invisible

__all__ = ["LONGEST", "Box", "Part", "one_line", "quoted", "show", "table", "verbatim"]

LONGEST = 20_000
"""Characters of one text that are shown; a page has more of them than a browser likes to lay out."""
_IN_TABLE = 240
_TALL = 30
"""Rows of a table that are shown without a scroll bar of its own."""

_MARKS = frozenset({"verified", "unverified", "hit"})
_FOLDS = frozenset({"fold", "open", "call"})
"""Their text is the beginning of what is in them."""
_NAME = re.compile(r"[a-z][a-z-]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}")


class Box(NamedTuple):
    """An element with texts and other elements in it.

    Attributes:
        kind: one of the names in ``untrusted.css``; ``fold`` and ``open`` are folded and unfolded, and their first
            part is what stays visible.
        parts: what is in it; a text is shown as it is.
        colour: of its edge or its head.
        shade: how dark it is, from 0 to 1.

    A line below its texts counts the characters in them that a reader would not see.
    """

    kind: str
    parts: tuple[Part, ...] = ()
    colour: str | None = None
    shade: float | None = None


Part: TypeAlias = "Box | str"


def _file(name: str) -> str:
    return (files(__package__ or "dashboard") / name).read_text(encoding="utf-8")


_boxes = st.components.v2.component(
    "oversight_boxes", html="<div class='root'></div>", css=_file("untrusted.css"), js=_file("untrusted.js")
)


def show(boxes: Sequence[Box], *, key: str, whole: bool = False) -> None:
    """Show boxes one below the other.

    Args:
        boxes: what to show.
        key: unique on the page.
        whole: also the ends of very long texts.
    """
    _boxes(key=f"boxes-{key}", data=[_sent(box, None if whole else LONGEST) for box in boxes])


def verbatim(text: str) -> None:
    """Show a text as it is, with a button that copies it."""
    st.code(_cut(mark_invisible(text), LONGEST), language=None, wrap_lines=True)


def table(rows: pd.DataFrame, *, colours: Mapping[str, Mapping[str, str]] | None = None, **settings: Any) -> Any:
    """A data frame on the screen, where it is drawn and not parsed.

    Args:
        rows: texts are cut to one line each.
        colours: column -> text -> colour, from the palette.
        settings: everything else that ``st.dataframe`` takes.
    """
    shown = rows.copy()
    for column in shown.columns:
        if shown[column].dtype == object or pd.api.types.is_string_dtype(shown[column].dtype):
            shown[column] = [one_line(cell, _IN_TABLE) if isinstance(cell, str) else cell for cell in shown[column]]
    settings.setdefault("height", "content" if len(shown) <= _TALL else "auto")
    settings.setdefault("placeholder", "")  # else Streamlit writes None
    styled = shown.style
    for name, known in (colours or {}).items():
        styled = styled.map(lambda cell, known=known: _ink(known.get(cell)), subset=[name])
    return st.dataframe(styled if colours else shown, hide_index=True, width="stretch", **settings)


def _ink(colour: str | None) -> str:
    return f"color: {colour}; font-weight: 600" if colour and _COLOUR.fullmatch(colour) else ""


def quoted(text: str, quotes: Sequence[Mapping[str, Any]], *, opening: str = "", closing: str = "") -> tuple[Part, ...]:
    """A text with its quotes in place, marked by what the check found.

    Args:
        text: with the quotes' tags.
        quotes: each with ``start`` and ``end`` in it, ``text`` and ``verified``, in order.
        opening: written before each quote.
        closing: written after each quote.
    """
    parts: list[Part] = []
    done = 0
    for quote in quotes:
        parts.append(text[done : quote["start"]])
        mark = "verified" if quote["verified"] else "unverified"
        parts.append(Box(mark, (f"{opening}{quote['text']}{closing}",)))
        done = quote["end"]
    return (*parts, text[done:])


def one_line(text: str, longest: int = 80) -> str:
    """The beginning of a text, on one line."""
    beginning = " ".join(mark_invisible(text[: 4 * longest]).split())
    return beginning if len(beginning) <= longest and len(text) <= 4 * longest else beginning[: longest - 1] + "…"


def _cut(text: str, longest: int | None) -> str:
    if longest is None or len(text) <= longest:
        return text
    return f"{text[:longest]} […] ({len(text) - longest:,} more characters)"


def _sent(part: Part, longest: int | None) -> str | dict[str, Any]:
    """What the browser is told of a part."""
    if isinstance(part, str):
        return _cut(mark_invisible(part), longest)
    if not _NAME.fullmatch(part.kind) or not (part.colour is None or _COLOUR.fullmatch(part.colour)):
        raise ValueError(f"neither kinds nor colours come from a store: {part.kind!r}, {part.colour!r}")
    shade = None if part.shade is None else min(max(float(part.shade), 0.0), 1.0)
    sent = [_sent(each, longest) for each in part.parts]
    if part.kind not in _FOLDS | _MARKS and (note := invisible_note("".join(_own_texts(part)))):
        sent.append({"k": "unseen", "p": [note], "c": None, "s": None})
    return {"k": part.kind, "p": sent, "c": part.colour, "s": shade}


def _own_texts(box: Box) -> Iterator[str]:
    """The texts of a box, those with a mark around them included, and not those of the boxes in it."""
    for part in box.parts:
        if isinstance(part, str):
            yield part
        elif part.kind in _MARKS:
            yield from _own_texts(part)
