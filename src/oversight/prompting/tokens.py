"""Texts as tokens: what two texts must share to hold the same words, whatever their case, spacing and punctuation."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["TokenizedText"]

_BETWEEN = "\x1f"
"""Separates tokens, and is in none."""

# Every character is replaced by the letter of its kind, so that one small pattern finds the tokens of any script:
# d a digit, e the letter of exponents, w any other letter or mark of a word, m a combining mark, c a character that
# is a token by itself, _ and signs and operators themselves, a space what is forgiven.
_WORD = "[wedm]"
_TOKEN = re.compile(
    rf"[-+\u2212]?(?:d+(?:[.,]d+)*|(?<![wedmc_.])\.d+)(?:e[-+]?d+)?{_WORD}*"
    rf"|{_WORD}+(?:_+{_WORD}+)*"
    r"|cm*"
    r"|[!<>=]=|[+\u2212=<>*/^%$\u20ac\u00a3\u00d7\u00f7\u2264\u2265\u2260]"
)
"""A number with its sign, point and exponent; a word; a character; an operator. Underscores only set a word off."""

_THEMSELVES = frozenset("_.,!=<>*/^%$+-\u2212\u20ac\u00a3\u00d7\u00f7\u2264\u2265\u2260")
_FULL_WIDTH = {chr(0xFEE0 + ord(each)): each for each in _THEMSELVES if "!" <= each <= "~"}

_LONGEST = 500
"""Longer tokens are compared as they stand."""

_RAISED_SIGNS = frozenset("\u207a\u207b\u208a\u208b")
_VOICING = frozenset("\uff9e\uff9f")

_UNSPACED = re.compile(
    r"CJK|IDEOGRAPHIC|VERTICAL IDEOGRAPHIC|HIRAGANA|KATAKANA|HALFWIDTH KATAKANA|HENTAIGANA|BOPOMOFO|YI SYLLABLE|NUSHU"
    r"|TANGUT|THAI|LAO|KHMER|MYANMAR|TIBETAN|JAVANESE|BALINESE|TAI |NEW TAI LUE"
)
"""How the Unicode names of characters begin whose scripts put no spaces between words."""

_UNNAMED_HAN = range(0x20000, 0x40000)
"""Planes of Han characters; newer ones have no name in older versions of Python."""


class TokenizedText:
    """A text's tokens, with where each begins and ends in it."""

    def __init__(self, text: str) -> None:
        unseen = {each for each in set(text) if _unseen(each)}
        kept = [place for place, each in enumerate(text) if each not in unseen] if unseen else None
        seen = "".join(text[place] for place in kept) if kept is not None else text
        kinds = seen.translate({ord(each): _kind(each) for each in set(seen)})
        self._spans = [match.span() for match in _TOKEN.finditer(kinds)]
        self._kept = kept
        if seen.isascii():
            folded = seen.lower()
            tokens = [folded[start:end] for start, end in self._spans]
        else:
            tokens = [_folded(seen[start:end]) for start, end in self._spans]
        self._joined = f"{_BETWEEN}{_BETWEEN.join(tokens)}{_BETWEEN}" if tokens else ""

    def find(self, other: TokenizedText) -> tuple[int, int] | None:
        """Return the span of the first place in this text where all tokens of another follow each other, or None."""
        at = self._joined.find(other._joined) if other._joined else -1
        if at < 0:
            return None
        first = self._joined.count(_BETWEEN, 0, at)
        start, end = self._spans[first][0], self._spans[first + len(other._spans) - 1][1]
        return (start, end) if self._kept is None else (self._kept[start], self._kept[end - 1] + 1)


@lru_cache(maxsize=1 << 16)
def _kind(character: str) -> str:
    """The letter of a character's kind."""
    character = _FULL_WIDTH.get(character, character)
    category = unicodedata.category(character)
    if character in _THEMSELVES:
        kind = character
    elif character in "eE":
        kind = "e"
    elif category == "Nd":
        kind = "d"
    elif category[0] == "M" or character in _VOICING:
        kind = "m"
    elif character in _RAISED_SIGNS:
        kind = "w"
    elif category[0] in "LN":
        unspaced = _UNSPACED.match(unicodedata.name(character, "")) or ord(character) in _UNNAMED_HAN
        kind = "c" if unspaced else "w"
    else:
        # A sign such as that of square metres holds a digit, which is not forgiven.
        kind = "c" if _holds_digit(character) or ord(character) in _UNNAMED_HAN else " "
    return kind


def _unseen(character: str) -> bool:
    """Return whether a character cannot be seen: a format character, a variation selector, a joiner of graphemes."""
    return unicodedata.category(character) == "Cf" or (
        unicodedata.category(character) == "Mn"
        and unicodedata.name(character, "").startswith(
            ("VARIATION SELECTOR", "MONGOLIAN FREE VARIATION SELECTOR", "COMBINING GRAPHEME JOINER")
        )
    )


@lru_cache(maxsize=1 << 16)
def _folded(token: str) -> str:
    """A token without differences of case and of how a letter is encoded; raised, circled and similar digits stay."""
    # Normalising takes time that grows with the square of the marks on one letter.
    if token.isascii() or len(token) > _LONGEST:
        return token.lower()
    return "".join(part if _holds_digit(part) else _plain(part) for part in _parts(token))


def _parts(token: str) -> list[str]:
    """A token cut up so that every character that stands for digits is a part by itself."""
    parts = [""]
    for each in token:
        if _holds_digit(each) or each in _RAISED_SIGNS:
            parts += [each, ""]
        else:
            parts[-1] += each
    return parts


def _plain(part: str) -> str:
    if part in _RAISED_SIGNS:
        return part
    folded = unicodedata.normalize("NFKC", part).casefold()
    # Once more, because folding the case can leave letters that are put together differently.
    return unicodedata.normalize("NFKC", folded).replace("\u2212", "-")


@lru_cache(maxsize=1 << 16)
def _holds_digit(character: str) -> bool:
    """Return whether a character stands for digits without being one, as a superscript or a fraction does."""
    return (
        len(character) == 1
        and unicodedata.category(character) != "Nd"
        and any(each.isdecimal() for each in unicodedata.normalize("NFKC", character))
    )
