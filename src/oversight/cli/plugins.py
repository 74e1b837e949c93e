"""``oversight protocols`` and ``oversight tasks``: what is installed, and what it takes."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from textwrap import indent

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from oversight.cli.output import Format, out, plain, print_frame
from oversight.protocol import Protocol
from oversight.question import Item
from oversight.registry import find_plugin, installed
from oversight.tasks.base import Task
from oversight.tasks.source import FileTask
from oversight.templates import Templates

__all__ = ["list_plugins", "show_protocol", "show_task"]


def list_plugins(kind: type) -> None:
    """Print each installed plugin's name and the first line of its description."""
    rows = []
    for name in installed(kind):
        description = inspect.getdoc(find_plugin(kind, name).load(kind)) or ""
        rows.append((name, description.partition("\n")[0]))
    print_frame(["name", "what it does"], rows, Format.TABLE)


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
    for name, field in options.model_fields.items():
        schema = options.model_json_schema()["properties"][name]
        default = "required" if field.default is PydanticUndefined else repr(field.default)
        rows.append((name, _kind(schema), default, field.description or ""))
    if rows:
        print_frame(["option", "type", "default", "meaning"], rows, Format.TABLE)


def _kind(schema: dict[str, object]) -> str:
    if "enum" in schema and isinstance(schema["enum"], list):
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema and isinstance(schema["anyOf"], list):
        return " | ".join(str(part.get("type", "")) for part in schema["anyOf"])
    return str(schema.get("type", ""))
