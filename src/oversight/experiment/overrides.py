"""Changing one value of an experiment by its dotted key: ``--set``, and the points of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oversight.errors import UsageError, YamlError
from oversight.experiment.plain_yaml import read_yaml
from oversight.experiment.yaml_document import YamlDocument
from oversight.plugins import nearest
from oversight.util.declared_name import declared_name

__all__ = ["ENTRY_KEYS", "entry_names", "put", "put_setting"]

ENTRY_KEYS = ("as", "task", "models", "limits")
"""What may stand beside the protocol's name in an entry."""


def put_setting(data: dict[str, Any], setting: str, source: YamlDocument) -> None:
    """Apply ``key=value`` as written on the command line; the value is YAML.

    Raises:
        UsageError: it is not of that form, or there is no such place.
    """
    key, sign, text = setting.partition("=")
    if not sign:
        raise UsageError(f"--set {setting}: write it as key=value, for example --set task.limit=20")
    try:
        value = read_yaml(text).data
    except YamlError as error:
        raise UsageError(f"--set {key}: the value cannot be read: {error}") from None
    put(data, key.strip(), value, source)


def put(data: dict[str, Any], dotted: str, value: object, source: YamlDocument) -> None:
    """Set one value; ``protocols.ENTRY.OPTION`` means every entry of that reference, label or class's name.

    Raises:
        UsageError: there is no such place.
    """
    head, _, rest = dotted.partition(".")
    if head == "protocols" and "." in rest:
        _put_in_entries(data, rest, value, source)
    else:
        _descend(data, dotted.split("."), value, source, dotted)


def entry_names(reference: str, label: object, folder: Path) -> list[str]:
    """What an entry goes by: its reference, its label, and the name that the class of a reference gives itself."""
    return [name for name in (reference, label, declared_name(reference, folder)) if isinstance(name, str) and name]


def _put_in_entries(data: dict[str, Any], rest: str, value: object, source: YamlDocument) -> None:
    """Set a value in each entry that the beginning of ``rest`` names; a reference may hold dots itself."""
    known: list[str] = []
    found = False
    entries = data.get("protocols")
    for place, raw in enumerate(entries if isinstance(entries, list) else []):
        entry = {raw: {}} if isinstance(raw, str) else raw
        if not isinstance(entry, dict):
            continue
        reference = next((key for key in entry if isinstance(key, str) and key not in ENTRY_KEYS), "")
        names = entry_names(reference, entry.get("as"), source.folder)
        known += names
        matching = [name for name in names if rest.startswith(f"{name}.")]
        if not matching:
            continue
        found = True
        keys = rest[len(max(matching, key=len)) + 1 :].split(".")
        options = entry.get(reference)
        if not isinstance(options, dict | None):
            raise source.problem(("protocols", place, reference), f"options are a mapping, not {options!r:.60}")
        inner = {**entry, reference: dict(options or {})}
        within = keys if keys[0] in ENTRY_KEYS else [reference, *keys]
        _descend(inner, within, value, source, f"protocols.{rest}")
        data["protocols"][place] = inner
    if not found:
        asked = rest.rpartition(".")[0] if ":" in rest else rest.partition(".")[0]
        listed = f"; entries: {', '.join(dict.fromkeys(known))}" if known else ""
        raise source.problem(("protocols",), f"no entry is called '{asked}'{nearest(asked, known) or listed}")


def _descend(place: dict[str, Any], keys: Sequence[str], value: object, source: YamlDocument, dotted: str) -> None:
    for key in keys[:-1]:
        inner = place.get(key)
        if isinstance(inner, str) and keys[0] == "models":
            inner = {"model": inner}
        if not isinstance(inner, dict | None):
            raise source.problem((keys[0],), f"cannot set '{dotted}': '{key}' is not a mapping")
        place[key] = dict(inner or {})
        place = place[key]
    place[keys[-1]] = value
