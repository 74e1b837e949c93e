"""Finding keys in what a user wrote, so that they are refused before anything is stored (rule 9).

Prose is full of words that resemble keys, and a refused experiment cannot be run: what is found here has a form that
prose does not have, or stands where only a key would stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from oversight.util.secrets import is_known_secret, name_secrets

__all__ = ["KEYS_FROM_ENVIRONMENT", "KeyPath", "check_secrets", "find_secret", "has_key_in_url"]

KeyPath: TypeAlias = tuple[str | int, ...]

KEYS_FROM_ENVIRONMENT = (
    "keys come from the environment: export it there and write api_key_env: NAME_OF_THE_VARIABLE in the model's entry"
)
"""What to do instead."""

_SETTING = re.compile(r"api_?key|access_key|secret_?key|client_secret|passw(or)?d$|^pwd$|authorization|private_key")
"""Settings that hold keys wherever they stand; models' settings are held to more (`util.secrets.SECRET_NAME`)."""
_WORTH = re.compile(r"\S{6,}")

_KEY = re.compile(
    r"""
    \b(?:sk|pk|rk|xai|gsk|pplx|nvapi|tgp|key)-(?=[\w-]*\d)[\w-]{8,} | \bsk-[A-Za-z0-9]{20,}
  | \b(?:sk|pk|rk|gsk|hf|fw|tgp|r8|gh[opsur]|github_pat)_(?=\w*\d)\w{8,} | \b(?:hf|gsk|r8|gh[opsur])_[A-Za-z0-9]{20,}
  | \bglpat-[\w-]{16,} | \bxox[abprs]-[\w-]{10,} | \bya29\.[\w-]{16,}
  | \bAIza[\w-]{20,} | \bA(?:KIA|SIA)[A-Z0-9]{12,}
  | \beyJ[\w-]{8,}\.eyJ[\w-]{8,}
  | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
  | \b(?:Bearer|Basic)\s+(?=\S*\d)[\w.~+/=-]{12,}
    """,
    re.VERBOSE,
)
"""Keys by their form alone, in any text."""

_PARAMETERS = (
    r"(?:[\w.-]*(?:api[_.-]?key|access[_.-]?key|secret|subscription[_.-]?key|passw(?:or)?d|credential|auth|token)"
    r"|key|pwd|pw|pass|sig|signature|x-[\w-]*(?:key|token)|code)"
)
_PARAMETER = re.compile(rf"[?&;#]{_PARAMETERS}=([^\s&#;\"'<>)\]]+)", re.IGNORECASE)
"""A key in the query of a URL, or after its #."""
_ASSIGNED = re.compile(
    r"(?<![\w-])(?:api|access|secret|auth)?[_ -]?(?:key|token|secret|password|passwd|pwd)"
    r"[\"']?\s?[:=]\s?[\"']?([\w.~+/=-]+)",
    re.IGNORECASE,
)
"""A key that prose gives: ``api_key=…``, ``token: …``."""
_PLACEHOLDER = re.compile(
    r"[.…*x_-]+|\$.*|\{.*|<.*|%7B.*|%3C.*|your[_-].*|(?-i:(?:[A-Z]+_)*(?:API_KEY|KEY|TOKEN))", re.IGNORECASE
)
"""What documentation writes in place of a value."""
_LIKE_A_KEY = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])\S{8,}|[A-Za-z0-9]{20,}")

_URL = re.compile(r"[A-Za-z][\w+.-]*://[^\s\"'<>]+")
_LOGIN = re.compile(r"(?<![\w./:@-])(?://)?([\w.+%-]+):([^\s:@/]+)@(?=[\w\[])")
"""``user:password@`` in front of a host, without a scheme."""
_NO_LOGIN = re.compile(r"mailto|e-?mail|mail|contact|author|sip|xmpp|acct|cc|to|doi|\d+", re.IGNORECASE)
_LONG_RUN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{20,}(?![A-Za-z0-9])")
_NAMED_SEGMENT = re.compile(r"/(?:api[_-]?key|key|token|secret|auth)s?/([^/?#\s]{6,})", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"[0-9a-f]+|[0-9A-F]+")
"""Commits, digests and accounts, which stand in many addresses."""


