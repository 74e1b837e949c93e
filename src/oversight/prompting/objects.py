"""The JSON objects of a reply, and which of them is its final word.

A reply may repeat the form it was asked for, an earlier thought, or what another wrote, before or after what it
says itself. Its first object is therefore not its answer, and neither is its last: one that is the model's own and the
only one, or marked as final, is. Everything else is a reply that cannot be read.
"""

from __future__ import annotations

import ast
import json
import operator
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from oversight.errors import CallFailed, FailureClass
from oversight.prompting.surroundings import Passage, Surroundings, is_reported

__all__ = ["final_object", "outside_objects"]

T = TypeVar("T")

_MOST = 500
"""A reply with more objects of the form than this has no final word that could be found."""

_LONGEST_LITERAL = 20_000
"""Longer ones are not read as Python, whose parser takes far more memory than the text."""

# A string may hold braces. One in single quotes opens only where a Python literal may begin, because of apostrophes.
_PART = re.compile(r"""\"(?:[^"\\]|\\.)*+"?|(?<=[\s{\[(,:])'(?:[^'\\\n]|\\.)*+'|\{+|\}+""", re.DOTALL)
_DOUBLED = re.compile(r"\{\s*(\{.*\})\s*\}", re.DOTALL)


class _Candidate(NamedTuple, Generic[T]):
    """An object of the form: where it stands, and what was read from it, or why it could not be."""

    start: int
    end: int
    said: T | None
    problem: str


def final_object(
    text: str,
    read: Callable[[dict[str, Any]], T],
    *,
    mentions: Collection[str],
    heard: Sequence[str] = (),
    same: Callable[[T, T], bool] = operator.eq,
) -> T:
    """Read the object that a reply ends up saying.

    What is quoted, reported as another's word, shown as an example or taken back does not count. One object, or
    several that say the same, is used. Of several different ones those are left out that stand in the prompt already;
    of what remains the last is used if it is announced as final or alone makes up the reply's last line.

    Args:
        text: the reply.
        read: reads one object; raises `ValueError` for one that does not fit.
        mentions: the form's keys. What mentions one of them is taken for an attempt at it, even if it does not fit.
        heard: texts of the prompt, which the reply may repeat.
        same: whether two objects say the same.

    Raises:
        CallFailed: unparsable, because there is no such object, it does not fit, or it is not clear which one counts.
    """
    candidates = list(_candidates(text, read, mentions))
    if not candidates:
        _unparsable("the reply holds no JSON object of this form")
    if len(candidates) > _MOST:
        _unparsable(f"the reply holds more than {_MOST} JSON objects")
    around = Surroundings(text, [Passage(each.start, each.end) for each in candidates])
    numbers = range(len(candidates))
    own = [number for number in numbers if not (around.is_others(number) or around.is_taken_back(number))]
    if not own:
        _unparsable("every JSON object of the reply is quoted, another's word, an example or taken back")
    if _agree([candidates[number] for number in own], same):
        return _said(candidates[own[-1]])
    known = [each for prompt in heard for each in _candidates(prompt, read, mentions)]
    rest = [number for number in own if not _stands_among(candidates[number], known, same)] or own
    last = rest[-1]
    marked = [number for number in own if around.is_marked_final(number)]
    if own[-1] != last and marked[-1:] != [last]:
        _unparsable("an object that stands in the prompt follows the reply's own one")
    final = marked[-1:] == [last] or (not marked and around.stands_last(last))
    if final or _agree([candidates[number] for number in rest], same):
        return _said(candidates[last])
    return _unparsable("the reply holds different JSON objects, and none is marked as final")


def outside_objects(text: str, mentions: Collection[str]) -> str | None:
    """Return a reply without its objects that have one of these keys, readable or not; None if it has none."""
    mention = _mention(mentions)
    found = [group for group in _groups(text) if mention.search(text, *group)]
    ends = [0, *(end for _, end in found)]
    starts = [*(start for start, _ in found), len(text)]
    return " ".join(text[end:start] for end, start in zip(ends, starts, strict=True)) if found else None


def _stands_among(candidate: _Candidate[T], known: Sequence[_Candidate[T]], same: Callable[[T, T], bool]) -> bool:
    """Return whether an object says what one of the known ones says."""
    said = candidate.said
    return said is not None and any(each.said is not None and same(said, each.said) for each in known)


