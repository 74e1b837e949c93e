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

_QUOTE = re.compile(r"<quote>(.*?)</quote>", re.DOTALL | re.IGNORECASE)
_TOKEN = re.compile(r"[-+]?\d+(?:[.,]\d+)*|\w+|[=<>*/^%$€£+\u2212\u00d7\u00f7\u2264\u2265\u2260]")


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
        self.tokens = [unicodedata.normalize("NFKC", match[0]).casefold() for match in matches]
        self.spans = [match.span() for match in matches]
        self.places: dict[str, list[int]] = {}
        for place, token in enumerate(self.tokens):
            self.places.setdefault(token, []).append(place)


_indexed = lru_cache(maxsize=64)(_Indexed)


def verify(quote: str, material: str) -> tuple[int, int] | None:
    """Find ``quote`` in ``material``: the character span of the first place it stands, or None."""
    wanted = _Indexed(unescape(quote)).tokens
    if not wanted:
        return None
    source = _indexed(material)
    for place in source.places.get(wanted[0], ()):
        if source.tokens[place : place + len(wanted)] == wanted:
            return source.spans[place][0], source.spans[place + len(wanted) - 1][1]
    return None


def find_quotes(text: str, material: str | None) -> tuple[Quote, ...]:
    """Read the quotes a speaker marked in ``text`` and check each against ``material``."""
    quotes = []
    for match in _QUOTE.finditer(text):
        span = verify(match[1], material) if material else None
        quotes.append(
            Quote(
                text=match[1].strip(),
                start=match.start(),
                end=match.end(),
                verified=span is not None,
                source_start=span[0] if span else None,
                source_end=span[1] if span else None,
            )
        )
    return tuple(quotes)


def render_quoted(text: str, quotes: tuple[Quote, ...]) -> str:
    """Return ``text`` as other seats read it: escaped, each quote tagged with what the check found."""
    parts, done = [], 0
    for quote in quotes:
        parts.append(escape(text[done : quote.start]))
        parts.append(tag("quote", escape(quote.text), verified="yes" if quote.verified else "no"))
        done = quote.end
    return "".join([*parts, escape(text[done:])])
