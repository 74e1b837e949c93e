"""The name that a plugin class gives itself, read from its source: nothing of a plugin's runs to find it."""

from __future__ import annotations

import ast
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["declared_name"]

_MOST_BYTES = 4_000_000


def declared_name(reference: str, base: Path) -> str | None:
    """Return ``name`` of the class that ``./file.py:Class`` or ``package.module:Class`` means.

    Returns:
        None if the source cannot be read, or states no name as a plain text in the class or a base of the same file.
    """
    place, colon, qualname = reference.rpartition(":")
    if not colon:
        return None
    file = (base / place) if place.endswith(".py") else _file_of(place)
    try:
        if file is None or file.stat().st_size > _MOST_BYTES:
            return None
        return _names(file.read_text(encoding="utf-8")).get(qualname)
    except (OSError, ValueError):
        return None


def _file_of(module: str) -> Path | None:
    """The file of an installed module; its packages are not imported, as `importlib.util.find_spec` would."""
    path, parts = None, module.split(".")
    for count in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:count]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return Path(spec.origin) if spec is not None and spec.origin and spec.has_location else None


@lru_cache(maxsize=32)
def _names(source: str) -> dict[str, str]:
    """The names of the classes in a module, their own or inherited from one above."""
    names: dict[str, str] = {}
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return names  # loading it says what is wrong
    for node in body:
        if isinstance(node, ast.ClassDef):
            inherited = (names.get(base.id) for base in node.bases if isinstance(base, ast.Name))
            found = _stated(node) or next((name for name in inherited if name is not None), None)
            if found is not None:
                names[node.name] = found
    return names


def _stated(node: ast.ClassDef) -> str | None:
    for line in node.body:
        targets = (
            line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
        )
        named = any(isinstance(target, ast.Name) and target.id == "name" for target in targets)
        value = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
        if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None