def _agree(candidates: Sequence[_Candidate[T]], same: Callable[[T, T], bool]) -> bool:
    """Return whether all say the same; one that cannot be read agrees with no other."""
    if len(candidates) == 1:
        return True
    said = [each.said for each in candidates if each.said is not None]
    return len(said) == len(candidates) and all(same(said[-1], each) for each in said)


def _said(candidate: _Candidate[T]) -> T:
    if candidate.said is None:
        _unparsable(candidate.problem)
    return candidate.said


def _candidates(text: str, read: Callable[[dict[str, Any]], T], mentions: Collection[str]) -> Iterator[_Candidate[T]]:
    """Every object of a text that fits, or mentions a key of the form."""
    mention = _mention(mentions)
    for number, (start, end) in enumerate(_groups(text)):
        mentioned = mention.search(text, start, end) is not None
        if number > _MOST and not mentioned:
            continue
        try:
            said, problem = _read_nested(_parsed(text[start:end]), read, mention), ""
        except _TROUBLE as error:
            said, problem = None, str(error) or type(error).__name__
        if mentioned or said is not None:
            yield _Candidate(start, end, said, problem)


# Whatever a text can make a parser raise: a number too long for an integer, nesting too deep, memory.
_TROUBLE = (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError, CallFailed)


def _mention(names: Collection[str]) -> re.Pattern[str]:
    """A pattern for one of the names as a key, quoted or not."""
    return re.compile(rf"[{{,\s]\\?[\"']?(?:{'|'.join(map(re.escape, names)) or '(?!)'})\\?[\"']?\s*:", re.IGNORECASE)


def _groups(text: str) -> Iterator[tuple[int, int]]:
    """Where the outermost pairs of braces begin and end, in order; one that is not closed reaches to the end."""
    end = 0
    while (start := text.find("{", end)) >= 0:
        end = _closing(text, start)
        yield start, end


def _closing(text: str, start: int) -> int:
    depth = 0
    for match in _PART.finditer(text, start):
        count = match.end() - match.start()
        if match[0][0] == "{":
            depth += count
        elif match[0][0] == "}":
            if count >= depth:
                return match.start() + depth
            depth -= count
    return len(text)


def _parsed(text: str) -> dict[str, Any]:
    """Read one object, written in JSON or as a Python literal; doubled braces are taken for single ones.

    Raises:
        ValueError: it cannot be read, holds a number that is none, or a key twice with different values.
        SyntaxError, TypeError, RecursionError, MemoryError: the same, found by a parser.
    """
    doubled = _DOUBLED.fullmatch(text)
    text = doubled[1] if doubled else text
    try:
        value = json.loads(text, object_pairs_hook=_without_contradiction, parse_constant=_no_number)
    except json.JSONDecodeError:
        if len(text) > _LONGEST_LITERAL:
            raise
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes that Python does not know
            value = _literal(ast.parse(text, mode="eval").body)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _literal(node: ast.expr) -> Any:
    """Evaluate a literal as `ast.literal_eval` does, but let no key stand twice with different values."""
    if isinstance(node, ast.Dict):
        keys = [ast.literal_eval(key) for key in node.keys if key is not None]
        if len(keys) < len(node.values):
            raise ValueError("not a literal")
        return _without_contradiction(list(zip(keys, map(_literal, node.values), strict=True)))
    return ast.literal_eval(node)


def _without_contradiction(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, each in pairs:
        if key in value and (value[key] != each or type(value[key]) is not type(each)):
            raise ValueError(f"'{key}' stands twice, with different values")
        value[key] = each
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _read_nested(value: dict[str, Any], read: Callable[[dict[str, Any]], T], mention: re.Pattern[str]) -> T:
    """Read an object, or the only one inside it that is of the form, as in ``{"probabilities": {…}}``.

    Raises:
        ValueError: neither fits.
    """
    try:
        return read(value)
    except (ValueError, CallFailed):
        inner = [key for key, each in value.items() if isinstance(each, dict) and mention.search(json.dumps(each))]
        if len(inner) != 1 or is_reported(inner[0].replace("_", " ")):
            raise
        (key,) = inner
        beside = {name: each for name, each in value.items() if name != key and mention.search(f'{{"{name}":')}
        if any(value[key].get(name, each) != each for name, each in beside.items()):
            raise
        read(value[key])
        return read(value[key] | beside)


def _unparsable(message: str) -> NoReturn:
    raise CallFailed(FailureClass.UNPARSABLE, message) from None