def find_secret(value: object, where: KeyPath = ()) -> tuple[KeyPath, str] | None:
    """Return the place of the first text in experiment data that looks like a secret, and why; None if none does.

    The answer repeats nothing of the secret, nor does the place: a key of a mapping that looks like one is left out.

    Args:
        value: texts, numbers, lists and mappings.
        where: the place of ``value`` in the whole.
    """
    return next(_found(value, where, ()), None)


def check_secrets(data: Mapping[str, object]) -> tuple[KeyPath, str] | None:
    """Return the place of the first secret in an experiment's data, and why it looks like one; None if there is none.

    The variables that the data name count as secrets from now on.
    """
    name_secrets(data)
    return find_secret(data)


def has_key_in_url(text: str) -> bool:
    """Return whether a text has a key or a password where addresses have them."""
    return _in_parameter(text) or _in_login(text) or _in_path(text)


def _found(value: object, where: KeyPath, around: tuple[int, ...]) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        if reason := _reason(str(value), where):
            yield where, f"{reason}; {KEYS_FROM_ENVIRONMENT}"
    elif id(value) in around:
        return
    elif isinstance(value, Mapping):
        for key, part in value.items():
            if reason := _reason(str(key), ()):
                yield where, f"the name of a setting: {reason}; {KEYS_FROM_ENVIRONMENT}"
            else:
                yield from _found(part, (*where, str(key)), (*around, id(value)))
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from _found(part, (*where, place), (*around, id(value)))


def _reason(text: str, where: KeyPath) -> str | None:
    """Why a text looks like a secret, without any of it."""
    name = str(where[-1]).lower().replace("-", "_") if where else ""
    if name.endswith(("key_env", "token_env", "secret_env")):
        a_name = re.fullmatch(r"[A-Za-z_]\w*", text) and not _KEY.search(text)
        return None if a_name else "the name of a variable is wanted, not a key"
    if _SETTING.search(name) and _WORTH.search(text) and not _is_placeholder(text):
        return "this looks like a key"
    return next((reason for finds, reason in _REASONS if finds(text)), None)


def _is_placeholder(value: str) -> bool:
    return _PLACEHOLDER.fullmatch(value) is not None


def _in_parameter(text: str) -> bool:
    return any(not _is_placeholder(match[1]) for form in {text, unquote(text)} for match in _PARAMETER.finditer(form))


def _in_login(text: str) -> bool:
    if any(_has_password(match[0]) for match in _URL.finditer(text)):
        return True
    rest = _URL.sub(" ", text)
    logins = [match for match in _LOGIN.finditer(rest) if not _NO_LOGIN.fullmatch(match[1])]
    return any(not _is_placeholder(match[2]) for match in logins)


def _has_password(url: str) -> bool:
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    login, at, _ = authority.rpartition("@")
    user, colon, password = login.partition(":")
    if not at or _is_placeholder(password if colon else user):
        return False
    # Over SSH a user's name alone is usual; to a web server it is a token.
    return bool(colon and password) or (bool(user) and url.lower().startswith("http"))


def _in_path(text: str) -> bool:
    for match in _URL.finditer(text):
        try:
            path = urlsplit(match[0]).path
        except ValueError:
            path = match[0]
        if any(_is_random(run[0]) for run in _LONG_RUN.finditer(path)):
            return True
        if any(_LIKE_A_KEY.fullmatch(each[1]) for each in _NAMED_SEGMENT.finditer(path)):
            return True
    return False


def _is_random(run: str) -> bool:
    """Whether a long run of letters and digits is neither words nor a number or digest."""
    digits = sum(map(str.isdigit, run))
    return not _HEXADECIMAL.fullmatch(run) and 2 <= digits < len(run)  # noqa: PLR2004


def _is_assigned(text: str) -> bool:
    values = (match[1] for match in _ASSIGNED.finditer(text))
    return any(_LIKE_A_KEY.fullmatch(value) and not _is_placeholder(value) for value in values)


_REASONS: tuple[tuple[Callable[[str], object], str], ...] = (
    (_KEY.search, "this looks like a key"),
    (_in_parameter, "this address has a key in its parameters"),
    (_in_login, "this address has a password in front of its host"),
    (_in_path, "this address has a key in its path"),
    (_is_assigned, "this looks like a key"),
    (is_known_secret, "this is the value of a variable that holds a secret"),
)
