"""Letters with words around them, where the reply itself is read and not its token probabilities."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from oversight.errors import FailureClass
from oversight.testing.shapes.decoys import decoy_letter
from oversight.testing.shapes.shape import Sent, Shape, ShapeRequest, label_of

__all__ = ["LETTER_SHAPES"]

_LETTER = frozenset({ShapeRequest.LETTER})

_SAME: Mapping[str, Callable[[str], str]] = {
    "letter_in_sentence": "The final answer is {}.".format,
    "letter_boxed": lambda letter: rf"\boxed{{{letter}}}",
    "letter_in_json": lambda letter: json.dumps({"answer": letter}),
    "letter_bold": "**{}**".format,
    "letter_in_parentheses": "({})".format,
}

_UNPARSABLE: Mapping[str, Callable[[str, str], str]] = {
    "letter_denied": "{1}) is not right; {0}) is".format,
    "letter_undecided": "Answer: {0}) or {1})".format,
}


def _same(wrap: Callable[[str], str]) -> Shape:
    return Shape(lambda body, reply, rng: Sent.said(wrap(label_of(reply))), _LETTER)


def _unparsable(wrap: Callable[[str, str], str]) -> Shape:
    return Shape(
        lambda body, reply, rng: Sent.said(wrap(label_of(reply), decoy_letter(label_of(reply)))),
        _LETTER,
        same_content=False,
        failure=FailureClass.UNPARSABLE,
    )


LETTER_SHAPES: Mapping[str, Shape] = MappingProxyType(
    {name: _same(wrap) for name, wrap in _SAME.items()}
    | {name: _unparsable(wrap) for name, wrap in _UNPARSABLE.items()}
)
