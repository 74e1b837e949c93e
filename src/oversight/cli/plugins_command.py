"""``oversight protocols`` and ``oversight tasks``: what is installed, and what it takes."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

from pydantic import BaseModel

from oversight.cli.output import Format, err, out, plain, print_frame
from oversight.core.protocol import Protocol
from oversight.core.question import Item
from oversight.errors import UsageError
from oversight.plugins import find_plugin, installed
from oversight.prompting.templates import Templates
from oversight.tasks.dataset_files import FileTask
from oversight.tasks.task import Task
from oversight.util.entry_points import distribution_of

__all__ = ["PluginEntry", "complain_of", "find_listed", "list_plugins", "show_protocol", "show_task"]

_LONGEST = 300
"""Characters of a description's first line that are shown."""


class PluginEntry(NamedTuple):
    """One installed plugin as lists show it.

    Attributes:
        name: what experiments call it.
        description: the first line of its docstring; empty for one that cannot be used.
        fault: why it cannot be used, in one line that names its distribution; None if it can.
    """

    name: str
    description: str
    fault: str | None


def find_listed(kind: type) -> list[PluginEntry]:
    """Every installed plugin of a kind, those that cannot be used too; what their modules print goes to stderr."""
    found = []
    for name, point in installed(kind).items():
        try:
            with redirect_stdout(sys.stderr):
                cls: type[object] = find_plugin(kind, name).load(kind)
        except UsageError as error:
            origin = distribution_of(point)
            said = str(error) if origin in str(error) else f"'{name}' of {origin}: {error}"
            found.append(PluginEntry(name, "", said))
        else:
            found.append(PluginEntry(name, (inspect.getdoc(cls) or "").partition("\n")[0][:_LONGEST], None))
    return found


def list_plugins(kind: type, form: Format = Format.TABLE) -> None:
    """Print each installed plugin's name and what it does, and why some cannot be used."""
    listed = find_listed(kind)
    columns = ["name", "what it does", "fault"]
    rows: list[tuple[str | None, ...]] = [tuple(each) for each in listed]
    if form is Format.TABLE:
        columns.pop()
        rows = [(each.name, each.description if each.fault is None else "(cannot be used)") for each in listed]
    print_frame(columns, rows, form)
    complain_of(listed)


def complain_of(listed: Sequence[PluginEntry]) -> None:
    """Say on stderr, one line each, what is wrong with installed plugins."""
    for each in listed:
        if each.fault is not None:
            err.print(plain(f"warning: {each.fault}"), soft_wrap=True)


def show_protocol(name: str) -> None:
    """Print one protocol's description, roles, options and prompts."""
    plugin = find_plugin(Protocol, name, Path())
    cls = plugin.load(Protocol)
    _print_head(cls.name, cls)
    out.print(plain(f"roles: {', '.join(cls.roles)}\n"))
    _print_options(cls.Options)
    templates = Templates(plugin.prompts)
    for template in sorted(templates.sources):
        out.print(plain(f"── prompt {template}.j2" + ("" if template in plugin.prompts else " (the framework's)")))
        out.print(plain(templates.sources[template].strip() + "\n"))


def show_task(name: str) -> None:
    """Print one task's description, options and, where it can show one, an example question."""
    cls = find_plugin(Task, name, Path()).load(Task)
    _print_head(cls.name, cls)
    _print_options(cls.Options)
    if issubclass(cls, FileTask):
        out.print(plain(f"── a record of its file\n{json.dumps(cls.sample, ensure_ascii=False, indent=2)}\n"))
    item = cls.example()
    if item is not None:
        _print_item(item)


def _print_item(item: Item) -> None:
    question = item.question
    out.print(plain(f"── example: {question.id}\n{question.prompt}\n"))
    for place, (label, answer) in enumerate(zip(question.labels, question.answers, strict=True)):
        out.print(plain(f"{label}  {answer.text}{'   (gold)' if place == item.gold else ''}"))
        if answer.solution:
            out.print(plain(indent(answer.solution, "   ")))
    if question.material:
        out.print(plain(f"\nmaterial:\n{question.material}"))


def _print_head(name: str, cls: type) -> None:
    out.print(plain(f"{name}\n\n{inspect.getdoc(cls) or ''}\n"))


def _print_options(options: type[BaseModel]) -> None:
    rows = []
    try:
        schemas = options.model_json_schema()["properties"] if options.model_fields else {}
    except Exception:  # a type of the plugin's own may have no schema
        schemas = {}
    for name, field in options.model_fields.items():
        default = "required" if field.is_required() else f"{field.get_default(call_default_factory=True)!r:.100}"
        rows.append(
            (field.alias or name, _kind(schemas.get(field.alias or name, {})), default, field.description or "")
        )
    if rows:
        print_frame(["option", "type", "default", "meaning"], rows, Format.TABLE)


def _kind(schema: dict[str, object]) -> str:
    if "enum" in schema and isinstance(schema["enum"], list):
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema and isinstance(schema["anyOf"], list):
        return " | ".join(str(part.get("type", "")) for part in schema["anyOf"])
    return str(schema.get("type", ""))
