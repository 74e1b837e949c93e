"""The entry points of installed distributions: which of them name the same plugin, and where each comes from."""

from __future__ import annotations

import re
from importlib import metadata

__all__ = ["distribution_of", "read_entry_points", "wrong_value"]

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*\s*:\s*[A-Za-z_][\w.]*(\s*\[.*\])?")


def read_entry_points(group: str) -> dict[str, tuple[metadata.EntryPoint, ...]]:
    """Return the entry points of one group by name; more than one of a name only where they name different classes."""
    by_name: dict[str, dict[str, metadata.EntryPoint]] = {}
    for point in metadata.entry_points(group=group):
        by_name.setdefault(point.name, {}).setdefault("".join(point.value.split()), point)
    return {name: tuple(by_name[name].values()) for name in sorted(by_name)}


def distribution_of(point: metadata.EntryPoint) -> str:
    """Return the name and version of the distribution that an entry point came with, for people."""
    try:
        if point.dist is not None and point.dist.name:
            return f"{point.dist.name} {point.dist.version or '(no version)'}"
    except Exception:  # its metadata may be damaged
        return "a distribution without readable metadata"
    return "a distribution without a name"


def wrong_value(point: metadata.EntryPoint) -> str | None:
    """Say what is wrong with where an entry point leads; None if it can be followed."""
    if _REFERENCE.fullmatch(point.value.strip()):
        return None
    return f"its entry point is '{point.value:.60}', not 'package.module:Class'"
