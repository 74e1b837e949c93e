"""Finding plugins: installed ones by entry point, others by ``package.module:Class`` or ``./file.py:Class``."""

from __future__ import annotations

import difflib
import importlib
import linecache
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from oversight.core.plugin_shape import wrong_with
from oversight.core.protocol import Protocol
from oversight.errors import UsageError
from oversight.importers.importer import Importer
from oversight.models.base import ChatModel
from oversight.tasks.task import Task
from oversight.training.embedded.factored_task import FactoredTask
from oversight.util.describe import describe_error
from oversight.util.digest import digest
from oversight.util.entry_points import distribution_of, read_entry_points, wrong_value

__all__ = ["Plugin", "find_plugin", "installed", "nearest"]

GROUPS: dict[type, tuple[str, str]] = {
    Protocol: ("protocol", "oversight.protocols"),
    Task: ("task", "oversight.tasks"),
    ChatModel: ("model", "oversight.models"),
    FactoredTask: ("embedded task", "oversight.embedded_tasks"),
    Importer: ("import source", "oversight.imports"),
}
"""What each kind of plugin is called, and its entry-point group."""

T = TypeVar("T")


class Plugin(BaseModel):
    """Where a plugin class is, in a form that any worker can load.

    A class from a file of the user's carries the file's source, because workers may not have the file;
    ``prompts`` are the templates found beside the code, for the same reason.
    """

    model_config = ConfigDict(frozen=True)

    module: str
    qualname: str
    path: str | None = None
    source: str | None = None
    prompts: dict[str, str] = {}

    @classmethod
    def of(cls, found: type) -> Plugin:
        """The plugin that an importable class is."""
        return cls(module=found.__module__, qualname=found.__name__, prompts=_prompts(_folder_of(found.__module__)))

    def load(self, kind: type[T]) -> type[T]:
        """Import the class.

        Raises:
            UsageError: it cannot be imported, is not a ``kind``, or lacks what a ``kind`` has.
        """
        word = GROUPS[kind][0]
        try:
            module = self._module()
            found = getattr(module, self.qualname, None)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module may ask for the process to end as well
            raise UsageError(f"{self._where}: cannot be imported: {describe_error(error)}") from error
        if not (isinstance(found, type) and issubclass(found, kind)):
            classes = [name for name, value in vars(module).items() if _is_own(value, kind, module)]
            raise UsageError(f"{self._where}: no {word} class '{self.qualname}'{nearest(self.qualname, classes)}")
        if wrong := wrong_with(found, kind):
            raise UsageError(f"{self._where}: {word} class '{self.qualname}': {wrong}")
        return found

    @property
    def fingerprint(self) -> str:
        """A digest of the prompts, and of the source where it travels along: what an edit changes."""
        return digest([self.source, self.prompts], length=8)

    @property
    def origin(self) -> str:
        """The class as a report tells it from others of its name: by module, or by the name of its file."""
        return f"{Path(self.path).name if self.path else self.module}:{self.qualname}"

    @property
    def _where(self) -> str:
        return self.path or self.module

    def _module(self) -> ModuleType:
        if self.source is None:
            return importlib.import_module(self.module)
        if self.module not in sys.modules:
            filename = self.path or f"<{self.module}>"
            module = ModuleType(self.module)
            module.__file__ = filename
            code = compile(self.source, filename, "exec")
            linecache.cache[filename] = (len(self.source), None, self.source.splitlines(keepends=True), filename)
            sys.modules[self.module] = module
            try:
                exec(code, module.__dict__)  # noqa: S102 - the user's own plugin file
            except BaseException:
                del sys.modules[self.module]
                raise
        return sys.modules[self.module]


@cache
def _entry_points(kind: type) -> dict[str, tuple[metadata.EntryPoint, ...]]:
    return read_entry_points(GROUPS[kind][1])


def installed(kind: type) -> dict[str, metadata.EntryPoint]:
    """The installed plugins of one kind by name; of a name that two distributions claim, one of them."""
    return {name: points[0] for name, points in _entry_points(kind).items()}


def find_plugin(kind: type, reference: str, base: Path = Path()) -> Plugin:
    """Look a plugin up by what an experiment file calls it; a file's path starts at ``base``.

    Raises:
        UsageError: there is no such plugin; the message names the nearest installed one.
    """
    word = GROUPS[kind][0]
    if ":" not in reference:
        point = _only_point(kind, reference)
        return Plugin(module=point.module, qualname=point.attr, prompts=_prompts(_folder_of(point.module)))
    place, _, qualname = reference.rpartition(":")
    if not place.endswith(".py"):
        return Plugin(module=place, qualname=qualname, prompts=_prompts(_folder_of(place)))
    path = (base / place).resolve()
    if not path.is_file():
        raise UsageError(f"{word} '{reference}': there is no file {path}")
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{word} '{reference}': {path} cannot be read: {error}") from None
    return Plugin(
        module=f"oversight_plugin_{path.stem}_{digest([str(path), source], length=8)}",
        qualname=qualname,
        path=str(path),
        source=source,
        prompts=_prompts(path.parent),
    )


def _only_point(kind: type, name: str) -> metadata.EntryPoint:
    """The one entry point of a name."""
    word, known = GROUPS[kind][0], _entry_points(kind)
    if name not in known:
        listed = f"; installed: {', '.join(known)}" if known else ""
        raise UsageError(f"unknown {word} '{name}'{nearest(name, known)}{listed}")
    points = known[name]
    if len(points) > 1:
        claims = " and by ".join(f"{distribution_of(point)} ({point.value})" for point in points)
        fix = f"uninstall one, or name the class, as in '{points[0].value}'"
        raise UsageError(f"{word} '{name}' is installed by {claims}: {fix}")
    if wrong := wrong_value(points[0]):
        raise UsageError(f"{word} '{name}' of {distribution_of(points[0])}: {wrong}")
    return points[0]


def nearest(word: str, known: Iterable[str]) -> str:
    """`` - did you mean 'x'?`` for the known word closest to ``word``, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" - did you mean '{close[0]}'?" if close else ""


def _is_own(value: object, kind: type, module: ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, kind) and value.__module__ == module.__name__


def _folder_of(module: str) -> Path | None:
    """Find the folder of a module's file, and run no code of the packages around it, as `find_spec` would."""
    path: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        loaded = sys.modules.get(name)
        spec = getattr(loaded, "__spec__", None) or _spec(name, path)
        if spec is None:
            return None
        path = getattr(loaded, "__path__", spec.submodule_search_locations)
    return Path(spec.origin).parent if spec and spec.origin and spec.has_location else None


def _spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            found = finder.find_spec(name, path)
        except Exception:  # loading it will say what is wrong
            return None
        if found is not None:
            return found
    return None


def _prompts(folder: Path | None) -> dict[str, str]:
    if folder is None or not (folder / "prompts").is_dir():
        return {}
    prompts = {}
    for file in sorted((folder / "prompts").glob("*.j2")):
        try:
            prompts[file.stem] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"prompt template {file} cannot be read: {describe_error(error)}") from None
    return prompts
