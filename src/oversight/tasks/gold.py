"""Which answer is meant by what a table's gold column says. Where it could be two of them, it is neither."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Literal

from oversight.tasks.row_files import text_of

__all__ = ["GoldIs", "place_of"]

GoldIs = Literal["clear", "place", "number", "letter", "text"]
"""How gold names an answer: its place from 0, number from 1, letter from A, or text; or whichever is clear."""


def place_of(gold: object, answers: Sequence[str], gold_is: GoldIs, rename: Mapping[str, str]) -> int:
    """The place, from 0, of the answer that ``gold`` means.

    Args:
        gold: the cell.
        answers: the texts of the answers, renamed already.
        gold_is: how to read the cell.
        rename: the words that answers go by, by the words in the table.

    Raises:
        ValueError: it means none of them, or could mean more than one.
    """
    text = text_of(gold, "gold")
    match gold_is:
        case "place" | "number":
            return _counted(text, 0 if gold_is == "place" else 1, len(answers))
        case "letter":
            found = _lettered(text, len(answers))
        case "text":
            found = _texts(rename.get(text, text), answers)
        case "clear":
            return _clear(gold, text, answers, rename)
    if len(found) != 1:
        raise ValueError(f"gold {gold!r} is {'not' if not found else 'more than'} one of the answers")
    return found.pop()


def _clear(gold: object, text: str, answers: Sequence[str], rename: Mapping[str, str]) -> int:
    texts = _texts(rename.get(text, text), answers)
    if isinstance(gold, int) and not isinstance(gold, bool):
        others = {gold} if 0 <= gold < len(answers) else set()
        kind = "place"
    else:
        others, kind = _lettered(text, len(answers)), "letter"
    found = texts | others
    if len(found) == 1:
        return found.pop()
    if others and texts:
        raise ValueError(f"gold {gold!r} could be a text or a {kind}: say which with 'gold_is: text' or '{kind}'")
    if texts:
        raise ValueError(f"gold {gold!r} is the text of more than one of the answers")
    if kind == "place":
        raise ValueError(
            f"gold is {gold}, but there are {len(answers)} answers, counted from 0; 'gold_is: number' counts from 1"
        )
    digits = "; if it is a place from 0 say 'gold_is: place', if it counts from 1 'gold_is: number'"
    raise ValueError(f"gold {gold!r} is not one of the answers{digits if text.strip().isdecimal() else ''}")


def _counted(text: str, first: int, count: int) -> int:
    if not text.strip().isdecimal():
        raise ValueError(f"gold {text!r} is not a number")
    if not first <= int(text) < first + count:
        raise ValueError(f"gold is {text}, but there are {count} answers, counted from {first}")
    return int(text) - first


def _lettered(text: str, count: int) -> set[int]:
    letter = text.strip().upper()
    place = string.ascii_uppercase.find(letter) if len(letter) == 1 else -1
    return {place} if 0 <= place < count else set()


def _texts(text: str, answers: Sequence[str]) -> set[int]:
    if text not in answers:  # as most numbers are not: looking first takes a third of the time
        return set()
    return {place for place, answer in enumerate(answers) if answer == text}
