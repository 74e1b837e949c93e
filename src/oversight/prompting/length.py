"""How much of what a model wrote counts: a word limit, and whole sentences where a token limit cut it off."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["CountedText", "shortened"]

_SENTENCE_END = re.compile(
    r"""[.!?\u2026]+["'\u201d\u2019\u00bb)\]*_]*(?=\s|$)|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d]?"""
)
"""An end of a sentence, with the quotation marks and brackets that it closes; Chinese and Japanese need no space."""


class CountedText(NamedTuple):
    """The part of a text that counts.

    Attributes:
        text: the part.
        words_cut: how many words were left out.
        truncated: whether the token limit, and not the word limit, decided where it ends.
    """

    text: str
    words_cut: int = 0
    truncated: bool = False


def shortened(text: str, word_limit: int | None, *, truncated: bool = False) -> CountedText:
    """Return what counts of a text.

    Args:
        text: what the model wrote.
        word_limit: words that count at most; None for no limit.
        truncated: whether a token limit cut the text off. Its last, broken sentence is left out then; where there is
            no whole sentence, its last word, which may be broken.
    """
    words = list(re.finditer(r"\S+", text))
    if word_limit is not None and len(words) > word_limit:
        return CountedText(text[: words[word_limit - 1].end()], len(words) - word_limit)
    if not truncated:
        return CountedText(text)
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    kept = text[: ends[-1]] if ends else text[: words[-1].start()].rstrip() if words else ""
    return CountedText(kept, sum(word.end() > len(kept) for word in words), truncated=True)
