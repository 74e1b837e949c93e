"""Characters that a reader does not see, made visible: a model reads them as well as any other.

Besides those that steer a terminal or turn the direction of what follows, these are characters of no width, soft
hyphens, tags, variation selectors, fillers, and whatever Unicode has not assigned. Where a script or an emoji needs
one to be drawn, it stays.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

__all__ = ["MARK", "count_invisible", "invisible_note", "mark_invisible", "without_invisible"]

MARK = "\N{REPLACEMENT CHARACTER}"
"""What stands for each."""

_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f")
"""Drawn as nothing though Unicode counts them among letters, symbols and marks."""
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_NEWER = (range(0x1F000, 0x1FB00), range(0x20000, 0x3FFFE))
"""Emoji and ideographs, of which there are more each year than this Python knows."""

_JOINER, _NON_JOINER = "\u200d", "\u200c"
_PRESENTATION = "\ufe0e\ufe0f"
_KEYCAP = "\u20e3"
_OTHER_EMOJI = frozenset("\u203c\u2049\u2139\u2194\u25fd\u25fe\u3030\u303d")
_VIRAMA = 9
_ARABIC = range(0x0620, 0x0700)
_FLAG = re.compile(
    "\U0001f3f4(?:\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
    "|\U000e0077\U000e006c\U000e0073))\U000e007f"
)
"""The flags of England, Scotland and Wales, which are spelled in tags."""


def mark_invisible(text: str) -> str:
    r"""Return a text with a mark for each character that a reader would not see; ``\r\n`` becomes one line end."""
    return _replaced(text.replace("\r\n", "\n"), MARK)


def without_invisible(text: str) -> str:
    """Return a text without the characters that a reader would not see."""
    return _replaced(text, "")


def count_invisible(text: str) -> int:
    """Return how many marks `mark_invisible` would put into a text."""
    return sum(1 for _ in _invisible(text.replace("\r\n", "\n")))


def invisible_note(text: str) -> str:
    """Return a line about the invisible characters in a text; empty where there are none."""
    count = count_invisible(text)
    return f"{count:,} invisible character{'' if count == 1 else 's'}" if count else ""


def _replaced(text: str, mark: str) -> str:
    parts, done = [], 0
    for place in _invisible(text):
        parts += [text[done:place], mark]
        done = place + 1
    return "".join(parts) + text[done:] if parts else text


def _invisible(text: str) -> Iterator[int]:
    """The places of characters that a reader does not see."""
    odd = {character for character in set(text) if _is_invisible(character)}
    if not odd:
        return
    flags = {place for flag in _FLAG.finditer(text) for place in range(*flag.span())}
    for match in re.finditer(f"[{re.escape(''.join(sorted(odd)))}]", text):
        place = match.start()
        if place not in flags and not _is_needed(text[place - 1 : place], match[0], text[place + 1 : place + 2]):
            yield place


@functools.lru_cache(maxsize=4096)
def _is_invisible(character: str) -> bool:
    if character in "\t\n":
        return False
    code = ord(character)
    if character in _FILLERS or any(code in each for each in _SELECTORS):
        return True
    category = unicodedata.category(character)
    return category in _CATEGORIES and not (category == "Cn" and any(code in each for each in _NEWER))


def _is_needed(before: str, character: str, after: str) -> bool:
    """Whether a script or an emoji is drawn otherwise without the character."""
    if character in _PRESENTATION:
        return _is_emoji(before) or (before in tuple("0123456789#*") and after == _KEYCAP)
    if character == _JOINER and (_is_emoji(before) or before == _PRESENTATION[1]) and _is_emoji(after):
        return True
    if character not in (_JOINER, _NON_JOINER) or not before:
        return False
    arabic = all(each and ord(each) in _ARABIC and each.isalpha() for each in (before, after))
    return unicodedata.combining(before) == _VIRAMA or (character == _NON_JOINER and arabic)


def _is_emoji(character: str) -> bool:
    return bool(character) and (
        unicodedata.category(character) == "So" or ord(character) in _NEWER[0] or character in _OTHER_EMOJI
    )
