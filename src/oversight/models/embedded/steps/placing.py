"""Objects in a row: what a problem and a step say of their places, as constraints on the row."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Claim", "Mask", "ObjectRow", "mask_of", "mask_of_all", "read_claims", "row_of"]

_MOST_OBJECTS = 7
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
ORDINAL = rf"(?:{'|'.join(ORDINALS)})"

# The row runs from left, newest, most expensive or first (its front) to right, oldest, cheapest or last.
FRONT = frozenset({"left", "leftmost", "newest", "newer", "most", "more", "above", "first", "before"})
_RELATION = (
    r"(?:to the )?(left|right) of|(newer|older|cheaper) than|(more|less) expensive than|(above|below|before|after)"
)
_POLE = (
    rf"(?:({ORDINAL})[- ])?(?:(newest|oldest|cheapest)|(most|least)[- ]expensive)|(leftmost|rightmost)"
    rf"|({ORDINAL}) from the (left|right)|(?:({ORDINAL})[- ]to[- ])?\b(last)\b|({ORDINAL})(?! from)(?:[- ]place)?"
)
_COUNTS = ("no", "one", "two", "three", "four", "five", "six")
_COUNT = rf"\b({'|'.join(_COUNTS)}) \w+ (?:that |which )?(?:is |are )?"
_LISTED = re.compile(r"there (?:are|were) (?:\w+) \w+: ([^.]*)\.|sells \w+ \w+: ([^.]*)\.")
_BE = (
    r"(?:is|are|was|were|finished|must be|must have finished|has to be|have to be|"
    r"(?P<no>cannot be|can't be|can not be|could not be|is not|are not|cannot have finished|did not finish))"
)


Mask = NDArray[np.bool_]
"""Which of all possible rows are left."""


class ObjectRow(NamedTuple):
    """The objects of a problem, and how to find their names in a text."""

    objects: tuple[str, ...]
    relation: re.Pattern[str]
    place: re.Pattern[str]
    placed: re.Pattern[str]
    counted: re.Pattern[str]
    beyond: re.Pattern[str]
    name: re.Pattern[str]
    number: dict[str, int]


class Claim(NamedTuple):
    """A statement on the row: ``a`` stands before ``b``; or ``a`` is at one of ``places`` (from 0), or at none."""

    a: int
    b: int | None
    places: frozenset[int]
    holds: bool = True


@lru_cache(maxsize=64)
def row_of(problem: str) -> ObjectRow | None:
    """The objects that a problem lists; None where it lists none, or more than can be looked at."""
    listed = _LISTED.search(problem)
    if listed is None:
        return None
    parts = re.split(r",\s*(?:and\s+)?|\s+and\s+", listed.group(1) or listed.group(2))
    objects = tuple(re.sub(r"^(?:an?|the)\s+", "", part.strip().lower()) for part in parts if part.strip())
    if not 1 < len(objects) <= _MOST_OBJECTS or len(set(objects)) < len(objects):
        return None
    index: dict[str, int] = {}
    same_end = len({name.split()[-1] for name in objects}) == 1
    for number, name in enumerate(objects):
        short = name.rsplit(" ", 1)[0] if same_end else name
        for alias in (name, short, name.removesuffix("s"), f"{name}s"):
            index.setdefault(alias, number)
    names = "|".join(re.escape(alias) for alias in sorted(index, key=len, reverse=True))
    one, two = rf"\b(?P<a>{names})\b", rf"(?:the )?\b(?P<b>{names})\b"
    subject = rf"{one}(?: (?:book|bird|car|fruit|vehicle|golfer)s?)?"
    return ObjectRow(
        objects=objects,
        relation=re.compile(rf"{subject} {_BE}(?: also)? (?:the )?(?:{_RELATION}) {two}"),
        place=re.compile(rf"{subject} {_BE}(?: also)? (?:the |in )?(?:{_POLE})"),
        placed=re.compile(rf"(?:{_POLE})(?: \w+)?(?: from the (left|right))? (?:is|must be|are) (?:the )?{one}"),
        counted=re.compile(rf"{_COUNT}(?:{_RELATION}) {two}"),
        beyond=re.compile(rf"{subject} {_BE} (?:{_RELATION}) the (?:{_POLE})"),
        name=re.compile(one),
        number=index,
    )


def read_claims(row: ObjectRow, text: str, *, front_first: bool = True) -> list[Claim]:
    """The plain statements of a text, in order; ``front_first`` says from which end a bare "third" counts."""
    found: list[tuple[int, Claim]] = []
    text = text.lower()
    for match in row.relation.finditer(text):
        side = next(word for word in match.groups()[2:6] if word)
        a, b = row.number[match["a"]], row.number[match["b"]]
        pair = (a, b) if (side in FRONT) == (match["no"] is None) else (b, a)
        found.append((match.start(), Claim(pair[0], pair[1], frozenset())))
    for match in row.place.finditer(text):
        at = _place(match.groups()[2:11], len(row.objects), front_first)
        found.append((match.start(), Claim(row.number[match["a"]], None, at, match["no"] is None)))
    for match in row.placed.finditer(text):
        poles = list(match.groups()[:9])
        if match.group(10) and poles[8]:
            poles[4], poles[5], poles[8] = poles[8], match.group(10), None
        at = _place(tuple(poles), len(row.objects), front_first)
        found.append((match.start(), Claim(row.number[match["a"]], None, at)))
    found.extend(_counts(row, text, front_first))
    return [claim for _, claim in sorted(found, key=lambda pair: pair[0])]


def _counts(row: ObjectRow, text: str, front_first: bool) -> list[tuple[int, Claim]]:
    """Statements such as "two fruits are cheaper than the pears" and "the bus is older than the second-newest"."""
    found: list[tuple[int, Claim]] = []
    count = len(row.objects)
    for match in row.counted.finditer(text):
        many = _COUNTS.index(match.group(1))
        side = next(word for word in match.groups()[1:5] if word)
        place = many if side in FRONT else count - 1 - many
        found.append((match.start(), Claim(row.number[match["b"]], None, frozenset({place} & set(range(count))))))
    for match in row.beyond.finditer(text):
        side = next(word for word in match.groups()[2:6] if word)
        at = _place(match.groups()[6:15], count, front_first)
        beyond = {
            place for place in range(count) for limit in at if (place < limit if side in FRONT else place > limit)
        }
        found.append((match.start(), Claim(row.number[match["a"]], None, frozenset(beyond), match["no"] is None)))
    return found


def _place(groups: tuple[str | None, ...], count: int, front_first: bool) -> frozenset[int]:
    """The place that a phrase such as "second-newest" names; none where the row is shorter."""
    rank, age, degree, end, side_rank, side, last_rank, last, bare = groups
    number = ORDINALS.index(rank or side_rank or last_rank or bare or "first")
    pole = age or degree or end or side or last
    from_front = front_first if pole is None else pole in FRONT
    place = number if from_front else count - 1 - number
    return frozenset({place}) if 0 <= place < count else frozenset()


@lru_cache(maxsize=8)
def _rows_possible(count: int) -> NDArray[np.int8]:
    return np.array(list(permutations(range(count))), dtype=np.int8)


@lru_cache(maxsize=1_024)
def mask_of(claim: Claim, count: int) -> Mask:
    """In which of all rows of so many objects a claim is true."""
    rows = _rows_possible(count)
    if claim.b is not None:
        found = rows[:, claim.a] < rows[:, claim.b]
    else:
        inside = np.isin(rows[:, claim.a], sorted(claim.places))
        found = inside if claim.holds else ~inside
    found.setflags(write=False)
    return np.asarray(found)


def mask_of_all(count: int) -> Mask:
    """All rows of so many objects."""
    return np.ones(len(_rows_possible(count)), dtype=np.bool_)
