"""What a protocol's `assignments` may return, checked where it is asked."""

from __future__ import annotations

import inspect
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oversight.errors import ProtocolError
from oversight.util.describe import describe_error

if TYPE_CHECKING:
    from oversight.core.protocol import Protocol
    from oversight.core.question import Question
    from oversight.core.side import Assignment

__all__ = ["assignments_of"]

_WRITE = "return None, or a list of tuples with one answer's place for each arguing seat, as in [(0, 1), (1, 0)]"


def assignments_of(protocol: Protocol, question: Question, rng: random.Random) -> list[Assignment] | None:
    """Ask a protocol for its assignments; None where it leaves them to the engine.

    Raises:
        ProtocolError: it fails, or returns something else than assignments of the question's answers.
    """
    who = f"protocol '{protocol.name}'"
    try:
        asked: object = protocol.assignments(question, rng)
    except (Exception, SystemExit) as error:
        raise ProtocolError(f"{who}: assignments failed: {describe_error(error)}") from error
    if asked is None:
        return None
    if inspect.iscoroutine(asked):
        asked.close()
        raise ProtocolError(f"{who}: assignments is async: write 'def assignments(…)'")
    if not isinstance(asked, list | tuple):
        raise ProtocolError(f"{who}: assignments returned {_what(asked)}: {_WRITE}")
    if not asked:
        raise ProtocolError(f"{who}: assignments returned an empty {type(asked).__name__}, so no episode: {_WRITE}")
    found: list[Assignment] = []
    for number, each in enumerate(asked):
        place = f"{who}: assignments[{number}]"
        if not isinstance(each, list | tuple):
            raise ProtocolError(f"{place} is {_what(each)}, not a tuple: {_WRITE}")
        found.append(_checked(each, place, len(question.answers)))
    if len(set(found)) < len(found):
        twice = next(each for each in found if found.count(each) > 1)
        raise ProtocolError(f"{who}: assignments returned {twice} twice: each assignment is one episode")
    return found


def _checked(assignment: Sequence[object], where: str, answers: int) -> Assignment:
    places: list[int | None] = []
    for number, place in enumerate(assignment):
        if place is not None and (isinstance(place, bool) or not isinstance(place, int)):
            raise ProtocolError(f"{where}[{number}] is {_what(place)}, not the place of an answer or None: {_WRITE}")
        if place is not None and not 0 <= place < answers:
            raise ProtocolError(f"{where}[{number}] is {place}, but the question has answers 0 to {answers - 1}")
        places.append(place)
    return tuple(places)


def _what(value: object) -> str:
    """A value's type, and the value where that is short."""
    if isinstance(value, bool | int | float | str):
        return f"{type(value).__name__} {value!r:.40}"
    return f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"
