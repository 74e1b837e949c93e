"""Sorting words letter by letter: are the letters right, and does each order follow from what was said?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from oversight.models.embedded.steps.finding import Finding
from oversight.models.embedded.steps.wordlists import (
    Group,
    Order,
    StepStatements,
    flat,
    letter_number,
    letters_at,
    read_step,
    same_words,
    words_of,
)

__all__ = ["check_sorting", "words_to_sort"]


@dataclass
class _State:
    """What the steps so far stated."""

    whole: Order | None = None
    part: Group = ()
    place: int | None = None
    letters: dict[str, int] = field(default_factory=dict)

    def hear(self, said: StepStatements) -> None:
        """Take in a step as it stands."""
        if said.claims:
            self.letters = {word: number for word, _, number in said.claims}
            self.part = said.part if said.part is not None else tuple(self.letters)
            self.place = said.place
        if said.whole is not None:
            self.whole = said.whole
        elif said.ordered is not None and self.whole is not None:
            self.whole = _replaced(self.whole, self.part, said.ordered)


def words_to_sort(problem: str) -> Group | None:
    """The words that a problem asks to sort: "Sort these words alphabetically: …", or nothing but words."""
    asked = re.search(r"\bsort\b[^:]{0,200}:\s*(?:list:)?(.*)$", problem, re.IGNORECASE | re.DOTALL)
    words = words_of(asked.group(1) if asked else problem)
    plain = all(re.fullmatch(r"[^\W\d_][\w'’&.\-/]*", word) for word in words)  # noqa: RUF001
    return words if len(words) > 1 and plain and (asked or problem == problem.lower()) else None


def check_sorting(problem: str, before: Sequence[str], step: str) -> Finding:
    """Check a step's letters, and its orders against the letters and the order that earlier steps stated."""
    words = words_to_sort(problem) or ()
    state = _State()
    for text in before:
        state.hear(read_step(text))
    said = read_step(step)
    if said.claims:
        finding = _letters(words, state, said)
        if finding.label == "incorrect":
            return finding
        state.hear(said._replace(whole=None, ordered=None))
    else:
        finding = Finding("neutral", "none", "no letters and no order to check")
    for check in (_part_order, _whole_order, _answer):
        found = check(words, state, said)
        if found is not None and found.label == "incorrect":
            return found
        finding = found or finding
    return finding


def _letters(words: Group, state: _State, said: StepStatements) -> Finding:
    """The letters that a step reads off the words."""
    place = said.place or 1
    listed = tuple(word for word, _, _ in said.claims)
    for word, letter, number in said.claims:
        if letter.lower() not in letters_at(word, place):
            return Finding("incorrect", "letter", f'letter {place} of "{word}" is not "{letter}"')
        if letter_number(letter.lower()) != number:
            return Finding("incorrect", "letter", f'"{letter}" is not letter {number} of the alphabet')
    if said.part is not None:
        return _choice(state, said.part, listed, place)
    if state.whole is None and not same_words(listed, words):
        # Of the published labels, none counts this as a mistake, so it is said and not called one.
        return Finding("neutral", "listed", "the words are not quite those of the problem")
    return Finding("correct", "letter", "the letters are right")


def _choice(state: _State, part: Group, listed: Group, place: int) -> Finding:
    """Which part is sorted next: the first that is not settled, by the first letter in which its words may differ."""
    if not same_words(listed, part):
        return Finding("incorrect", "listed", "the words are not those of the part")
    open_parts = [group for group in state.whole or () if len(group) > 1]
    if state.whole is not None and not any(same_words(part, group) for group in open_parts):
        return Finding("incorrect", "part", "no part of the last order has these words")
    if open_parts and not same_words(part, open_parts[0]):
        return Finding("incorrect", "turn", "a part before it is not sorted yet")
    if len({word[: place - 1] for word in part}) > 1:
        return Finding("incorrect", "place", f"the words differ before letter {place}")
    return Finding("correct", "letter", "the letters are right")


def _part_order(words: Group, state: _State, said: StepStatements) -> Finding | None:
    """The order of a part, by the numbers read before."""
    if said.ordered is None:
        return None
    return _by_numbers(said.ordered, said.numbers, state.part, state.letters)


def _whole_order(words: Group, state: _State, said: StepStatements) -> Finding | None:
    """The order of all words: by the first letters, or the last order with the part put in."""
    if said.whole is None:
        return None
    if said.ordered is None:
        if state.whole is not None or not state.letters:
            return Finding("neutral", "none", "an order with nothing to compare it to")
        return _by_numbers(said.whole, said.numbers, tuple(state.letters), state.letters)
    if state.whole is None:
        return None
    expected = _replaced(state.whole, state.part, said.ordered)
    if _as_sets(expected) != _as_sets(said.whole):
        return Finding("incorrect", "whole", "the rest of the order is not what it was")
    return Finding("correct", "order", "the order follows from the letters")


def _by_numbers(order: Order, numbers: Sequence[int | None], part: Group, letters: dict[str, int]) -> Finding:
    if not same_words(flat(order), part):
        return Finding("incorrect", "lost", "words were lost or came from nowhere")
    for group, number in zip(order, numbers, strict=True):
        values = {letters[word] for word in group}
        if len(values) > 1:
            return Finding("incorrect", "order", f"{' and '.join(group[:4])} have different letters")
        if number is not None and values != {number}:
            return Finding("incorrect", "number", f"{group[0]} has {values.pop()}, not {number}")
    values_in_order = [letters[group[0]] for group in order]
    if any(left >= right for left, right in pairwise(values_in_order)):
        return Finding("incorrect", "order", "the letters' numbers do not rise")
    return Finding("correct", "order", "the order follows from the letters")


def _answer(words: Group, state: _State, said: StepStatements) -> Finding | None:
    """The answer: the last order, with nothing left to sort."""
    if said.answer is None:
        return None
    if state.whole is None:
        return Finding("neutral", "none", "no order to compare the answer to")
    if any(len(group) > 1 for group in state.whole):
        return Finding("incorrect", "answer", "a part is not sorted yet")
    last = flat(state.whole)
    respelled = len(said.answer) == len(last) and all(
        given == known or (known not in words and given in words)
        for given, known in zip(said.answer, last, strict=True)
    )
    if not respelled:
        return Finding("incorrect", "answer", "the answer is not the last order")
    return Finding("correct", "answer", "the answer is the last order")


def _replaced(whole: Order, part: Group, ordered: Order) -> Order:
    """An order with one of its groups sorted further."""
    out: list[Group] = []
    for group in whole:
        out.extend(ordered if same_words(group, part) else (group,))
    return tuple(out)


def _as_sets(order: Order) -> list[list[str]]:
    return [sorted(group) for group in order]
