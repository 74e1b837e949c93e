"""The equations that a text states: chains a = b = c, and which side does not equal the one before it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from oversight.models.embedded.steps.exact import Rpn, Token, compile_rpn, evaluate, shown, tokens_of

__all__ = ["Chain", "EquationSide", "broken_link", "chains_of", "value_of"]

# Most words of a unit, as in "3 hours of work * $12".
_UNIT_WORDS = 4
# Words that end what stands before them: "for 3 countries is -48 + 21" is not 3 - 48 + 21.
_NO_UNITS = re.compile(
    r"is|are|was|were|be|equals|and|or|so|to|then|has|have|had|makes|gets?|gives|leaves|for|in|at|on|than|if|when|by|with"
    r"|from|will|would|costs?|pays|earns|needs|because|since|that|which|means",
    re.IGNORECASE,
)
_TORN = [Token("op", "+"), Token("op", "*")]
"""An expression that cannot be read."""


class EquationSide(NamedTuple):
    """One side of an equation: its expression (None if it is not well-formed) and how it is written."""

    rpn: Rpn | None
    text: str
    digits: int
    """Digits after the point where the side is one plain number, else 0."""
    has_unit: bool
    """Whether words stood behind its numbers, as in "3 hours = 180 minutes"."""

    @property
    def number(self) -> Fraction | None:
        """The value of a side that is one plain number."""
        alone = self.rpn is not None and len(self.rpn) == 1
        return self.rpn[0] if alone and self.rpn is not None and isinstance(self.rpn[0], Fraction) else None

    @property
    def name(self) -> str | None:
        """The name, of a side that is one."""
        alone = self.rpn is not None and len(self.rpn) == 1
        return self.rpn[0] if alone and self.rpn is not None and isinstance(self.rpn[0], str) else None


Chain = tuple[EquationSide, ...]


@lru_cache(maxsize=1_024)
def chains_of(text: str) -> tuple[Chain, ...]:
    """The chains of equations in a text, in order; words behind a number are its unit and are left out."""
    found: list[Chain] = []
    chain: list[EquationSide] = []
    joined = False
    for run, has_unit in _runs(tokens_of(text)):
        kind = run[0].kind
        if kind == "equals":
            joined = bool(chain)
            continue
        if not joined or kind in ("word", "break"):
            if len(chain) > 1:
                found.append(tuple(chain))
            chain = []
        if kind not in ("word", "break"):
            chain.append(_side(run, has_unit))
        joined = False
    if len(chain) > 1:
        found.append(tuple(chain))
    return tuple(found)


def _runs(tokens: Sequence[Token]) -> list[tuple[list[Token], bool]]:
    """Cut into expressions, equals signs, and the words and breaks between them."""
    runs: list[tuple[list[Token], bool]] = []
    run: list[Token] = []
    has_unit, torn, at = False, False, 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind in ("number", "name", "op", "open", "close"):
            if not run:
                # "farmer - 18 bales = 12": what stood before the sign was words, so this is half a calculation.
                before = tokens[at - 1] if at else None
                torn = token.kind == "op" and before is not None and _is_thing(before)
            run.append(token)
            at += 1
            continue
        after = _after_unit(tokens, at) if run and run[-1].kind in ("number", "close") else None
        if after is not None:
            at, has_unit = after, True
            continue
        if run:
            runs.append((_TORN if torn else run, has_unit))
            run, has_unit = [], False
        runs.append(([token], False))
        at += 1
    if run:
        runs.append((_TORN if torn else run, has_unit))
    return runs


def _is_thing(token: Token) -> bool:
    return token.kind == "word" and _NO_UNITS.fullmatch(token.text) is None


def _after_unit(tokens: Sequence[Token], at: int) -> int | None:
    """Where an expression goes on behind the words at ``at``; None if the words end it."""
    words = 0
    while at < len(tokens) and words <= _UNIT_WORDS:
        token = tokens[at]
        per = token.text == "/" and at + 1 < len(tokens) and tokens[at + 1].kind in ("word", "name")
        if token.kind == "word" and not _is_thing(token):
            return None
        if token.kind == "word" or per:
            words += 0 if per else 1
            at += 1
        else:
            return at if words and token.kind in ("op", "equals", "close") else None
    return None


def _side(run: list[Token], has_unit: bool) -> EquationSide:
    tokens = _balanced(run)
    rpn = compile_rpn(tokens) if tokens else None
    numbers = [token for token in tokens if token.kind == "number"]
    digits = numbers[0].digits if len(numbers) == 1 and rpn is not None and len(rpn) == 1 else 0
    return EquationSide(rpn, "".join(token.text for token in tokens), digits, has_unit)


def _balanced(run: list[Token]) -> list[Token]:
    """Take off brackets that the prose opened or closed around an expression, as in "(3*2=6)"."""
    start, end = 0, len(run)
    depth = sum(token.kind == "open" for token in run) - sum(token.kind == "close" for token in run)
    while depth > 0 and start < end and run[start].kind == "open":
        start, depth = start + 1, depth - 1
    while depth < 0 and start < end and run[end - 1].kind == "close":
        end, depth = end - 1, depth + 1
    return run[start:end]


def value_of(side: EquationSide, names: Mapping[str, Fraction]) -> Fraction | None:
    """The exact value of a side, if it has one."""
    return evaluate(side.rpn, names) if side.rpn is not None else None


def broken_link(chain: Chain, names: Mapping[str, Fraction]) -> tuple[str, int]:
    """The first side that does not equal the one before it, for a person, and how many equalities were checked."""
    checked = 0
    last: tuple[EquationSide, Fraction] | None = None
    for side in chain:
        value = value_of(side, names)
        if value is None:
            continue
        if last is not None:
            checked += 1
            if value != last[1]:
                return f"{last[0].text} is {shown(last[1])}, not {side.text}"[:200], checked
        last = side, value
    return "", checked
