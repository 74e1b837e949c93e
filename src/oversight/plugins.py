"""Finding plugins: installed ones by entry point, others by ``package.module:Class`` or ``./file.py:Class``."""

from __future__ import annotations

import difflib
import importlib
import inspect
import linecache
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import ClassVar, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from oversight.errors import UsageError
from oversight.util.describe import describe_error
from oversight.util.digest import digest
from oversight.util.entry_points import distribution_of, read_entry_points, wrong_value

__all__ = ["Pluggable", "Plugin", "PluginKind", "find_plugin", "installed", "nearest", "wrong_with"]

_LONGEST_NAME = 80
_LISTED = 3


class PluginKind(NamedTuple):
    """A kind of plugin: the word for it in messages, and its entry-point group."""

    word: str
    group: str


class Pluggable:
    """The base of the classes that plugins subclass; each of those is a kind of plugin of its own."""

    plugin_kind: ClassVar[PluginKind]


T = TypeVar("T", bound=Pluggable)


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
        word = kind.plugin_kind.word
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
def _entry_points(group: str) -> dict[str, tuple[metadata.EntryPoint, ...]]:
    return read_entry_points(group)


def installed(kind: type[Pluggable]) -> dict[str, metadata.EntryPoint]:
    """The installed plugins of one kind by name; of a name that two distributions claim, one of them."""
    return {name: points[0] for name, points in _entry_points(kind.plugin_kind.group).items()}


def find_plugin(kind: type[Pluggable], reference: str, base: Path = Path()) -> Plugin:
    """Look a plugin up by what an experiment file calls it; a file's path starts at ``base``.

    Raises:
        UsageError: there is no such plugin; the message names the nearest installed one.
    """
    word = kind.plugin_kind.word
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


def _only_point(kind: type[Pluggable], name: str) -> metadata.EntryPoint:
    """The one entry point of a name."""
    word, known = kind.plugin_kind.word, _entry_points(kind.plugin_kind.group)
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


def wrong_with(cls: type, kind: type) -> str | None:
    """Say in one line what a subclass of ``kind`` lacks or has of the wrong type; None if nothing."""
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        return f"it does not define {', '.join(missing[:_LISTED])}"
    if "name" in kind.__annotations__ and (wrong := _wrong_name(getattr(cls, "name", None))):
        return wrong
    for attribute in ("Options", "Settings"):
        expected, given = getattr(kind, attribute, None), getattr(cls, attribute, None)
        base = expected if attribute == "Settings" and isinstance(expected, type) else BaseModel
        if expected is not None and not (isinstance(given, type) and issubclass(given, base)):
            return f"{attribute} is not a pydantic model: write 'class {attribute}({kind.__name__}.{attribute}):'"
    if hasattr(kind, "roles") and (wrong := _wrong_roles(getattr(cls, "roles", None))):
        return wrong
    if inspect.isasyncgenfunction(getattr(cls, "run", None)):
        return "run yields: write 'return' where it says 'yield'"
    return None


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


def _wrong_name(name: object) -> str | None:
    if name is None:
        return "it has no name: write 'name = \"…\"' in its body"
    if not isinstance(name, str):
        return f"its name is {type(name).__name__}, not a text: write 'name = \"…\"'"
    if not name or name != name.strip() or not name.isprintable():
        return "its name is empty, or has white space around it or characters that cannot be printed"
    if len(name) > _LONGEST_NAME:
        return f"its name has {len(name)} characters, and {_LONGEST_NAME} are the most that reports show"
    return None


def _wrong_roles(roles: object) -> str | None:
    if isinstance(roles, str):
        return f"roles is the text {roles!r:.40}: write roles = ({roles!r:.40},), with a comma"
    if not isinstance(roles, tuple | list) or not all(isinstance(role, str) and role for role in roles):
        return 'roles is not a tuple of names: write roles = ("judge", "strong")'
    if len(set(roles)) < len(roles):
        return f"roles names one role twice: {', '.join(roles)}"
    return None
