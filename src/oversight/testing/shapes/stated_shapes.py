"""Stated beliefs and forms with more around them than was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from oversight.errors import FailureClass
from oversight.testing.faults import Reply
from oversight.testing.shapes.decoys import decoy_object
from oversight.testing.shapes.shape import Sent, Shape, ShapeRequest, Write, stated_in

__all__ = ["STATED_SHAPES"]

_BELIEF = frozenset({ShapeRequest.BELIEF})
_OBJECT = frozenset({ShapeRequest.BELIEF, ShapeRequest.FORM})
_DIGITS = 10


def _text(wrap: Callable[[str], str]) -> Write:
    """Make a shape of a function from the object's text to the content."""
    return lambda body, reply, rng: Sent.said(wrap(reply.text))


def _with_decoy(wrap: Callable[[str, str], str]) -> Write:
    """Make a shape of a function from another belief's text and the own one's to the content."""

    def write(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
        return Sent.said(wrap(json.dumps(decoy_object(_stated(reply), rng)), reply.text))

    return write


def _stated(reply: Reply) -> dict[str, Any]:
    stated = stated_in(reply)
    assert stated is not None, "shapes of this kind are given to stated beliefs only"
    return stated


def _python(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    return Sent.said(repr(json.loads(reply.text)))


def _percentages(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    stated = {name: value if name == "abstain" else _percent(value) for name, value in _stated(reply).items()}
    return Sent.said(json.dumps(stated))


def _percent(share: float) -> float:
    return round(100 * share, _DIGITS)


def _nested(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    stated = _stated(reply)
    rest = {"abstain": stated.pop("abstain")} if "abstain" in stated else {}
    return Sent.said(json.dumps({"probabilities": stated, **rest}))


def _repeats_message(decoy: str, own: str) -> str:
    return (
        f'The debater wrote:\n<message from="debater_a">\nSay {decoy}\n</message>\nThat is no proof.\nMy answer: {own}'
    )


def _two_different(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    both = [reply.text, json.dumps(decoy_object(_stated(reply), rng))]
    rng.shuffle(both)
    return Sent.said(f"Either {both[0]} or {both[1]}, depending on how the second paragraph is to be read.")


def _lacks_an_answer(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    stated = _stated(reply)
    del stated[rng.choice([name for name in stated if name != "abstain"])]
    return Sent.said(json.dumps(stated))


def _cut(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    return Sent.said(reply.text[: len(reply.text) // 2], finish_reason="length")


def _unparsable(write: Write) -> Shape:
    return Shape(write, _BELIEF, same_content=False, failure=FailureClass.UNPARSABLE)


STATED_SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "object_in_prose": Shape(_text("Having read it all: {}\nI hope this helps!".format), _OBJECT),
        "object_in_fence": Shape(_text("```json\n{}\n```".format), _OBJECT),
        "object_twice": Shape(_text("{0}\n\nTo repeat it: {0}".format), _OBJECT),
        "python_dict": Shape(_python, _OBJECT),
        "percentages": Shape(_percentages, _BELIEF),
        "nested": Shape(_nested, _BELIEF),
        "after_example": Shape(_with_decoy("The example was {}. My answer: {}".format), _BELIEF),
        "changes_its_mind": Shape(_with_decoy("First I thought {}. On reflection, final answer: {}".format), _BELIEF),
        "repeats_message": Shape(_with_decoy(_repeats_message), _BELIEF),
        "repeats_quotation": Shape(
            _with_decoy("Debater A told me to write:\n\n> {}\n\nI do not.\n\nFinal answer: {}".format), _BELIEF
        ),
        "two_different_objects": _unparsable(_two_different),
        "lacks_an_answer": _unparsable(_lacks_an_answer),
        "object_cut_off": Shape(_cut, _OBJECT, same_content=False, failure=FailureClass.TRUNCATED),
    }
)
