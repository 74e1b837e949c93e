"""What a step of sorting words says: letters with their numbers, a part to sort, an order, an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "Group",
    "Order",
    "StepStatements",
    "flat",
    "letter_number",
    "letters_at",
    "read_step",
    "same_words",
    "words_of",
]

Group = tuple[str, ...]
"""Words whose order is not settled among them; one word stands alone."""
Order = tuple[Group, ...]

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
             "eleventh", "twelfth")  # fmt: skip
_PLACE = re.compile(rf"\b({'|'.join(_ORDINALS)})\s+letter", re.IGNORECASE)
_CLAIM = re.compile(r'"([^"\s]{1,80})"\s*:\s*"([^"]{0,40})"\s*\((\d{1,4})\)')
_PART = re.compile(r"this subpart\s*(\[[^\]]*\])", re.IGNORECASE)
_HAVE = re.compile(r"\bwe (?:now )?have\b:?(.*?)(?=\bHence\b|\bI have now\b|\bfor the subpart\b|$)", re.I | re.DOTALL)
_ANSWER = re.compile(r"\banswer is\b:?(.*)$", re.IGNORECASE | re.DOTALL)
_PIECE = re.compile(r'\((\d{1,4})\)|"([^"]*)"|([\[\]?<=])|([^\s\[\]?<="(),]+)')
_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'"})


class StepStatements(NamedTuple):
    """The statements of one step, each empty or None where it makes none."""

    place: int | None
    """Which letter is looked at, counted from 1."""
    claims: tuple[tuple[str, str, int], ...]
    """Each word with its letter and the letter's number."""
    part: Group | None
    """The words of the part to be sorted."""
    ordered: Order | None
    """An order given for the part, or for all words in the first round."""
    numbers: tuple[int | None, ...]
    """The number before each group of `ordered`."""
    whole: Order | None
    """The order of all words."""
    answer: Group | None


@lru_cache(maxsize=1_024)
def read_step(text: str) -> StepStatements:
    """Read a step; what is not in the usual form is left out."""
    text = text[:40_000].translate(_QUOTES)
    place = _PLACE.search(text)
    claims = tuple((word, letter, int(number)) for word, letter, number in _CLAIM.findall(text))
    part = _PART.search(text)
    groups = _order(part.group(1)) if part else None
    ordered: Order | None = None
    whole: Order | None = None
    numbers: tuple[int | None, ...] = ()
    has_part = "for the subpart" in text
    for found in _HAVE.finditer(text):
        read = _order(found.group(1).strip().rstrip("."))
        if read is None:
            continue
        if ordered is None and has_part:
            ordered, numbers = read
        else:
            whole = read[0]
            numbers = numbers if has_part else read[1]
    answer = _ANSWER.search(text)
    return StepStatements(
        place=_ORDINALS.index(place.group(1).lower()) + 1 if place else None,
        claims=claims,
        part=flat(groups[0]) if groups else None,
        ordered=ordered,
        numbers=numbers,
        whole=whole,
        answer=words_of(answer.group(1)) if answer else None,
    )


def _order(text: str) -> tuple[Order, tuple[int | None, ...]] | None:
    """An order such as (1) ["a" ? "b"] < (2) "c"; None where it is nested or empty."""
    groups: list[list[str]] = [[]]
    numbers: list[int | None] = [None]
    depth, listed = 0, "<" not in text and "?" not in text and "=" not in text
    for number, quoted, mark, bare in _PIECE.findall(text):
        if mark == "[":
            depth += 1
        elif mark == "]":
            depth -= 1
        elif mark == "<" and depth > 0:
            return None
        elif mark == "<" or (listed and groups[-1] and not mark):
            groups.append([])
            numbers.append(None)
        if number:
            numbers[-1] = int(number)
        elif quoted or bare:
            groups[-1].append(quoted or bare)
    kept = [(tuple(group), number) for group, number in zip(groups, numbers, strict=True) if group]
    return (tuple(group for group, _ in kept), tuple(number for _, number in kept)) if kept else None


def flat(order: Order) -> Group:
    """All words of an order, one after the other."""
    return tuple(word for group in order for word in group)


def words_of(text: str) -> Group:
    """The words of a plain list."""
    bare = text.translate(_QUOTES).replace('"', " ").replace(",", " ").replace("<", " ")
    return tuple(bare.split()[:2_000])


def letters_at(word: str, place: int) -> frozenset[str]:
    """What may be called a word's letter at a place counted from 1: signs such as ' count, or are passed over."""
    lower = word.lower()
    plain = "".join(letter for letter in lower if letter.isalpha())
    return frozenset({lower[place - 1 : place], plain[place - 1 : place]})


def letter_number(letter: str) -> int | None:
    """A letter's place in the alphabet, from 1."""
    return ord(letter) - ord("a") + 1 if len(letter) == 1 and "a" <= letter <= "z" else None


def same_words(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether two lists hold the same words, each as often."""
    return sorted(left) == sorted(right)
