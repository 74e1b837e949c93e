"""Reading JSON where what others accept in silence would be a wrong number later."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["parsed"]

_DEEPEST = 64
"""Levels of lists and objects in a row; what reads them has no bound of its own."""
_TOO_DEEP = f"not valid JSON: nested more than {_DEEPEST} deep"


def parsed(text: str) -> Any:
    """Read a JSON text in which every key stands once and every number is one.

    Raises:
        ValueError: it is none, is nested too deep, or holds half of a character; `json.JSONDecodeError` says where.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if text.count("[") + text.count("{") > _DEEPEST and not _within(value, _DEEPEST):
        raise ValueError(_TOO_DEEP)
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("holds half of a character (an escape like \\ud800 without its other half)") from None
    return value


def _within(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested at most so many levels deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is None or (levels > 0 and all(_within(part, levels - 1) for part in inner))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object in which no key stands twice: which of the two counts would be up to the reader."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"not valid JSON: the key '{twice}' is given twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"not valid JSON: {name} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_number(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
