"""Objects in a row: does each place that a step names follow from what was stated so far?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from oversight.models.embedded.steps.finding import Finding
from oversight.models.embedded.steps.placing import (
    FRONT,
    ORDINAL,
    ORDINALS,
    Claim,
    Mask,
    ObjectRow,
    mask_of,
    mask_of_all,
    read_claims,
    row_of,
)

__all__ = ["check_ordering"]

_FROM = re.compile(r"\bfrom (?:the )?(\w{1,20})[\w\s-]{0,40}? to (?:the )?[\w\s-]{0,40}?:", re.IGNORECASE)
_NUMBER = rf"(?:{ORDINAL}|last)"
_ITEM = re.compile(
    rf"\b({_NUMBER}(?:(?:, (?:and |or )?| and | or | to | through ){_NUMBER}){{0,12}})(?: \w+)? "
    r"(is|are|can be|must be|could be) "
    rf"(.*?)(?=,? (?:then|but)\b|, (?:and )?{_NUMBER}\b|[.;]|$)",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\b(?:asks|question|i need|i should|should first)\b", re.IGNORECASE)
_SO_IT = re.compile(r",? so (?:it|they|he|she) ")
_SENTENCE = re.compile(r"(?<=\.)\s")
_ANSWER = re.compile(r"\banswer is\s*\(?([A-Z])\b\)?(?!\)?,)")


@dataclass
class _State:
    """What was stated so far, as the rows that it leaves."""

    rows: Mask
    """By all statements."""
    settled: Mask
    """By places alone, without what stands before what."""
    base: Mask
    """By what a claim of the present step may build on."""
    listed: dict[int, int] = field(default_factory=dict)
    """The places in the last list."""
    front_first: bool = True
    """From which end lists start."""

    def take(self, claim: Claim, count: int) -> None:
        """Leave only the rows in which a claim is true."""
        true = mask_of(claim, count)
        self.rows, self.base = _left(self.rows, true), _left(self.base, true)
        if claim.b is None:
            self.settled = _left(self.settled, true)


class _Wrong(Exception):
    """A claim does not follow; the message says which."""


def check_ordering(problem: str, before: Sequence[str], step: str) -> Finding:
    """Check each place that a step names against the statements that it and earlier steps repeat."""
    row = row_of(problem)
    if row is None:
        return Finding("neutral", "none", "no list of objects in the problem")
    given = _statements(problem)
    rows = mask_of_all(len(row.objects))
    state = _State(rows, rows, rows)
    for text in before:
        _heard(problem, given, state, text, trust=True)
    try:
        checked = _heard(problem, given, state, step, trust=False)
        checked += _answer(row, problem, state, step)
    except _Wrong as wrong:
        return Finding("incorrect", "claim", str(wrong))
    if checked:
        return Finding("correct", "claim", f"its claims follow ({checked})")
    return Finding("neutral", "none", "it names no place")


@lru_cache(maxsize=64)
def _statements(problem: str) -> frozenset[Claim]:
    """What the problem states, before its question."""
    row, story = row_of(problem), re.split(r"\bQ:|\bOptions:", problem, maxsplit=1)[0]
    return frozenset(read_claims(row, story) if row is not None else ())


@lru_cache(maxsize=1_024)
def _read(problem: str, text: str, front_first: bool) -> tuple[tuple[Claim, ...], tuple[tuple[str, str], ...]]:
    """The plain claims of a step, and its lists."""
    row = row_of(problem)
    if row is None:
        return (), ()
    lists, plain = _split(_with_names(row, text))
    return tuple(read_claims(row, plain, front_first=front_first)), tuple(lists)


def _heard(problem: str, given: frozenset[Claim], state: _State, text: str, *, trust: bool) -> int:
    """Take in a step's statements and claims; where it is not trusted, raise at the first that does not follow."""
    row = row_of(problem)
    if row is None:
        return 0
    claims, lists = _read(problem, text, state.front_first)
    here = [claim for claim in claims if claim in given]
    # A step that repeats a statement draws its conclusion from that and the places known; others from all so far.
    state.base = state.settled if here else state.rows
    for claim in here:
        state.take(claim, len(row.objects))
    repeated = {claim.a for claim in here if len(claim.places) == 1}
    checked = len(here)
    for claim in claims:
        if claim not in given:
            _settle(row, state, claim, trust=trust)
            checked += 1
    for start, items in lists:
        state.front_first = start in FRONT
        checked += _list(row, state, _items(problem, items, state.front_first), trust=trust)
        for name in repeated:
            if not trust and name not in state.listed:
                raise _Wrong(f"{row.objects[name]} has a place, but none in the list")
    return checked


