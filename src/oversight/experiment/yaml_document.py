"""An experiment file as read: its data, and where in the file each part of it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from oversight.errors import ProtocolError, UsageError, YamlError
from oversight.experiment.plain_yaml import MOST_BYTES, KeyPath, read_yaml
from oversight.models.litellm.litellm_settings import LiteLLMSettings
from oversight.plugins import nearest
from oversight.util.checkout import experiments_folder
from oversight.util.describe import describe_error, message_of

__all__ = ["KeyPath", "YamlDocument", "read_source"]

_CLOSE = 0.8
"""How alike two words are of which one is surely the other misspelt."""

M = TypeVar("M", bound=BaseModel)


class YamlDocument:
    """Points at lines: every complaint about an experiment says where, what, and the nearest valid word.

    What was written on the command line has no lines; its option's name stands for the path.
    """

    def __init__(
        self, path: Path, lines: Mapping[KeyPath, int], moved: Mapping[KeyPath, KeyPath] | None = None
    ) -> None:
        self.path = path
        self._lines = lines
        self._moved = moved or {}

    def moved(self, places: Mapping[KeyPath, KeyPath]) -> YamlDocument:
        """The same file for data that was put together from its parts: place in the data -> place in the file."""
        return YamlDocument(self.path, self._lines, places)

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
        except (ProtocolError, UsageError) as error:
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
                raise self.problem(place, f"unknown key{_meant(str(first['loc'][-1]), known)}") from None
            message = message_of(first)
            # A model's entry may hold a key where none belongs, so it is never repeated.
            unsaid = first["type"] in ("missing", "value_error", "assertion_error")
            silent = unsaid or model.model_config.get("hide_input_in_errors")
            given = "" if silent else f", not {first['input']!r:.60}"
            raise self.problem(place, message[0].lower() + message[1:] + given) from None
        except Exception as error:  # a plugin's validator may raise anything
            raise self.problem(where, f"its own check of them failed: {describe_error(error)}") from error


def _meant(key: str, known: list[str]) -> str:
    """What was probably meant by an unknown key: a known one, one that belongs elsewhere, or else all known ones."""
    elsewhere = difflib.get_close_matches(key, LiteLLMSettings.model_fields, n=1, cutoff=_CLOSE)
    if elsewhere and not difflib.get_close_matches(key, known, n=1, cutoff=_CLOSE):
        return f": '{elsewhere[0]}' is a setting of a model under 'models' that LiteLLM serves, and is not known here"
    return nearest(key, known) or (f"; valid keys: {', '.join(known)}" if known else "; it takes none")


def _keys(model: type[BaseModel], within: KeyPath) -> list[str]:
    """The keys that ``model`` knows at a place inside it."""
    for key in within:
        field = model.model_fields.get(str(key))
        if field is not None:
            inner = [field.annotation, *get_args(field.annotation)]
            model = next((t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def read_source(path: Path) -> tuple[dict[str, Any], YamlDocument]:
    """Read a YAML file, or one of the shipped experiments by its bare name.

    Raises:
        UsageError: it is missing, no valid YAML, repeats a key, or is not a mapping.
    """
    shipped = _shipped()
    if not path.exists() and str(path) in shipped:
        path = shipped[str(path)]
    text = _text(path, shipped)
    try:
        data, lines = read_yaml(text)
    except YamlError as error:
        raise UsageError(f"{path}:{error.line}: {error}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}:1: an experiment file is a mapping with name, task, models and protocols")
    return data, YamlDocument(path, lines)


def _text(path: Path, shipped: Mapping[str, Path]) -> str:
    try:
        with path.open("rb") as file:
            # One byte more than is allowed, so that an endless file ends too; YAML's reader counts them.
            return file.read(MOST_BYTES + 1).decode("utf-8-sig")
    except FileNotFoundError:
        near = [*shipped, *(str(p) for p in path.parent.glob("*.yaml"))]
        raise UsageError(f"{path}: there is no such file{nearest(str(path), near)}") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text ({error.reason})") from None


def _shipped() -> dict[str, Path]:
    """The experiments that come with the package, by name."""
    return {file.stem: file for file in sorted(experiments_folder().glob("*.yaml"))}
