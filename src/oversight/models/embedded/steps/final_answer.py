"""What can be seen of a final answer next to the question alone, one small step at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise

from oversight.models.embedded.steps.brackets import CLOSER, sequence_of
from oversight.models.embedded.steps.exact import tokens_of
from oversight.models.embedded.steps.family import Family
from oversight.models.embedded.steps.finding import Finding
from oversight.models.embedded.steps.placing import Claim, ObjectRow, mask_of, read_claims, row_of
from oversight.models.embedded.steps.sorting import words_to_sort
from oversight.models.embedded.steps.swaps import game_of
from oversight.models.embedded.steps.wordlists import same_words, words_of

__all__ = ["find_answer"]

_LETTER = re.compile(r"^\s*\(?([A-Z])\)?\.?\s*$")
_NUMBER = re.compile(r"^\s*\$?\s*(-?)\s*\$?\s*((?:\d[\d,]{0,60})?\.?\d{1,60})\s*\.?\s*%?\s*$")


def find_answer(family: Family, problem: str, answer: str) -> Finding:
    """Look at an answer's form, and at whatever a single step can compare with the question."""
    if not answer.strip():
        return Finding("incorrect" if family != "brackets" else "neutral", "empty", "there is no answer")
    return _LOOKS[family](problem, answer)


def _whole_number(problem: str, answer: str) -> Finding:
    """The form is all there is to see: the value would take the whole calculation."""
    if re.fullmatch(r"\s*[-\u2212]?\d{1,60}\s*\.?\s*", answer):
        return Finding("neutral", "form", "it is a whole number; whether the right one takes the calculation")
    return Finding("incorrect", "form", "it is no whole number")


def _brackets(problem: str, answer: str) -> Finding:
    """Only closing brackets, an even number of brackets in all, and the last open one closed first."""
    given = sequence_of(problem) or ()
    said = [symbol for symbol in answer if not symbol.isspace()]
    if any(symbol not in CLOSER.values() for symbol in said):
        return Finding("incorrect", "form", "it holds more than closing brackets")
    if (len(said) + len(given)) % 2:
        return Finding("incorrect", "parity", "an odd number of brackets cannot be pairs")
    last = CLOSER.get(given[-1]) if given else None
    if last is not None and said[:1] != [last]:
        return Finding("incorrect", "next", f"{given[-1]} stands open at the end, so {last} comes next")
    return Finding("neutral", "form", "closing brackets, an even number in all")


def _sorted(problem: str, answer: str) -> Finding:
    """The same words, and no word that should stand before its neighbour.

    Each comparison of neighbours is one small step, so sorting is a task whose outcome can be checked without
    solving it.
    """
    words, said = words_to_sort(problem) or (), words_of(answer)
    if not same_words(words, said):
        return Finding("incorrect", "words", "the words are not those of the problem")
    for left, right in pairwise(said):
        if left > right:
            return Finding("incorrect", "order", f'"{right}" belongs before "{left}"'[:200])
    return Finding("correct", "order", "the same words, each before the next")


def _swap_option(problem: str, answer: str) -> Finding:
    """One of the options; who has it in the end would take every swap."""
    game, letter = game_of(problem), _LETTER.match(answer)
    if game is None or letter is None or letter.group(1) not in game.options:
        return Finding("incorrect", "form", "it is none of the options")
    return Finding("neutral", "form", "it is one of the options; whether the right one takes the swaps")


def _order_option(problem: str, answer: str) -> Finding:
    """One of the options, held against each single statement of the problem."""
    row, letter = row_of(problem), _LETTER.match(answer)
    option = re.search(rf"^\({letter.group(1)}\)(.*)$", problem, re.MULTILINE) if letter else None
    if row is None or option is None:
        return Finding("incorrect", "form", "it is none of the options")
    claims = read_claims(row, option.group(1))
    story = re.split(r"\bQ:|\bOptions:", problem, maxsplit=1)[0]
    if len(claims) != 1:
        return Finding("neutral", "form", "it is one of the options")
    for stated in read_claims(row, story):
        if stated == claims[0]:
            return Finding("correct", "stated", "the problem states just that")
        if not _together(row, stated, claims[0]):
            return Finding("incorrect", "against", "a single statement of the problem rules it out")
    return Finding("neutral", "form", "it is one of the options, and no single statement rules it out")


def _together(row: ObjectRow, one: Claim, other: Claim) -> bool:
    count = len(row.objects)
    return bool((mask_of(one, count) & mask_of(other, count)).any())


def _school(problem: str, answer: str) -> Finding:
    """A number that looks like one that a school book asks for."""
    number = _NUMBER.match(answer)
    if number is None:
        return Finding("incorrect", "form", "it is no number")
    if number.group(1):
        return Finding("incorrect", "negative", "a count or an amount is seldom negative")
    bare = number.group(2).replace(",", "")[:60]
    if len(bare.partition(".")[2].rstrip("0")) > 2:  # noqa: PLR2004
        return Finding("incorrect", "untidy", "it has more than two decimals")
    if bare.partition(".")[2].rstrip("0"):
        return Finding("neutral", "decimal", "a number with decimals")
    given = {token.text for token in tokens_of(problem) if token.kind == "number"}
    if bare.partition(".")[0] in given:
        return Finding("neutral", "given", "a whole number that the question itself names")
    return Finding("neutral", "form", "a whole number")


_LOOKS: Mapping[Family, Callable[[str, str], Finding]] = {
    "arithmetic": _whole_number,
    "brackets": _brackets,
    "ordering": _order_option,
    "school": _school,
    "sorting": _sorted,
    "swaps": _swap_option,
}
