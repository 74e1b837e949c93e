"""The images of the embedded experiment: scikit-learn's bundled 8x8 digits, and how they read as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import distribution
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BRIGHTEST", "PIXELS", "SIDE", "Images", "Pixel", "load_images", "read_pixels", "render_image", "support"]

SIDE = 8
PIXELS = SIDE * SIDE
BRIGHTEST = 16

_TABLE = "sklearn/datasets/data/digits.csv.gz"
"""An image a line: its pixels, then the digit."""

_TEST_IMAGES = 500
_SPLIT_SEED = 0

_PIXEL = re.compile(r"\br([0-7])c([0-7])\s*=\s*([0-9]{1,2})(?![\d.,]\d|\d)", re.IGNORECASE)


class Pixel(NamedTuple):
    """One pixel as seats name it; written ``r3c4=12``."""

    place: int
    """Row * 8 + column, 0..63."""
    value: int
    """Its brightness, 0..16."""

    def __str__(self) -> str:
        return f"r{self.place // SIDE}c{self.place % SIDE}={self.value}"


class Images(NamedTuple):
    """All images, and which of them are held out of training."""

    pixels: NDArray[np.uint8]
    """(1797, 64) brightness 0..16."""
    digits: NDArray[np.int64]
    """(1797,) the digit each shows."""
    train_rows: NDArray[np.int64]
    """(1297,) rows the judge learns from."""
    test_rows: NDArray[np.int64]
    """(500,) rows questions are asked about."""


@cache
def load_images() -> Images:
    """The 1,797 digits, split 1,297 / 500 by one fixed shuffle that no experiment's seed changes.

    The rows stand grouped by writer; the shuffle puts every writer on both sides. (On writers it never saw,
    the judge is about 0.03 less accurate.)
    """
    # The file alone, as `sklearn.datasets.load_digits` reads it: to import scikit-learn takes three seconds.
    table = np.loadtxt(str(distribution("scikit-learn").locate_file(_TABLE)), delimiter=",", dtype=np.uint8)
    pixels, digits = table[:, :PIXELS], table[:, PIXELS]
    rows = np.random.default_rng(_SPLIT_SEED).permutation(len(digits))
    return Images(
        pixels=np.ascontiguousarray(pixels),
        digits=digits.astype(np.int64),
        train_rows=np.sort(rows[_TEST_IMAGES:]),
        test_rows=np.sort(rows[:_TEST_IMAGES]),
    )


def render_image(image: NDArray[np.uint8]) -> str:
    """An image (64,) as material: eight lines of eight pixels."""
    pixels = [str(Pixel(place, int(value))) for place, value in enumerate(image)]
    return "\n".join(" ".join(pixels[start : start + SIDE]) for start in range(0, PIXELS, SIDE))


def read_pixels(text: str) -> Iterable[Pixel]:
    """The pixels named in ``text``, in order; the inverse of `render_image` and of ``str(pixel)``."""
    for row, column, value in _PIXEL.findall(text):
        if int(value) <= BRIGHTEST:
            yield Pixel(int(row) * SIDE + int(column), int(value))


def support(image: NDArray[np.uint8]) -> tuple[int, ...]:
    """The places of an image's nonzero pixels, ascending: the only ones that may be revealed."""
    return tuple(np.flatnonzero(image).tolist())
