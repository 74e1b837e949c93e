"""Answers that are not given, for the parts of a reply that decide nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from oversight.testing.faults import Reply
from oversight.testing.shapes.shape import label_of, stated_in

__all__ = ["decoy_for", "decoy_letter", "decoy_object"]

_APART = 0.05
"""How far a decoy's probability of some answer is from the one that was stated, at least."""


def decoy_object(stated: Mapping[str, Any], rng: Random) -> dict[str, Any]:
    """Return another belief over the same answers: even, turned around or nearly certain."""
    labels = [name for name in stated if name != "abstain"]
    shares = [float(stated[label]) for label in labels]
    certain = [[0.97 if label == sure else 0.03 / (len(labels) - 1) for label in labels] for sure in labels]
    candidates = [[1 / len(labels)] * len(labels), shares[::-1], *certain]
    others = [each for each in candidates if max(abs(a - b) for a, b in zip(each, shares, strict=True)) > _APART]
    return {**stated, **dict(zip(labels, rng.choice(others), strict=True))}


def decoy_letter(letter: str) -> str:
    """Return another letter that every question has."""
    return "B" if letter == "A" else "A"


def decoy_for(reply: Reply, rng: Random) -> str:
    """Return a text of the plain reply's form that says something else."""
    if (stated := stated_in(reply)) is not None:
        return json.dumps(decoy_object(stated, rng))
    # A speech may be a solution, which ends with such a line.
    return f"Answer: {decoy_letter(label_of(reply))}"
