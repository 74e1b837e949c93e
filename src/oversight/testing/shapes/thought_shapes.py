"""Replies with a chain of thought, in the spellings of reasoning models and of the servers that run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from oversight.errors import FailureClass
from oversight.testing.faults import Reply
from oversight.testing.shapes.decoys import decoy_for
from oversight.testing.shapes.shape import EVERY, Sent, Shape, ShapeRequest, Write, number_canary

__all__ = ["THOUGHT_SHAPES"]

_READ = EVERY - {ShapeRequest.PROBABILITIES}
"""A first token that opens a thought says nothing about the letters, so those requests have shapes of their own."""


def thought(reply: Reply, rng: Random) -> str:
    """Return a private thought: its canary, a plan, and an answer that is not given."""
    canary = number_canary(rng)
    return (
        f"{canary}: my side may be false, so line {rng.randrange(90)} must not come up.\n"
        f"Perhaps {decoy_for(reply, rng)}? No, the log says otherwise.\n\nSo {canary} is settled."
    )


def _in_field(name: str) -> Write:
    return lambda body, reply, rng: Sent({name: thought(reply, rng)})


def _around(wrap: Callable[[str, str], str]) -> Write:
    """Make a shape of a function from thought and speech to the content."""
    return lambda body, reply, rng: Sent.said(wrap(thought(reply, rng), reply.text))


def _tagged(opening: str, closing: str) -> Write:
    return _around(lambda thought, text: f"{opening}\n{thought}\n{closing}\n\n{text}")


def _twice(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    first, second = thought(reply, rng), thought(reply, rng)
    return Sent.said(f"<think>{first}</think>\n\n<think>{second}</think>\n\n{reply.text}")


def _parts(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    """Write the content as a list of parts, in the way of Mistral, of Anthropic or of OpenAI's newer interface."""
    private = thought(reply, rng)
    part = rng.choice(
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": private}]},
            {"type": "thinking", "thinking": private},
            {"type": "reasoning", "text": private},
        ]
    )
    return Sent.said([part, {"type": "text", "text": reply.text}])


def _never_closed(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    """Break off inside the thought, said or not by the finish reason."""
    return Sent.said(f"<think>\n{thought(reply, rng)}", finish_reason=rng.choice(["stop", "length"]))


def _never_final(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    content = f"<|channel|>analysis<|message|>{thought(reply, rng)}"
    return Sent.said(content, finish_reason=rng.choice(["stop", "length"]))


def _field_only(body: Mapping[str, Any], reply: Reply, rng: Random) -> Sent:
    """Think until the token limit and say nothing."""
    return Sent({"content": None, "reasoning_content": thought(reply, rng)}, {"finish_reason": "length"})


_HARMONY = "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}"

_SAME: Mapping[str, Write] = {
    "reasoning_content": _in_field("reasoning_content"),
    "reasoning": _in_field("reasoning"),
    "think": _tagged("<think>", "</think>"),
    "thinking": _tagged("<thinking>", "</thinking>"),
    "reasoning_tag": _tagged("<reasoning>", "</reasoning>"),
    "seed_think": _tagged("<seed:think>", "</seed:think>"),
    "upper_case_think": _tagged("<THINK>", "</THINK>"),
    "square_think": _tagged("[THINK]", "[/THINK]"),
    "triangle_think": _tagged("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    "harmony": _around(_HARMONY.format),
    "harmony_returned": _around(lambda thought, text: _HARMONY.format(thought, text) + "<|return|>"),
    "think_closed_only": _around(lambda thought, text: f"{thought}\n</think>\n\n{text}"),
    "think_empty": lambda body, reply, rng: Sent.said(f"<think>\n\n</think>\n\n{reply.text}"),
    "think_twice": _twice,
    "content_parts": _parts,
}

_CUT: Mapping[str, Write] = {
    "think_never_closed": _never_closed,
    "harmony_never_final": _never_final,
    "reasoning_content_only": _field_only,
}

THOUGHT_SHAPES: Mapping[str, Shape] = MappingProxyType(
    {name: Shape(write, _READ) for name, write in _SAME.items()}
    | {name: Shape(write, _READ, same_content=False, failure=FailureClass.TRUNCATED) for name, write in _CUT.items()}
)
