"""What a secret looks like, and how it is kept out of everything that is stored or printed (rule 9)."""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from pydantic import BaseModel

from oversight.errors import UsageError

__all__ = [
    "SECRET_NAME",
    "SECRET_VALUE",
    "adopt_key_files",
    "is_known_secret",
    "name_secret",
    "name_secrets",
    "redact",
    "value_redactor",
    "without_values",
]

SECRET_NAME = re.compile(
    r"api_?key|access_key|secret|passw|authorization|credential|cookie|private_key|(^|_)(key|token|auth)$"
)
"""Names of settings and environment variables that hold secrets, in lower case."""

SECRET_VALUE = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|hf|pplx|nvapi|fw|tgp|r8)[-_][\w*.-]{8,}|\bAIza[\w*-]{10,}|\bAKIA[A-Z0-9]{12,}|\bBearer\s+\S+",
    re.IGNORECASE,
)
"""Texts that are keys by their form."""

_NAMED = "OVERSIGHT_REDACTED_VARIABLES"
"""The variable that lists, separated by spaces, those that models name: worker processes inherit it with the keys."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHORTEST_NAMED = 4
_SHORTEST_SECRET = 6
_SHORTEST_ANYWHERE = 8
"""Characters: a shorter secret is replaced only where it stands as a word, or else it would be cut out of others."""
_PLACEHOLDERS = frozenset({"empty", "none", "null", "dummy", "not-needed", "false", "true"})
"""What local servers are given in place of a key; replacing it would protect nothing and damage texts."""
_KEY_LIKE = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])\S{8,}|\S{16,}")
_FILE = "_FILE"
_REDACTED = "[redacted]"

M = TypeVar("M", bound=BaseModel)


def adopt_key_files() -> None:
    """Read the keys that the environment names files for: ``OPENAI_API_KEY_FILE`` for ``OPENAI_API_KEY``.

    A key that is in the environment itself counts before one in a file. Only this process gets to know them.

    Raises:
        UsageError: a file that is named cannot be read.
    """
    named = _named()
    for name, path in list(os.environ.items()):
        key = name.removesuffix(_FILE)
        if key != name and (key in named or _names_secret(key)) and not os.environ.get(key):
            try:
                os.environ[key] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{name} names {path}, which cannot be read: {error}") from None


def name_secret(variable: str) -> None:
    """Treat the value of an environment variable as a secret, here and in processes started from now on."""
    named = _named()
    if _VARIABLE.fullmatch(variable) and variable not in named:
        os.environ[_NAMED] = " ".join(sorted({*named, variable}))


def name_secrets(settings: object) -> None:
    """Treat as secrets the variables that settings name, at any depth: the texts under keys ending in ``_env``."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            if isinstance(value, str) and str(key).lower().endswith("_env"):
                name_secret(value)
            else:
                name_secrets(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            name_secrets(value)


def redact(text: str) -> str:
    """Return ``text`` without the secrets of this process's environment and without anything shaped like a key.

    For messages about errors, in which a lost word costs nothing.
    """
    return SECRET_VALUE.sub(_REDACTED, _without(text, _pattern(tuple(_held(all_kinds=True)))))


def value_redactor() -> Callable[[str], str]:
    """Return what takes the keys in this process's environment out of texts and leaves the rest as it is.

    For what models and plugins say, in which only keys are replaced: the values of variables that models name, and
    values that look like keys of variables whose names say so.
    """
    pattern = _pattern(tuple(_held(all_kinds=False)))
    return lambda text: _without(text, pattern)


def without_values(record: M) -> M:
    """Return a record none of whose texts holds a key that is in this process's environment."""
    pattern = _pattern(tuple(_held(all_kinds=False)))
    if pattern is None:
        return record
    found = record.model_dump()
    if not pattern.search("\0".join(_texts(found))):
        return record
    return type(record).model_validate(_mapped(found, pattern))


def is_known_secret(text: str) -> bool:
    """Return whether ``text`` holds a value, long enough to be one, of a variable that holds a secret."""
    long = tuple(value for value in _held(all_kinds=False) if len(value) >= _SHORTEST_ANYWHERE)
    pattern = _pattern(long)
    return pattern is not None and pattern.search(text) is not None


def _named() -> frozenset[str]:
    return frozenset(os.environ.get(_NAMED, "").split())


@functools.lru_cache(maxsize=4096)
def _names_secret(variable: str) -> bool:
    return SECRET_NAME.search(variable.lower()) is not None


def _held(*, all_kinds: bool) -> Iterator[str]:
    """The secrets in this process's environment."""
    named = _named()
    for name, written in os.environ.items():
        value = written.strip()
        if value.lower() in _PLACEHOLDERS:
            continue
        if name in named:
            if len(value) >= _SHORTEST_NAMED:
                yield value
        elif _names_secret(name) and len(value) >= _SHORTEST_SECRET and (all_kinds or _KEY_LIKE.fullmatch(value)):
            yield value


@functools.lru_cache(maxsize=16)
def _pattern(values: tuple[str, ...]) -> re.Pattern[str] | None:
    """What finds any of the secrets in any of the forms in which they travel; None where there are none."""
    forms = {form: len(value) for value in sorted(values, key=len) for form in _forms(value)}
    if not forms:
        return None
    parts = [
        re.escape(form) if length >= _SHORTEST_ANYWHERE else rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])"
        for form, length in sorted(forms.items(), key=lambda item: -len(item[0]))
    ]
    return re.compile("|".join(parts))


def _forms(value: str) -> set[str]:
    """A secret as it is, and as URLs, JSON, HTML, Python, hexadecimal digits and base64 write it."""
    raw = value.encode("utf-8", "surrogateescape")
    quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    lowered = {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in quoted}
    written = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    forms = {value, *quoted, *lowered, *written, html.escape(value), html.escape(value, quote=False)}
    forms |= {raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode().rstrip("=")}
    for before in range(3):  # in a longer text, as in a header of Basic authentication, it may begin at any of them
        encoded = base64.b64encode(b"\0" * before + raw)
        core = encoded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6].decode()
        forms |= {core, core.replace("+", "-").replace("/", "_")} if len(core) >= _SHORTEST_ANYWHERE else set()
    return {form for form in forms if form}


def _without(text: str, pattern: re.Pattern[str] | None) -> str:
    return text if pattern is None else pattern.sub(_REDACTED, text)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a structure, as it is: JSON would write some characters otherwise."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield str(key)
            yield from _texts(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _texts(part)


def _mapped(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return _without(value, pattern)
    if isinstance(value, Mapping):
        return {_mapped(key, pattern): _mapped(part, pattern) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_mapped(part, pattern) for part in value)
    return value
