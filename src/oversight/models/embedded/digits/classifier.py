"""The weak judge: a classifier trained to name a digit from a few random pixels of its image.

The set-up is Irving, Christiano and Amodei 2018 (arXiv 1805.00899, section 3.2) on smaller images: the
input is a mask of the pixels shown and their values, and training shows random nonzero pixels. One hidden
layer instead of their convolutions, so that an exact solver can afford every set of pixels; plain numpy,
because scikit-learn's ``MLPClassifier`` cannot lower Adam's learning rate, and in the same time came out
0.02 less accurate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from oversight.models.embedded.digits.array_cache import remembered
from oversight.models.embedded.digits.images import BRIGHTEST, PIXELS, Pixel, load_images
from oversight.models.embedded.threads import one_thread

__all__ = ["DIGITS", "Classifier", "Floats", "scaled", "sparse_views", "train", "trained"]

DIGITS = 10

_VERSION = 1
"""Counts changes that give other weights; part of the key they are kept under."""

_HIDDEN = 128
_STEPS = 3000
_BATCH = 512
_LEARNING_RATE = 1e-2
_DECAY_1, _DECAY_2, _EPSILON = 0.9, 0.999, 1e-8

_FEWER = 0.25
"""The share of training inputs with fewer pixels than the game ends with. The paper has none; they cost
next to nothing at the end, and make the judge's belief meaningful before it (evenly spread at first)."""

Floats = NDArray[np.float32]


class Classifier(NamedTuple):
    """The judge's weights: 64 mask bits and 64 values, a hidden layer of ReLUs, ten logits."""

    hidden_weights: Floats
    """(128, H): mask rows first, then values / 16."""
    hidden_bias: Floats
    """(H,)"""
    output_weights: Floats
    """(H, 10)"""
    output_bias: Floats
    """(10,)"""

    @classmethod
    def from_state(cls, state: object) -> Self:
        """Rebuild a classifier from `state`'s plain dictionary, as workers receive it."""
        if not isinstance(state, dict) or set(state) != set(cls._fields):
            raise TypeError("the state must be the dictionary of weights that prepare returns")
        return cls(**state)

    @property
    def state(self) -> dict[str, Floats]:
        """The weights by name."""
        return self._asdict()

    def contributions(self, image: NDArray[np.uint8]) -> Floats:
        """What revealing each pixel of ``image`` (64,) adds to the hidden layer: (64, H)."""
        values = scaled(image)[:, None]
        added: Floats = self.hidden_weights[:PIXELS] + values * self.hidden_weights[PIXELS:]
        return added

    def output(self, hidden: Floats) -> Floats:
        """Logits (m, 10) from hidden pre-activations (m, H), which are overwritten."""
        np.maximum(hidden, 0, out=hidden)
        logits: Floats = hidden @ self.output_weights + self.output_bias
        return logits

    def logits(self, pixels: Iterable[Pixel]) -> Floats:
        """Logits (10,) of the digits, given some pixels."""
        image = np.zeros(PIXELS, np.uint8)
        places = []
        for pixel in pixels:
            image[pixel.place] = pixel.value
            places.append(pixel.place)
        logits: Floats = self.output(self.hidden_bias + self.contributions(image)[places].sum(axis=0, keepdims=True))[0]
        return logits


def trained(pixels: int, seed: int) -> Classifier:
    """The classifier `train` gives, from the user's cache folder if it was trained before."""
    key = {
        "version": _VERSION,
        "pixels": pixels,
        "seed": seed,
        "shape": [_HIDDEN, _STEPS, _BATCH, _LEARNING_RATE, _FEWER],
    }
    arrays = remembered("pixel-judge", key, Classifier._fields, lambda: train(pixels, seed).state)
    return Classifier.from_state(arrays)


def train(pixels: int, seed: int) -> Classifier:
    """Train a judge on sets of ``pixels`` random nonzero pixels of the training images.

    About 4 s on one core. The same arguments give the same weights on the same machine.
    """
    images = load_images()
    inputs = scaled(images.pixels[images.train_rows])
    targets = images.digits[images.train_rows]
    generator = np.random.default_rng(seed)
    weights = _initial(generator)
    means, squares = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    with one_thread():
        for step in range(_STEPS):
            batch = generator.integers(0, len(inputs), _BATCH)
            gradients = _gradients(weights, sparse_views(inputs[batch], pixels, generator), targets[batch])
            # Adam (arXiv 1412.6980) with its bias correction folded into a linearly decreasing rate.
            correction = np.sqrt(1 - _DECAY_2 ** (step + 1)) / (1 - _DECAY_1 ** (step + 1))
            rate = np.float32(_LEARNING_RATE * (1 - step / _STEPS) * correction)
            for place, gradient in enumerate(gradients):
                means[place] += (1 - _DECAY_1) * (gradient - means[place])
                squares[place] += (1 - _DECAY_2) * (gradient * gradient - squares[place])
                np.subtract(
                    weights[place], rate * means[place] / (np.sqrt(squares[place]) + _EPSILON), out=weights[place]
                )
    return weights


def scaled(pixels: NDArray[np.uint8]) -> Floats:
    """Brightness 0..16 as the classifier reads it, 0..1."""
    return (pixels / np.float32(BRIGHTEST)).astype(np.float32)


def sparse_views(inputs: Floats, pixels: int, generator: np.random.Generator, fewer: float = _FEWER) -> Floats:
    """Show random nonzero pixels of images (m, 64) scaled to 0..1: classifier inputs (m, 128).

    Every image shows exactly ``pixels``, but for a share ``fewer`` of them, which show 0 to pixels - 1.
    """
    count = len(inputs)
    shown = np.where(generator.random(count) < fewer, generator.integers(0, pixels, count), pixels)
    lots = generator.random(inputs.shape, dtype=np.float32)
    lots[inputs == 0] = -1
    ranked = np.concatenate([np.sort(lots, axis=1), np.full((count, 1), 2, np.float32)], axis=1)
    mask = (lots >= ranked[np.arange(count), PIXELS - shown][:, None]).astype(np.float32)
    return np.concatenate([mask, mask * inputs], axis=1)


def _initial(generator: np.random.Generator) -> Classifier:
    """He initialisation (arXiv 1502.01852)."""

    def layer(rows: int, columns: int) -> Floats:
        return generator.normal(0, np.sqrt(2 / rows), (rows, columns)).astype(np.float32)

    return Classifier(
        hidden_weights=layer(2 * PIXELS, _HIDDEN),
        hidden_bias=np.zeros(_HIDDEN, np.float32),
        output_weights=layer(_HIDDEN, DIGITS),
        output_bias=np.zeros(DIGITS, np.float32),
    )


def _gradients(weights: Classifier, inputs: Floats, targets: NDArray[np.int64]) -> Classifier:
    """The gradient of the mean cross-entropy."""
    hidden = inputs @ weights.hidden_weights + weights.hidden_bias
    error = weights.output(hidden)
    error = np.exp(error - error.max(axis=1, keepdims=True))
    error /= error.sum(axis=1, keepdims=True)
    error[np.arange(len(targets)), targets] -= 1
    error /= len(targets)
    back = (error @ weights.output_weights.T) * (hidden > 0)
    return Classifier(inputs.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0))
