"""Quotes: what a speaker says stands in the material, checked against the material.

A speaker marks a quote as ``<quote>words</quote>``. It counts as verified only if the same words stand in
the material one after another. Case, spacing and ordinary punctuation are forgiven, since near-miss quotes
were needlessly punished in published debates; digits, signs, decimals and mathematical operators are not,
and a quote must cover whole tokens: "1" is not found in "12". An invalid quote is never repaired.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from oversight.markup import escape, tag, unescape

__all__ = ["Quote", "find_quotes", "render_quoted", "verify"]

_TAG = re.compile(r"<(/?)quote>", re.IGNORECASE)
_LETTER = r"(?:[^\W_]|[\u0300-\u036f])"
_TOKEN = re.compile(
    rf"[-+\u2212]?(?:\d+(?:[.,]\d+)*|(?<![\w.])\.\d+)(?:[eE][-+]?\d+)?{_LETTER}*"
    rf"|{_LETTER}+(?:_+{_LETTER}+)*"
    r"|[!<>=]=|[=<>*/^%$\u20ac\u00a3+\u2212\u00d7\u00f7\u2264\u2265\u2260]"
)
"""A number with its sign, point and exponent; a word; or an operator. Underscores around a word only set it off."""


class Quote(BaseModel):
    """One quote in a message.

    ``start`` and ``end`` are character offsets into the message's text, tags included; ``source_start`` and
    ``source_end`` are offsets into the material of the first place it stands, None unless verified.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    start: int
    end: int
    verified: bool
    source_start: int | None = None
    source_end: int | None = None


class _Indexed:
    """A text's tokens, with where each begins and ends."""

    def __init__(self, text: str) -> None:
        matches = list(_TOKEN.finditer(text))
        self.tokens = [unicodedata.normalize("NFKC", m[0]).casefold().replace("\u2212", "-") for m in matches]
        self.spans = [match.span() for match in matches]
        self.places: dict[str, list[int]] = {}
        for place, token in enumerate(self.tokens):
            self.places.setdefault(token, []).append(place)


_indexed = lru_cache(maxsize=64)(_Indexed)


def verify(quote: str, material: str) -> tuple[int, int] | None:
    """Find ``quote`` in ``material``: the character span of the first place it stands, or None."""
    source = _indexed(material)
    # A speaker copies the material as its prompt shows it, escaped, or as it would be.
    for wanted in (_Indexed(unescape(quote)).tokens, _Indexed(quote).tokens):
        for place in source.places.get(wanted[0], ()) if wanted else ():
            if source.tokens[place : place + len(wanted)] == wanted:
                return source.spans[place][0], source.spans[place + len(wanted) - 1][1]
    return None


def find_quotes(text: str, material: str | None) -> tuple[Quote, ...]:
    """Read the quotes a speaker marked in ``text`` and check each against ``material``."""
    quotes, opening = [], None
    for tag_found in _TAG.finditer(text):
        if not tag_found[1]:
            opening = opening or tag_found
        elif opening is not None:
            words = text[opening.end() : tag_found.start()]
            span = verify(words, material) if material else None
            quotes.append(
                Quote(
                    text=words.strip(),
                    start=opening.start(),
                    end=tag_found.end(),
                    verified=span is not None,
                    source_start=span[0] if span else None,
                    source_end=span[1] if span else None,
                )
            )
            opening = None
    return tuple(quotes)


def render_quoted(text: str, quotes: tuple[Quote, ...]) -> str:
    """Return ``text`` as other seats read it: escaped, each quote tagged with what the check found."""
    parts, done = [], 0
    for quote in quotes:
        parts.append(escape(text[done : quote.start]))
        parts.append(tag("quote", escape(quote.text), verified="yes" if quote.verified else "no"))
        done = quote.end
    return "".join([*parts, escape(text[done:])])