def _with_names(row: ObjectRow, text: str) -> str:
    """Leave out asides, and put the name back for "it" in "The truck is the newest, so it cannot be …"."""
    sentences = []
    for sentence in _SENTENCE.split(text):
        subject = row.name.search(sentence.lower())
        if _ASIDE.search(sentence):
            continue
        sentences.append(_SO_IT.sub(f", so the {subject['a']} ", sentence) if subject else sentence)
    return " ".join(sentences)


def _left(rows: Mask, true: Mask) -> Mask:
    left = rows & true
    return left if left.any() else rows


def _settle(row: ObjectRow, state: _State, claim: Claim, *, trust: bool) -> None:
    """Take in a claim; where it is not trusted, it must hold in every row that its base leaves."""
    count = len(row.objects)
    if not trust and bool((state.base & ~mask_of(claim, count)).any()):
        raise _Wrong(_shown(row, claim))
    state.take(claim, count)


def _shown(row: ObjectRow, claim: Claim) -> str:
    name = row.objects[claim.a]
    if claim.b is not None:
        return f"it does not follow that {name} stands before {row.objects[claim.b]}"
    places = " or ".join(ORDINALS[place] for place in sorted(claim.places)) or "beyond the end"
    return f"it does not follow that {name} {'is' if claim.holds else 'cannot be'} {places}, from the front"


def _split(text: str) -> tuple[list[tuple[str, str]], str]:
    """The lists "from … to …: first is …", each with the word it starts from, and the text without them."""
    lists: list[tuple[str, str]] = []
    plain: list[str] = []
    at = 0
    for match in _FROM.finditer(text):
        if match.start() < at:
            continue
        end = text.find(".", match.end())
        end = len(text) if end < 0 else end
        plain.append(text[at : match.start()])
        lists.append((match.group(1).lower(), text[match.end() : end]))
        at = end
    return lists, " ".join((*plain, text[at:]))


class _Item(NamedTuple):
    """One entry of a list: what it claims, and the object that it gives a place to, if one."""

    numbers: str
    beyond: bool
    """Whether there is no such place."""
    claims: tuple[Claim, ...]
    placed: tuple[int, int] | None


def _list(row: ObjectRow, state: _State, entries: Sequence[_Item], *, trust: bool) -> int:
    """Take in a list of places."""
    for entry in entries:
        if entry.beyond and not trust:
            raise _Wrong(f"there is no {entry.numbers} place")
        for claim in entry.claims:
            _settle(row, state, claim, trust=trust)
    listed = dict(entry.placed for entry in entries if entry.placed is not None)
    for name, place in state.listed.items():
        if not trust and listed.get(name) != place:
            raise _Wrong(f"{row.objects[name]} had a place in the list before")
    state.listed = listed
    return sum(bool(entry.claims) for entry in entries)


@lru_cache(maxsize=1_024)
def _items(problem: str, text: str, front_first: bool) -> tuple[_Item, ...]:
    """Read a list such as "first is the robin, then second and third can be any bird"."""
    row = row_of(problem)
    return tuple(_item(row, found, front_first) for found in _ITEM.finditer(text)) if row is not None else ()


def _item(row: ObjectRow, found: re.Match[str], front_first: bool) -> _Item:
    numbers, verb, what = (part.lower() for part in found.groups())
    named = [row.number[name["a"]] for name in row.name.finditer(what)]
    if len(named) == 1 and verb in ("is", "must be") and " and " in numbers:
        numbers = numbers.rsplit(" ", 1)[1]  # "second, third, and fourth is the robin": only the last is its
    count = len(row.objects)
    places = _places(numbers, count, front_first)
    claims: tuple[Claim, ...] = ()
    placed = None
    if re.search(r"\bexcept|\bother than|\bnot\b", what):
        claims = tuple(Claim(name, None, places, holds=False) for name in named)
    elif len(named) == 1 and "any" not in what and "or" not in what.split():
        claims = (Claim(named[0], None, places),)
        placed = (named[0], min(places)) if len(places) == 1 else None
    elif named and len(places) == 1:
        claims = tuple(Claim(other, None, places, holds=False) for other in range(count) if other not in named)
    return _Item(numbers, not places, claims, placed)


def _places(numbers: str, count: int, front_first: bool) -> frozenset[int]:
    words = re.findall(_NUMBER, numbers)
    found = [count - 1 if word == "last" else ORDINALS.index(word) for word in words]
    if re.search(r" (?:to|through) ", numbers) and len(found) > 1:
        found = list(range(found[0], found[-1] + 1))
    return frozenset(at if front_first else count - 1 - at for at in found if 0 <= at < count)


def _answer(row: ObjectRow, problem: str, state: _State, step: str) -> int:
    """The option that the step chooses, as a claim."""
    said = _ANSWER.search(step)
    option = re.search(rf"^\({said.group(1)}\)(.*)$", problem, re.MULTILINE) if said else None
    claims = read_claims(row, option.group(1)) if option else []
    for claim in claims:
        _settle(row, state, claim, trust=False)
    return len(claims)
