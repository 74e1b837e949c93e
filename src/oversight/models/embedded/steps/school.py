"""School mathematics in prose: do the stated calculations hold, and where do their numbers come from?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

from oversight.models.embedded.steps.equations import Chain, EquationSide, chains_of, value_of
from oversight.models.embedded.steps.exact import shown, tokens_of
from oversight.models.embedded.steps.finding import Finding

__all__ = ["check_school"]

_NOTE = re.compile(r"<<([^<>]{0,400})>>")
_ANSWER = re.compile(r"^\s*(?:A|Answer|The answer is)\s*:?\s*\$?(-?[\d,]{0,60}\.?\d{1,60})\s*$", re.IGNORECASE)

# What floating point loses in the calculator's notes, as in 0.1*3=0.30000000000000004.
_FLOAT = Fraction(1, 10**6)
_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100,
    "thousand": 1000, "once": 1, "twice": 2, "double": 2, "doubled": 2, "couple": 2, "pair": 2, "half": 2, "halves": 2,
    "thrice": 3, "triple": 3, "tripled": 3, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4,
    "quadruple": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10, "dozen": 12, "dozens": 12, "score": 20,
}  # fmt: skip
_UNITS = {
    "week": (7, 52, 4), "weeks": (7, 4, 52), "weekly": (4, 52, 7), "weekend": (2,), "weekdays": (5,),
    "day": (24, 7, 365), "days": (24, 7, 365, 30), "daily": (7, 365, 30), "hour": (60, 24), "hours": (60, 24),
    "minute": (60,), "minutes": (60,), "seconds": (60,), "month": (12, 30, 4), "months": (12, 30, 4), "monthly": (12,),
    "year": (12, 365, 52), "years": (12, 365, 52), "yearly": (12,), "decade": (10,), "century": (100,),
    "foot": (12,), "feet": (12, 3), "inches": (12,), "yard": (3,), "yards": (3,), "meters": (100, 1000),
    "kilometers": (1000,), "pound": (16,), "pounds": (16, 2000), "ounces": (16,), "gallon": (4,), "gallons": (4,),
    "cents": (100,), "quarters": (25,), "dimes": (10,), "nickels": (5,),
}  # fmt: skip
_ALWAYS = frozenset(map(Fraction, (0, 1, 2, 100)))


def check_school(problem: str, before: Sequence[str], step: str) -> Finding:
    """Check each stated calculation, up to the rounding it shows; numbers from nowhere are said, not called wrong."""
    notes = [chain for note in _NOTE.findall(step) for chain in chains_of(note)]
    prose = [chain for chain in chains_of(_NOTE.sub("", step)) if not _defines(chain)]
    checked, rough = 0, ""
    for chain in (*notes, *prose):
        for left, right, value in _links(chain):
            verdict = _close_enough(value, right)
            if verdict == "wrong":
                return Finding("incorrect", "equation", f"{left.text} is {shown(value)}, not {right.text}"[:200])
            checked += 1
            rough = rough or (right.text if verdict == "rounded" else "")
    said = _ANSWER.match(step)
    if said:
        return _final(said.group(1), before)
    if not checked:
        return Finding("neutral", "none", "no calculation to check")
    stray = _stray(problem, before, (*prose, *notes))
    if stray is not None:
        return Finding("correct", "stray", f"its calculations hold ({checked}), but {shown(stray)} comes from nowhere")
    if rough:
        return Finding("correct", "rounded", f"its calculations hold ({checked}), rounded to {rough}"[:200])
    return Finding("correct", "equation", f"its calculations hold ({checked})")


def _defines(chain: Chain) -> bool:
    """Whether an equation turns one unit into another or names an unknown, as in 2 weeks = 14 days."""
    first = chain[0]
    return first.name is not None or (first.number is not None and first.has_unit)


def _links(chain: Chain) -> Iterator[tuple[EquationSide, EquationSide, Fraction]]:
    """The sides that are stated to be equal, with the value of the former."""
    last: tuple[EquationSide, Fraction] | None = None
    for side in chain:
        value = value_of(side, {})
        if value is None:
            last = None
            continue
        if last is not None and (last[0].number is None or side.number is None):
            yield last[0], side, last[1]
        last = side, value


def _close_enough(value: Fraction, side: EquationSide) -> str:
    """Whether a side equals a value: "exact", "rounded" to the digits that it shows, or "wrong"."""
    stated = value_of(side, {})
    if stated is None:
        return "exact"
    # "40/100*20 = 8%" means 8 of a hundred, and "2/8 = 25%" a quarter.
    gap = min(abs(stated - value), abs(stated * 100 - value)) if "%" in side.text else abs(stated - value)
    if gap <= _FLOAT * max(Fraction(1), abs(value)):
        return "exact"
    if side.number is None:
        # Sides that are calculations themselves may build on rounded ones.
        return "rounded" if gap <= abs(value) / 100 else "wrong"
    digits = 10 ** min(side.digits, 12)
    return "rounded" if gap * digits < 1 and (side.digits or value.denominator > 1) else "wrong"


def _final(said: str, before: Sequence[str]) -> Finding:
    """A closing line "A: 18" against the last value that was stated."""
    values = _stated(tuple(before[-50:]))
    number = [token.value for token in tokens_of(said) if token.kind == "number" and token.value is not None]
    if not values or len(number) != 1:
        return Finding("neutral", "none", "no calculation to check")
    final = -number[0] if said.startswith("-") else number[0]
    if final == values[-1]:
        return Finding("correct", "answer", "the answer is the last value")
    if any(abs(final - value) < 1 for value in values):
        return Finding("correct", "answer-other", "the answer is one of the values, or one of them rounded")
    return Finding("neutral", "answer-stray", "the answer was not worked out before")


def _stated(texts: Sequence[str]) -> list[Fraction]:
    """The last values of all calculations in texts."""
    found: list[Fraction] = []
    for text in texts:
        for chain in chains_of(_NOTE.sub("", text)):
            value = value_of(chain[-1], {})
            if value is not None:
                found.append(value)
    return found


def _stray(problem: str, before: Sequence[str], chains: Sequence[Chain]) -> Fraction | None:
    """A number that a calculation starts from although nothing before it states it."""
    known = set(_ALWAYS) | _known_numbers(problem)
    for text in before[-100:]:
        known |= _known_numbers(_NOTE.sub("", text))
    for chain in chains:
        for side in chain[:-1]:
            for item in side.rpn or ():
                if isinstance(item, Fraction) and not _is_known(abs(item), known):
                    return item
        known |= {value for side in chain if (value := value_of(side, {})) is not None}
    return None


def _is_known(number: Fraction, known: set[Fraction]) -> bool:
    """Whether a number was stated, perhaps as a percentage or rounded."""
    if not {number, number * 100, number / 100}.isdisjoint(known):
        return True
    return any(abs(number - other) < Fraction(1, 100) for other in known)


@lru_cache(maxsize=1_024)
def _known_numbers(text: str) -> frozenset[Fraction]:
    """The numbers in a text, in figures or words, with those that its units stand for (a week is 7 days)."""
    found: set[Fraction] = set()
    for token in tokens_of(text[:20_000]):
        word = token.text.lower()
        if token.kind == "number" and token.value is not None:
            # With 25% come 1.25 and 0.75.
            found.update((token.value, 1 + token.value, 1 - token.value) if "%" in token.text else (token.value,))
        elif word in _WORDS:
            found.update((Fraction(_WORDS[word]), Fraction(1, _WORDS[word])))
        found.update(Fraction(number) for number in _UNITS.get(word, ()))
    return frozenset(found)
