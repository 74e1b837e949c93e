"""Content hashes and seeded draws: the same input gives the same output on every machine (rule 5)."""

from __future__ import annotations

import hashlib
import json
import random
from json.encoder import encode_basestring_ascii

__all__ = ["canonical", "digest", "digest_of", "draw"]

_LENGTH = 24
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def canonical(value: object) -> str:
    """Encode a JSON-serialisable value as ASCII: equal values make equal texts, whatever their key order."""
    if type(value) is str:  # as most are that a plan encodes; the encoder takes three times as long to come to the same
        return encode_basestring_ascii(value)
    return _ENCODER.encode(value)


def digest(value: object, length: int = _LENGTH) -> str:
    """A hexadecimal SHA-256 prefix of a JSON-serialisable value, independent of key order."""
    return digest_of(canonical(value), length)


def digest_of(text: str, length: int = _LENGTH) -> str:
    """Hash a text that `canonical` made, or that is put together as it would be."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def draw(*key: object, again: random.Random | None = None) -> random.Random:
    """A generator that depends on ``key`` alone.

    Draws for different purposes (answer order, which seat argues what, which model sits where) name their
    purpose in the key, so that they are independent of each other; none names the protocol, so that arms
    are paired.

    Args:
        key: what the generator depends on.
        again: a generator to start again and return, which takes half as long as to make one.
    """
    # The canonical text of a list is that of its parts, which as texts and numbers take a third of the time each alone.
    parts = [str(part) if type(part) is int else canonical(part) for part in key]
    seed = digest_of(f"[{','.join(parts)}]", length=32)
    if again is None:
        return random.Random(seed)
    again.seed(seed)
    return again
