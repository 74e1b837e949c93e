"""Splitting a solution written as prose into the steps that are checked one at a time."""

from __future__ import annotations

import re

__all__ = ["split_steps"]

# "3. So" begins with a step's number; "3.5 * 2 = 7" and a lone "42." are what the step states.
_NUMBERED = re.compile(r"^\s*(?:step\s+\d+\s*(?:[:)]|\.(?!\d))|\d+\s*(?:\)|\.(?!\d))(?=\s*\S))\s*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\\$(])")


def split_steps(text: str) -> tuple[str, ...]:
    """The steps of a solution, without blank ones: its lines, or the sentences of a single line.

    A line's number ("Step 3:", "3.") is taken off, because steps are renumbered where they are shown.
    """
    lines = [_NUMBERED.sub("", line).strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    return tuple(_SENTENCE_END.split(lines[0])) if len(lines) == 1 else tuple(lines)
