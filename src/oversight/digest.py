"""Content hashes and seeded draws: the same input gives the same output on every machine (rule 5)."""

from __future__ import annotations

import hashlib
import json
import random

__all__ = ["digest", "draw"]


def digest(value: object, length: int = 24) -> str:
    """A hexadecimal SHA-256 prefix of a JSON-serialisable value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def draw(*key: object) -> random.Random:
    """A generator that depends on ``key`` alone.

    Draws for different purposes (answer order, which seat argues what, which model sits where) name their
    purpose in the key, so that they are independent of each other; none names the protocol, so that arms
    are paired.
    """
    return random.Random(digest(list(key), length=32))
