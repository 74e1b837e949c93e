"""Token counts that are missing or cannot be true; what was said is said all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from oversight.testing.shapes.shape import Sent, Shape

__all__ = ["USAGE_SHAPES"]


def _counts(prompt: Any, completion: Any, **more: Any) -> Sent:
    total = prompt + completion
    return Sent(usage={"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **more})


_WRONG: Mapping[str, Callable[[Random], Sent]] = {
    "usage_missing": lambda rng: Sent(usage=None),
    "usage_null": lambda rng: Sent(usage=dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"))),
    "usage_negative": lambda rng: _counts(-rng.randint(1, 99), -1),
    "usage_fractional": lambda rng: _counts(rng.randint(1, 99) + 0.5, 3.25),
    "usage_beyond_2_53": lambda rng: _counts(2**53 + rng.randint(1, 99), 3),
    "usage_beyond_2_63": lambda rng: _counts(2**63 + rng.randint(0, 99), 3),
    "usage_cached_above_prompt": lambda rng: _counts(
        9, 3, prompt_tokens_details={"cached_tokens": rng.randint(10, 99)}
    ),
    "usage_in_words": lambda rng: _counts("unknown", "unknown"),
}


def _shape(send: Callable[[Random], Sent]) -> Shape:
    return Shape(lambda body, reply, rng: send(rng), usage_unknown=True)


USAGE_SHAPES: Mapping[str, Shape] = MappingProxyType(
    {name: _shape(send) for name, send in _WRONG.items()}
    # Digits in quotes say how many they are: a reader may take them or not.
    | {"usage_of_strings": Shape(lambda body, reply, rng: _counts("9", "3"))}
)
