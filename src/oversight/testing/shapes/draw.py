"""Which shape a reply gets."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from oversight.testing.faults import Chaos, Reply
from oversight.testing.shapes.finish_shapes import FINISH_SHAPES
from oversight.testing.shapes.letter_shapes import LETTER_SHAPES
from oversight.testing.shapes.shape import Sent, Shape, asked_for
from oversight.testing.shapes.stated_shapes import STATED_SHAPES
from oversight.testing.shapes.thought_shapes import THOUGHT_SHAPES
from oversight.testing.shapes.token_shapes import TOKEN_SHAPES
from oversight.testing.shapes.usage_shapes import USAGE_SHAPES

__all__ = ["SAME_CONTENT", "SHAPES", "draw_shape"]

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {**THOUGHT_SHAPES, **STATED_SHAPES, **LETTER_SHAPES, **TOKEN_SHAPES, **USAGE_SHAPES, **FINISH_SHAPES}
)
"""The shapes that replies are drawn from, by name."""

SAME_CONTENT = tuple(name for name, shape in SHAPES.items() if shape.same_content)
"""Names of the shapes whose reader gets exactly what the plain reply says."""


def draw_shape(
    chaos: Chaos, digest: str, before: int, body: Mapping[str, Any], reply: Reply
) -> tuple[str | None, Sent]:
    """Draw a shape for a reply and write the reply in it.

    Like a draw of faults, it depends on the seed, the request and how often that request came before.

    Args:
        chaos: the share of replies with a shape, and the names to draw from.
        digest: of the request's body.
        before: how often that body came before.
        body: the request's body.
        reply: the plain reply to it.

    Returns:
        The shape's name and what it changes; None and no change where the reply is sent as it is.
    """
    rng = Random(f"shape {chaos.seed} {digest} {before}")
    asked = asked_for(body, reply)
    names = [name for name in chaos.shape_names or SHAPES if asked in SHAPES[name].asked]
    if rng.random() >= chaos.shapes or not names:
        return None, Sent()
    name = rng.choice(names)
    return name, SHAPES[name].write(body, reply, rng)
