"""Token probabilities that take some care to read, and such as cannot be true."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any, TypeAlias

from oversight.testing.faults import Reply
from oversight.testing.shapes.shape import Sent, Shape, ShapeRequest
from oversight.testing.shapes.thought_shapes import thought

__all__ = ["TOKEN_SHAPES"]

_PROBABILITIES = frozenset({ShapeRequest.PROBABILITIES})
_SPLIT = 0.7
_ON_LABELS = 0.8
_NEXT_TO_NONE = 0.001
_OPENS = "<think>"

Top: TypeAlias = Sequence[tuple[str, float | None]]
"""Tokens and their log probabilities, the sampled one first."""


def logprobs_of(top: Top) -> dict[str, Any]:
    """Return OpenAI's ``logprobs`` object for one token and its alternatives."""
    tokens = [{"token": token, "logprob": value, "bytes": list(token.encode())} for token, value in top]
    return {"content": [{**tokens[0], "top_logprobs": tokens}]}


def _shares(reply: Reply) -> list[tuple[str, float]]:
    """Return the plain probabilities that are not 0, the greatest first."""
    assert reply.first_token, "shapes of this kind are given to replies with probabilities only"
    return sorted(((token, p) for token, p in reply.first_token.items() if p > 0), key=lambda item: -item[1])


def _in_logs(shares: Sequence[tuple[str, float]]) -> Top:
    return [(token, math.log(p)) for token, p in shares]


def _top(change: Callable[[Sequence[tuple[str, float]], Random], Top]) -> Shape:
    """Make a shape that carries the same belief out of a function from the plain probabilities."""
    return Shape(
        lambda body, reply, rng: Sent(choice={"logprobs": logprobs_of(change(_shares(reply), rng))}), _PROBABILITIES
    )


def _useless(change: Callable[[Sequence[tuple[str, float]], Random], Top]) -> Shape:
    return _top(change)._replace(same_content=False, falls_back=True)


def _missing(write: Callable[[Reply, Random], Sent]) -> Shape:
    return Shape(lambda body, reply, rng: write(reply, rng), _PROBABILITIES, same_content=False, falls_back=True)


def _two_ids(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    """Split the first token's probability over two ids of one text, as newer vLLM lists them."""
    (token, p), *others = shares
    return _in_logs([(token, _SPLIT * p), *others, (token, (1 - _SPLIT) * p)])


def _repeats(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    top = list(_in_logs(shares))
    return [*top, rng.choice(top), top[0]]


def _variants(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    return _in_logs(
        [(form, part * p) for token, p in shares for form, part in ((token, _SPLIT), (f" {token}", 1 - _SPLIT))]
    )


def _among_words(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    """Leave some probability to other words, and none to one: -9999 with OpenAI, -Infinity elsewhere."""
    words = [("The", 0.15), ("I", 0.04)]
    least = ("Neither", rng.choice([-9999.0, -math.inf]))
    return [*_in_logs([*((token, _ON_LABELS * p) for token, p in shares), *words]), least]


def _on_other_words(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    """Answer in words, so that next to none of the probability lies on the letters."""
    return _in_logs([("The", 0.9), *((token, _NEXT_TO_NONE * p) for token, p in shares)])


def _not_a_number(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    return [(token, math.nan) for token, _ in shares]


def _infinite(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    top = list(_in_logs(shares))
    place = rng.randrange(len(top))
    return [*top[:place], (top[place][0], -math.inf), *top[place + 1 :]]


def _positive(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    """Send probabilities where their logarithms belong."""
    return list(shares)


def _null(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    return [(token, None) for token, _ in shares]


def _above_one(shares: Sequence[tuple[str, float]], rng: Random) -> Top:
    """Give every token what only one can have."""
    return [(token, -0.1) for token, _ in [*shares, ("The", 0.0)]]


def _no_alternatives(reply: Reply, rng: Random) -> Sent:
    token, logprob = _in_logs(_shares(reply))[0]
    return Sent(choice={"logprobs": {"content": [{"token": token, "logprob": logprob, "bytes": None}]}})


def _of_a_thought(reply: Reply, rng: Random) -> Sent:
    """Begin with a thought, so that the first token opens it."""
    top = logprobs_of([(_OPENS, math.log(0.998)), *_in_logs([(token, 0.002 * p) for token, p in _shares(reply)])])
    return Sent.said(f"{_OPENS}\n{thought(reply, rng)}\n</think>\n\n{reply.text}", logprobs=top)


def _beside_a_thought(reply: Reply, rng: Random) -> Sent:
    """Put the thought into a field, with the probabilities of what stands in the content."""
    return Sent({"reasoning_content": thought(reply, rng)})


TOKEN_SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "tokens_of_two_ids": _top(_two_ids),
        "tokens_repeated": _top(_repeats),
        "tokens_with_spaces": _top(_variants),
        "tokens_among_words": _top(_among_words),
        "tokens_of_other_words": _useless(_on_other_words),
        "tokens_nan": _useless(_not_a_number),
        "tokens_minus_infinity": _useless(_infinite),
        "tokens_positive": _useless(_positive),
        "tokens_null": _useless(_null),
        "tokens_above_one": _useless(_above_one),
        "tokens_without_alternatives": _missing(_no_alternatives),
        "tokens_missing": _missing(lambda reply, rng: Sent(choice={"logprobs": None})),
        "tokens_of_a_thought": _missing(_of_a_thought),
        "tokens_beside_a_thought": _missing(_beside_a_thought),
    }
)
