"""Working an expression out one operation at a time: is the next one the last with one part replaced by its value?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from oversight.models.embedded.steps.exact import Rpn, compile_rpn, tokens_of
from oversight.models.embedded.steps.finding import Finding

__all__ = ["check_rewriting"]

_LEFT = re.compile(r"\bso the (?:expression|answer) is ([^=\n]{1,2000}?)\.?\s*$", re.IGNORECASE)
_STATED = re.compile(r"^([^=\n]{1,2000})=\s*([^=,\n]{1,60}),")


def check_rewriting(whole: Rpn, before: Sequence[str], step: str) -> Finding | None:
    """Compare the expression that a step is left with to the one it started from; None where it names none.

    Nothing is worked out: the part that the step replaces must stand in the expression before it, and the rest
    must stay as it is. Whether the part has that value is its own equality's matter.
    """
    left, stated = _left(step), _STATED.match(step)
    if left is None or stated is None:
        return None
    part, value = _rpn(stated[1]), _rpn(stated[2])
    started = next((found for text in reversed(before) if (found := _left(text)) is not None), whole)
    if part is None or value is None:
        return None
    if part not in {started[place : place + len(part)] for place in range(len(started))}:
        return Finding("incorrect", "rewriting", "it works out what does not stand in the expression")
    if left not in _replaced(started, part, value):
        return Finding("incorrect", "rewriting", "the rest of the expression has changed")
    return Finding("correct", "rewriting", "one part is replaced, and the rest is as it was")


def _left(step: str) -> Rpn | None:
    found = _LEFT.search(step)
    return _rpn(found[1]) if found else None


def _rpn(text: str) -> Rpn | None:
    return compile_rpn(tokens_of(text))


def _replaced(expression: Rpn, part: Rpn, value: Rpn) -> Iterator[Rpn]:
    """The expression with ``part`` replaced by ``value``, in each place where it stands."""
    for place in range(len(expression) - len(part) + 1):
        if expression[place : place + len(part)] == part:
            yield expression[:place] + value + expression[place + len(part) :]
