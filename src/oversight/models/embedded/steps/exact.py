"""Exact arithmetic on short expressions from untrusted text: bounded, without recursion, never raising."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

__all__ = ["Rpn", "Token", "compile_rpn", "evaluate", "shown", "tokens_of"]

# Bounds: what a person writes in one step, with much room, and nothing that could fill memory.
_MOST_DIGITS = 60
_MOST_TOKENS = 2_000
_MOST_BITS = 4_096

Kind = Literal["number", "name", "op", "open", "close", "equals", "word", "break"]


class Token(NamedTuple):
    """One piece of a text, signs normalised to ``*``, ``-`` and ``^``; ``value`` for a number of bearable length."""

    kind: Kind
    text: str
    value: Fraction | None = None
    digits: int = 0
    """How many digits stand after the decimal point."""


# In reverse Polish order, so that redundant parentheses vanish and equal structure is equal lists.
Rpn = tuple[Fraction | str, ...]

_PIECE = re.compile(
    r"(?P<clock>\d{1,2}:\d\d(?!\d))|(?P<number>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
    r"|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)"  # noqa: RUF001
    r"|(?P<op>\*\*|[-+*/^×·÷⋅∙−–])"  # noqa: RUF001
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<equals>=+)|(?P<percent>%)|(?P<skip>[\s$€£_\\])|(?P<other>.)",
    re.DOTALL,
)
_SAME = {"×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "−": "-", "–": "-", "**": "^"}  # noqa: RUF001


def tokens_of(text: str) -> list[Token]:
    """Split a text into numbers, single letters as names, operators, brackets, ``=``, words and breaks.

    Currency signs are left out, a percent sign divides by 100, and a time of day is a word.
    """
    found: list[Token] = []
    for match in _PIECE.finditer(text):
        kind, piece = match.lastgroup, match.group()
        if kind == "skip":
            continue
        if kind == "number":
            found.append(_number(piece))
        elif kind == "percent":
            last = found[-1] if found else None
            if last is not None and last.kind == "number" and last.value is not None:
                found[-1] = last._replace(text=f"{last.text}%", value=last.value / 100, digits=last.digits + 2)
        elif kind == "word":
            # "a" is an article; any other single letter may be an unknown.
            single = len(piece) == 1 and piece.isascii() and piece != "a"
            found.append(Token("name" if single else "word", piece))
        elif kind == "op":
            found.append(Token("op", _SAME.get(piece, piece)))
        elif kind == "open":
            found.append(Token("open", "("))
        elif kind == "close":
            found.append(Token("close", ")"))
        elif kind == "equals":
            found.append(Token("equals", "="))
        else:
            found.append(Token("word" if kind == "clock" else "break", piece))
        if len(found) >= _MOST_TOKENS:
            break
    return _with_times(found)


def _number(piece: str) -> Token:
    bare = piece.replace(",", "")
    if len(bare) > _MOST_DIGITS or not bare.isascii():
        return Token("number", piece)
    return Token("number", bare, Fraction(bare), len(bare.partition(".")[2]))


def _with_times(tokens: list[Token]) -> list[Token]:
    """Read an x between two numbers or brackets as times."""
    for at in range(1, len(tokens) - 1):
        around = tokens[at - 1].kind in ("number", "close", "word", "name") and tokens[at + 1].kind in (
            "number",
            "open",
        )
        if around and tokens[at].text in ("x", "X"):
            tokens[at] = Token("op", "*")
    return tokens


_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "^": 4}


def compile_rpn(tokens: Sequence[Token]) -> Rpn | None:
    """Order an expression's tokens for evaluation; None if they are not one well-formed expression.

    Multiplication binds before addition, operators of one rank from the left, powers from the right; a minus
    before an operand is part of it, and two operands side by side multiply only at a bracket, as in 2(3+4).
    """
    out: list[Fraction | str] = []
    waiting: list[str] = []
    operand_next = True
    for token in tokens:
        if token.kind == "open" and not operand_next:
            _push(out, waiting, "*")
            operand_next = True
        took = _operand(token, out, waiting) if operand_next else _operator(token, out, waiting)
        if took is None:
            return None
        operand_next = took
    if operand_next or "(" in waiting:
        return None
    while waiting:
        _emit(out, waiting.pop())
    return tuple(out)


def _operand(token: Token, out: list[Fraction | str], waiting: list[str]) -> bool | None:
    """Take a token where an operand is due; whether one is still due after it, None if it cannot stand there."""
    if token.kind == "name" or (token.kind == "number" and token.value is not None):
        out.append(token.text if token.value is None else token.value)
        return False
    if token.kind == "open":
        waiting.append("(")
        return True
    if token.kind == "op" and token.text in "+-":
        if token.text == "-":
            waiting.append("neg")
        return True
    return None


def _operator(token: Token, out: list[Fraction | str], waiting: list[str]) -> bool | None:
    """Take a token behind an operand; whether an operand is due after it, None if it cannot stand there."""
    if token.kind == "close":
        return False if _close(out, waiting) else None
    if token.kind != "op":
        return None
    _push(out, waiting, token.text)
    return True


def _push(out: list[Fraction | str], waiting: list[str], operator: str) -> None:
    rank = _BINDS[operator]
    while waiting and waiting[-1] != "(" and (_BINDS[waiting[-1]] > rank or (_BINDS[waiting[-1]] == rank != 4)):  # noqa: PLR2004
        _emit(out, waiting.pop())
    waiting.append(operator)


def _close(out: list[Fraction | str], waiting: list[str]) -> bool:
    while waiting and waiting[-1] != "(":
        _emit(out, waiting.pop())
    if not waiting:
        return False
    waiting.pop()
    return True


def _emit(out: list[Fraction | str], operator: str) -> None:
    """Append an operator; minus a plain number is a negative number, so that -(3) and -3 are the same."""
    if operator == "neg" and isinstance(out[-1], Fraction):
        out[-1] = -out[-1]
    else:
        out.append(operator)


def evaluate(rpn: Rpn, names: Mapping[str, Fraction]) -> Fraction | None:
    """The exact value; None if a name has none, a divisor is zero or a number outgrows the bounds."""
    stack: list[Fraction] = []
    for item in rpn:
        if isinstance(item, Fraction):
            stack.append(item)
        elif item == "neg":
            stack.append(-stack.pop())
        elif item in _BINDS:
            right, left = stack.pop(), stack.pop()
            result = _applied(item, left, right)
            if result is None or max(result.numerator.bit_length(), result.denominator.bit_length()) > _MOST_BITS:
                return None
            stack.append(result)
        elif item in names:
            stack.append(names[item])
        else:
            return None
    return stack[0]


def _applied(operator: str, left: Fraction, right: Fraction) -> Fraction | None:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "/":
        return left / right if right else None
    if right.denominator != 1 or (right < 0 and not left):
        return None
    size = max(left.numerator.bit_length(), left.denominator.bit_length())
    return Fraction(left**right.numerator) if size * abs(right.numerator) <= _MOST_BITS else None


def shown(value: Fraction) -> str:
    """A value for a person: whole, or with at most four decimals; very long ones by their length."""
    if value.denominator == 1:
        text = str(value.numerator) if value.numerator.bit_length() < 128 else ""  # noqa: PLR2004
        return text or f"a number of {value.numerator.bit_length()} bits"
    return f"{float(value):.4f}".rstrip("0") if abs(value) < 10**12 else "a long fraction"
