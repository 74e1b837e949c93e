"""Finding plugins: installed ones by entry point, others by ``package.module:Class`` or ``./file.py:Class``."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import linecache
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from oversight.digest import digest
from oversight.errors import UsageError
from oversight.ida.task import FactoredTask
from oversight.imports.base import Importer
from oversight.models.base import ChatModel
from oversight.protocol import Protocol
from oversight.tasks.base import Task

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
            UsageError: it cannot be imported, or is not a ``kind``.
        """
        word = GROUPS[kind][0]
        try:
            module = self._module()
        except Exception as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"{self._where}: cannot be imported: {type(error).__name__}: {reason}") from error
        found = getattr(module, self.qualname, None)
        if not (isinstance(found, type) and issubclass(found, kind)):
            classes = [name for name, value in vars(module).items() if _is_own(value, kind, module)]
            raise UsageError(f"{self._where}: no {word} class '{self.qualname}'{nearest(self.qualname, classes)}")
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
def installed(kind: type) -> dict[str, metadata.EntryPoint]:
    """The installed plugins of one kind by name."""
    return {point.name: point for point in sorted(metadata.entry_points(group=GROUPS[kind][1]))}


def find_plugin(kind: type, reference: str, base: Path = Path()) -> Plugin:
    """Look a plugin up by what an experiment file calls it; a file's path starts at ``base``.

    Raises:
        UsageError: there is no such plugin; the message names the nearest installed one.
    """
    word = GROUPS[kind][0]
    if ":" not in reference:
        points = installed(kind)
        if reference not in points:
            known = f"; installed: {', '.join(points)}" if points else ""
            raise UsageError(f"unknown {word} '{reference}'{nearest(reference, points)}{known}")
        point = points[reference]
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


def nearest(word: str, known: Iterable[str]) -> str:
    """`` - did you mean 'x'?`` for the known word closest to ``word``, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" - did you mean '{close[0]}'?" if close else ""


def _is_own(value: object, kind: type, module: ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, kind) and value.__module__ == module.__name__


def _folder_of(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # finding a module runs the code of its package; loading it will say what is wrong
        return None
    return Path(spec.origin).parent if spec and spec.origin else None


def _prompts(folder: Path | None) -> dict[str, str]:
    if folder is None or not (folder / "prompts").is_dir():
        return {}
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted((folder / "prompts").glob("*.j2"))}
