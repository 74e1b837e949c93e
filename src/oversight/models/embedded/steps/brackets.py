"""Closing brackets with a stack: is the next symbol taken, and is the stack the last one with it?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from oversight.models.embedded.steps.finding import Finding

__all__ = ["CLOSER", "check_brackets", "sequence_of"]

CLOSER = {"(": ")", "[": "]", "{": "}", "<": ">"}
_OPENER = {closer: opener for opener, closer in CLOSER.items()}
_SYMBOLS = "()[]{}<>"
_RUN = r"[()\[\]{}<>](?:\s*[()\[\]{}<>])*"

_MOVE = re.compile(rf"^\s*({_RUN})?\s*;\s*stack\s*:\s*({_RUN}|empty)", re.IGNORECASE)
_START = re.compile(r"^\s*stack\s*:\s*empty\b", re.IGNORECASE)
_FINAL = re.compile(rf"final stack is\s*(?:\"\s*({_RUN})\s*\"|({_RUN})|(empty))", re.IGNORECASE)
_POP = re.compile(r"\bpop(?: out)?\b(.*?)(?=one by one|so,? we need|so the answer|$)", re.IGNORECASE | re.DOTALL)
_NEED = re.compile(r"\bwe need\b(.*?)(?=so the answer|$)", re.IGNORECASE | re.DOTALL)
_ANSWER = re.compile(r"\banswer is\b(.*)$", re.IGNORECASE | re.DOTALL)

Stack = tuple[str, ...]


def sequence_of(problem: str) -> Stack | None:
    """The brackets that a problem ends in; None where it does not."""
    found: list[str] = []
    for symbol in reversed(problem):
        if symbol in _SYMBOLS:
            found.append(symbol)
        elif not symbol.isspace():
            break
    return tuple(reversed(found)) if len(found) > 1 else None


def check_brackets(problem: str, before: Sequence[str], step: str) -> Finding:
    """Check one move of the stack, or what the last stack leads to, against the stack that stands before it."""
    whole = sequence_of(problem) or ()
    finding = Finding("neutral", "none", "no stack and no closing brackets to check")
    lines = _lines(before)
    for line in step.splitlines() or [step]:
        found = _check_line(whole, lines, line)
        if found.label == "incorrect":
            return found
        if found.label == "correct":
            finding = found
        lines.append(line)
    return finding


def _lines(before: Sequence[str]) -> list[str]:
    return [line for text in before for line in text.splitlines()]


def _check_line(whole: Stack, lines: Sequence[str], line: str) -> Finding:
    if _START.match(line):
        return Finding("correct", "stack", "nothing is open at the start")
    move = _MOVE.match(line)
    found = _move(whole, lines, move) if move else None
    if found is not None and found.label == "incorrect":
        return found
    for finding in _closing(whole, lines, line):
        if finding.label == "incorrect":
            return finding
        found = finding
    return found or Finding("neutral", "none", "no stack and no closing brackets to check")


def _move(whole: Stack, lines: Sequence[str], move: re.Match[str]) -> Finding:
    """One symbol of the sequence, and the stack after it."""
    taken, after = _symbols(move.group(1) or ""), _symbols(move.group(2))
    done = sum(len(_symbols(found.group(1) or "")) for line in lines if (found := _MOVE.match(line)))
    expected = whole[done : done + len(taken)]
    if not taken:
        return Finding("incorrect", "move", "it takes no symbol")
    if taken != expected:
        return Finding("incorrect", "move", f"the next symbol is {' '.join(expected) or 'none, all are taken'}")
    stack = list(_last_stack(lines))
    for symbol in taken:
        if symbol in CLOSER:
            stack.append(symbol)
        elif stack and stack[-1] == _OPENER[symbol]:
            stack.pop()
        else:
            return Finding("incorrect", "move", f"{symbol} does not close {stack[-1] if stack else 'anything'}")
    if tuple(stack) != after:
        return Finding("incorrect", "stack", f"the stack is {_shown(stack)} after {' '.join(taken)}")
    return Finding("correct", "stack", f"the stack after {' '.join(taken)} is right")


def _closing(whole: Stack, lines: Sequence[str], line: str) -> list[Finding]:
    """What a line says of the last stack: the stack itself, the order of closing it, the brackets that close it."""
    stack = _last_stack((*lines, line)) if _MOVE.match(line) else _last_stack(lines)
    found: list[Finding] = []
    final = _FINAL.search(line)
    if final:
        done = sum(len(_symbols(move.group(1) or "")) for text in lines if (move := _MOVE.match(text)))
        said = _symbols(final.group(1) or final.group(2) or "")
        if done < len(whole):
            found.append(Finding("incorrect", "end", f"{len(whole) - done} symbols are left"))
        found.append(_compared("final stack", stack, said))
    pop, need, answer = _POP.search(line), _NEED.search(line), _ANSWER.search(line)
    if pop:
        said = _symbols(pop.group(1))
        if said or "nothing" in pop.group(1):
            found.append(_compared("order of closing", stack[::-1], said))
    closing = tuple(CLOSER[symbol] for symbol in reversed(stack) if symbol in CLOSER)
    for text, what in ((need, "needed brackets"), (answer, "answer")):
        if text:
            found.append(_compared(what, closing, _symbols(text.group(1))))
    return found


def _compared(what: str, expected: Sequence[str], said: Sequence[str]) -> Finding:
    if tuple(expected) == tuple(said):
        return Finding("correct", "close", f"the {what} follows from the last stack")
    return Finding("incorrect", "close", f"the {what} should be {_shown(expected)}")


def _last_stack(lines: Sequence[str]) -> Stack:
    """The last stack that was stated; an empty one if none was."""
    for line in reversed(lines):
        move = _MOVE.match(line)
        if move:
            return _symbols(move.group(2))
        if _START.match(line):
            return ()
    return ()


def _symbols(text: str) -> Stack:
    return tuple(symbol for symbol in text if symbol in _SYMBOLS)


def _shown(stack: Sequence[str]) -> str:
    return " ".join(stack[-40:]) or "empty"
