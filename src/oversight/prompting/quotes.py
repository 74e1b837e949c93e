"""Quotes: what a speaker says stands in the material, checked against the material.

A speaker marks a quote as ``<quote>words</quote>``. It counts as verified only if the same words stand in
the material one after another. Case, spacing, ordinary punctuation and characters that cannot be seen are forgiven,
since near-miss quotes were needlessly punished in published debates; digits, signs, decimals and mathematical
operators are not, and a quote must cover whole tokens: "1" is not found in "12", nor "102" in "10\u00b2". A token of a
script that is written without spaces is one character. An invalid quote is never repaired.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from oversight.prompting.markup import escape, tag, unescape
from oversight.prompting.tokens import TokenizedText

__all__ = ["Quote", "find_quotes", "render_quoted", "verify"]

_TAG = re.compile(r"<(/?)quote>", re.IGNORECASE)


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


_indexed = lru_cache(maxsize=64)(TokenizedText)


def verify(quote: str, material: str) -> tuple[int, int] | None:
    """Find ``quote`` in ``material``: the character span of the first place it stands, or None."""
    source = _indexed(material)
    # A speaker copies the material as its prompt shows it, escaped, or as it would be.
    for words in (unescape(quote), quote):
        if (span := source.find(TokenizedText(words))) is not None:
            return span
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
