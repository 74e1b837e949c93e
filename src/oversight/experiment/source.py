"""An experiment file as read: its data, and where in the file each part of it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

import oversight
from oversight.errors import UsageError
from oversight.registry import nearest

__all__ = ["Source", "read_source"]

KeyPath = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class Source:
    """Points at lines: every complaint about an experiment says where, what, and the nearest valid word.

    What was written on the command line has no lines; its option's name stands for the path.
    """

    def __init__(
        self, path: Path, lines: Mapping[KeyPath, int], moved: Mapping[KeyPath, KeyPath] | None = None
    ) -> None:
        self.path = path
        self._lines = lines
        self._moved = moved or {}

    def moved(self, places: Mapping[KeyPath, KeyPath]) -> Source:
        """The same file for data that was put together from its parts: place in the data -> place in the file."""
        return Source(self.path, self._lines, places)

    @property
    def folder(self) -> Path:
        """Where relative paths in the file start."""
        return self.path.parent

    def problem(self, where: KeyPath, message: str) -> UsageError:
        """An error about the part at ``where``, with the line of the closest part the file has."""
        where = self._written(where)
        line = next((self._lines[where[:end]] for end in range(len(where), -1, -1) if where[:end] in self._lines), 1)
        dotted = ".".join(str(part) for part in where)
        place = f"{self.path}:{line}" if self._lines else str(self.path)
        return UsageError(f"{place}: {dotted + ': ' if dotted else ''}{message}")

    def _written(self, where: KeyPath) -> KeyPath:
        """Where in the file stands what is at a place of the data."""
        for end in range(len(where), 0, -1):
            if where[:end] in self._moved:
                return (*self._moved[where[:end]], *where[end:])
        return where

    @contextmanager
    def located(self, where: KeyPath) -> Iterator[None]:
        """Say where in the file something was asked for that cannot be found."""
        try:
            yield
        except UsageError as error:
            raise self.problem(where, str(error)) from None

    def validate(self, model: type[M], data: object, where: KeyPath) -> M:
        """Validate ``data`` as ``model``.

        Raises:
            UsageError: names the first field that is wrong, and the nearest known key if it is a typo.
        """
        try:
            return model.model_validate(data, context={"base": self.folder})
        except ValidationError as error:
            # A misspelt key often makes another one missing; the misspelling is what to say.
            errors = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
            first = errors[0]
            place: KeyPath = (*where, *first["loc"])
            if first["type"] == "extra_forbidden":
                known = _keys(model, first["loc"][:-1])
                valid = f"; valid keys: {', '.join(known)}" if known else "; it takes none"
                raise self.problem(place, f"unknown key{nearest(str(first['loc'][-1]), known) or valid}") from None
            message = first["msg"].removeprefix("Value error, ")
            # A model's entry may hold a key where none belongs, so it is never repeated.
            silent = first["type"] in ("missing", "value_error") or model.model_config.get("hide_input_in_errors")
            given = "" if silent else f", not {first['input']!r:.60}"
            raise self.problem(place, message[0].lower() + message[1:] + given) from None


def _keys(model: type[BaseModel], within: KeyPath) -> list[str]:
    """The keys that ``model`` knows at a place inside it."""
    for key in within:
        field = model.model_fields.get(str(key))
        if field is not None:
            inner = [field.annotation, *get_args(field.annotation)]
            model = next((t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def read_source(path: Path) -> tuple[dict[str, Any], Source]:
    """Read a YAML file, or one of the shipped experiments by its bare name.

    Raises:
        UsageError: it is missing, no valid YAML, repeats a key, or is not a mapping.
    """
    shipped = _shipped()
    if not path.exists() and str(path) in shipped:
        path = shipped[str(path)]
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = [*shipped, *(str(p) for p in path.parent.glob("*.yaml"))]
        raise UsageError(f"{path}: there is no such file{nearest(str(path), near)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = _lines(node, path)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{path}:{_line_of(error, text)}: not valid YAML: {_what(error)}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}:1: an experiment file is a mapping with name, task, models and protocols")
    return data, Source(path, lines)


def _line_of(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return int(error.problem_mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


def _what(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", error))


def _shipped() -> dict[str, Path]:
    """The experiments that come with the package, by name."""
    folders = [Path(place) / "experiments" for place in oversight.__path__]
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}


def _lines(node: yaml.Node | None, path: Path) -> dict[KeyPath, int]:
    """The line on which each part of the document begins, by its path of keys and list places."""
    lines: dict[KeyPath, int] = {}

    def visit(node: yaml.Node | None, where: KeyPath, around: tuple[int, ...] = ()) -> None:
        if node is not None and id(node) in around:
            raise UsageError(f"{path}:{node.start_mark.line + 1}: {where[0]}: this part holds itself")
        pairs: Sequence[tuple[str | int, yaml.Node, yaml.Node]] = ()
        if isinstance(node, yaml.MappingNode):
            pairs = [(str(key.value), key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            pairs = [(place, value, value) for place, value in enumerate(node.value)]
        for key, at, value in pairs:
            if (*where, key) in lines:
                raise UsageError(f"{path}:{at.start_mark.line + 1}: '{key}' is given twice")
            lines[(*where, key)] = at.start_mark.line + 1
            visit(value, (*where, key), (*around, id(node)))

    visit(node, ())
    return lines
