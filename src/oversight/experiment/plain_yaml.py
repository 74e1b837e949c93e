"""Reading YAML as plain data within bounds: texts, numbers, truth values, lists and mappings, each with its line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from oversight.errors import YamlError

__all__ = ["MOST_BYTES", "KeyPath", "PlainYaml", "check_plain", "read_yaml"]

KeyPath = tuple[str | int, ...]
"""Where a part stands in a document: its keys and list places."""

MOST_BYTES = 8 << 20
"""The longest text that is read; experiments with as many questions name a file of rows."""

_DEEPEST = 32
"""Levels of lists and mappings; the shipped experiments have 5."""

_MOST_VALUES = 200_000
"""Values of a document once its aliases are replaced by what they stand for."""

_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_MERGE = "tag:yaml.org,2002:merge"
_KINDS = {
    "timestamp": "date",
    "datetime": "date",
    "date": "date",
    "int": "whole number",
    "float": "number",
    "bool": "truth value",
    "bytes": "binary value",
    "binary": "binary value",
    "null": "null",
}
"""What people call a kind of scalar, by its tag in YAML and its type in Python."""
_INTEGERS = range(-(1 << 63), 1 << 63)


class PlainYaml(NamedTuple):
    """A document's data, and the line from 1 on which each part begins."""

    data: Any
    lines: Mapping[KeyPath, int]


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which counts how deep it is in a document; its own recursion has no bound."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose the next node unless it lies too deep."""
        self.depth += 1
        if self.depth > _DEEPEST:
            line = parent.start_mark.line + 1 if parent is not None else 1
            raise YamlError(line, (), f"lists and mappings are nested more than {_DEEPEST} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read_yaml(text: str) -> PlainYaml:
    """Read one YAML document of plain data.

    Raises:
        YamlError: it is no YAML, repeats a key, holds itself, is too long, too deep or too large once aliases are
            replaced, or holds a value that is none of the plain ones; the error has its line and place.
    """
    if len(text) > MOST_BYTES:
        raise YamlError(1, (), f"is longer than {MOST_BYTES >> 20} MB")
    try:
        return _read(_Loader(text))
    except yaml.YAMLError as error:
        raise YamlError(_line_of(error, text), (), f"not valid YAML: {_what(error)}") from None


def _read(loader: _Loader) -> PlainYaml:
    try:
        node = loader.get_single_node()
        if node is None:
            return PlainYaml(None, {})
        _count(node, {})
        lines: dict[KeyPath, int] = {}
        _visit(loader, node, (), lines)
        return PlainYaml(loader.construct_document(node), lines)
    finally:
        loader.dispose()


def check_plain(value: object, where: KeyPath = ()) -> tuple[KeyPath, str] | None:
    """Return the first part of ``value`` that a store could not keep, with the reason; None if there is none."""
    if isinstance(value, bool | str) or value is None:
        return None
    if isinstance(value, int):
        return None if value in _INTEGERS else (where, "a whole number has at most 64 bits here")
    if isinstance(value, float):
        return None if math.isfinite(value) else (where, "a number is finite here")
    parts: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        parts = list(value.items())
        odd = next((key for key, _ in parts if isinstance(key, bool) or not isinstance(key, str | int)), "")
        if odd != "":
            return where, f"{odd!r:.40} is no name for a key: write it in quotes"
    elif isinstance(value, list):
        parts = list(enumerate(value))
    else:
        kind = _KINDS.get(type(value).__name__, "value of this kind")
        return where, f"a {kind} has no place here: write it in quotes if it is a text"
    return next((found for key, part in parts if (found := check_plain(part, (*where, key)))), None)


def _count(node: yaml.Node, sizes: dict[int, int], around: tuple[int, ...] = ()) -> int:
    """Return how many values a node stands for, each alias counted as often as it occurs."""
    if id(node) in around:
        raise YamlError(node.start_mark.line + 1, (), "this part holds itself")
    if id(node) not in sizes:
        inner = [part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,))]
        parts = inner if isinstance(node, yaml.CollectionNode) else []
        sizes[id(node)] = 1 + sum(_count(part, sizes, (*around, id(node))) for part in parts)
    if sizes[id(node)] > _MOST_VALUES:
        message = f"stands for {sizes[id(node)]:,} values once aliases are replaced; the most is {_MOST_VALUES:,}"
        raise YamlError(node.start_mark.line + 1, (), message)
    return sizes[id(node)]


def _visit(loader: _Loader, node: yaml.Node, where: KeyPath, lines: dict[KeyPath, int]) -> None:
    """Note the line of each part, and see that it is a plain value."""
    pairs: Sequence[tuple[str | int, yaml.Node, yaml.Node]] = ()
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(loader, node, where)
    elif node.tag not in _COLLECTIONS:
        raise YamlError(node.start_mark.line + 1, where, f"the tag {node.tag.rpartition(':')[2]} has no place here")
    elif isinstance(node, yaml.MappingNode):
        pairs = [(_key(loader, key, where), key, value) for key, value in node.value]
    else:
        pairs = [(place, value, value) for place, value in enumerate(node.value)]
    for key, at, part in pairs:
        if (*where, key) in lines:
            raise YamlError(at.start_mark.line + 1, where, f"'{key}' is given twice")
        lines[(*where, key)] = at.start_mark.line + 1
        _visit(loader, part, (*where, key), lines)


def _check_scalar(loader: _Loader, node: yaml.Node, where: KeyPath) -> None:
    line = node.start_mark.line + 1
    try:
        value = loader.construct_object(node)
    except yaml.YAMLError:
        raise
    except Exception as error:  # each tag has its own way to fail: ValueError, KeyError, AttributeError
        kind = _KINDS.get(node.tag.rpartition(":")[2], "value of its tag")
        message = f"{node.value!r:.60} is no {kind} ({error}): write it in quotes if it is a text"
        raise YamlError(line, where, message) from None
    if (problem := check_plain(value, where)) is not None:
        raise YamlError(line, *problem)


def _key(loader: _Loader, node: yaml.Node, where: KeyPath) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise YamlError(node.start_mark.line + 1, where, "a list or a mapping is no name for a key")
    if node.tag != _MERGE:
        _check_scalar(loader, node, (*where, str(node.value)))
        if (problem := check_plain({loader.construct_object(node): None}, where)) is not None:
            raise YamlError(node.start_mark.line + 1, *problem)
    return str(node.value)


def _line_of(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return int(error.problem_mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


def _what(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", error))
