"""What a secret looks like, and how it is kept out of everything that is stored or printed (rule 9)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from oversight.errors import UsageError

__all__ = ["SECRET_NAME", "SECRET_VALUE", "adopt_key_files", "redact"]

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
_FILE = "_FILE"


def adopt_key_files() -> None:
    """Read the keys that the environment names files for: ``OPENAI_API_KEY_FILE`` for ``OPENAI_API_KEY``.

    A key that is in the environment itself counts before one in a file. Only this process gets to know them.

    Raises:
        UsageError: a file that is named cannot be read.
    """
    for name, path in list(os.environ.items()):
        key = name.removesuffix(_FILE)
        if key != name and SECRET_NAME.search(key.lower()) and not os.environ.get(key):
            try:
                os.environ[key] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{name} names {path}, which cannot be read: {error}") from None


def redact(text: str) -> str:
    """``text`` without the secrets in this process's environment and without anything shaped like a key."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and SECRET_NAME.search(name.lower()):
            text = text.replace(value, "[redacted]")
    return SECRET_VALUE.sub("[redacted]", text)
