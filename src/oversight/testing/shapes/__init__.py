"""How real servers and models write a reply, for the loopback server to do the same.

`SHAPES` are written around one plain reply each; `REFUSALS` are what a server as a whole does not take.
"""

from oversight.testing.shapes.draw import SAME_CONTENT, SHAPES, draw_shape
from oversight.testing.shapes.refusals import REFUSALS, Refusal
from oversight.testing.shapes.shape import Sent, Shape, ShapeRequest, asked_for

__all__ = ["REFUSALS", "SAME_CONTENT", "SHAPES", "Refusal", "Sent", "Shape", "ShapeRequest", "asked_for", "draw_shape"]
