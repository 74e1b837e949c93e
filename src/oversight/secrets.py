"""What a secret looks like, and how it is kept out of everything that is stored or printed (rule 9)."""

from __future__ import annotations

import os
import re

__all__ = ["SECRET_NAME", "SECRET_VALUE", "redact"]

SECRET_NAME = re.compile(
    r"api_?key|access_key|secret|passw|authorization|credential|cookie|private_key|(^|_)(key|token|auth)$"
)
"""Names of settings and environment variables that hold secrets, in lower case."""

SECRET_VALUE = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|hf|pplx|nvapi|fw|tgp|r8)[-_][\w*.-]{8,}|\bAIza[\w*-]{10,}|\bAKIA[A-Z0-9]{12,}|\bBearer\s+\S+",
    re.IGNORECASE,
)
"""Texts that are keys by their form."""

_SHORTEST_SECRET = 6


def redact(text: str) -> str:
    """``text`` without the secrets in this process's environment and without anything shaped like a key."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and SECRET_NAME.search(name.lower()):
            text = text.replace(value, "[redacted]")
    return SECRET_VALUE.sub("[redacted]", text)
