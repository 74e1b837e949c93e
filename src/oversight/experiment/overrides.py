"""Changing one value of an experiment by its dotted key: ``--set``, and the points of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from oversight.errors import UsageError
from oversight.experiment.source import Source
from oversight.registry import nearest

__all__ = ["ENTRY_KEYS", "put", "put_setting"]

ENTRY_KEYS = ("as", "task", "models")
"""What may stand beside the protocol's name in an entry."""


def put_setting(data: dict[str, Any], setting: str, source: Source) -> None:
    """Apply ``key=value`` as written on the command line; the value is YAML.

    Raises:
        UsageError: it is not of that form, or there is no such place.
    """
    key, sign, text = setting.partition("=")
    if not sign:
        raise UsageError(f"--set {setting}: write it as key=value, for example --set task.limit=20")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"--set {setting}: the value is not valid YAML") from None
    put(data, key.strip(), value, source)


def put(data: dict[str, Any], dotted: str, value: object, source: Source) -> None:
    """Set one value; ``protocols.NAME.OPTION`` means every entry of that name or label.

    Raises:
        UsageError: there is no such place.
    """
    keys = dotted.split(".")
    if keys[0] == "protocols" and len(keys) > 2:  # noqa: PLR2004 - protocols, an entry, and something in it
        _put_in_entries(data, keys, value, source)
    else:
        _descend(data, keys, value, source, dotted)


def _put_in_entries(data: dict[str, Any], keys: Sequence[str], value: object, source: Source) -> None:
    names: list[str] = []
    found = False
    entries = data.get("protocols")
    for place, raw in enumerate(entries if isinstance(entries, list) else []):
        entry = {raw: {}} if isinstance(raw, str) else raw
        if not isinstance(entry, dict):
            continue
        name = next((str(key) for key in entry if key not in ENTRY_KEYS), "")
        names += [str(word) for word in (name, entry.get("as")) if word]
        if keys[1] not in (name, entry.get("as")):
            continue
        found = True
        inner = {**entry, name: dict(entry.get(name) or {})}
        within = keys[2:] if keys[2] in ENTRY_KEYS else [name, *keys[2:]]
        _descend(inner, within, value, source, ".".join(keys))
        data["protocols"][place] = inner
    if not found:
        raise source.problem(("protocols",), f"no entry is called '{keys[1]}'{nearest(keys[1], names)}")


def _descend(place: dict[str, Any], keys: Sequence[str], value: object, source: Source, dotted: str) -> None:
    for key in keys[:-1]:
        inner = place.get(key)
        if isinstance(inner, str) and keys[0] == "models":
            inner = {"model": inner}
        if not isinstance(inner, dict | None):
            raise source.problem((keys[0],), f"cannot set '{dotted}': '{key}' is not a mapping")
        place[key] = dict(inner or {})
        place = place[key]
    place[keys[-1]] = value
