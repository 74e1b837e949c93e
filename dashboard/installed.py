"""What is known of the installed plugins: their code is third-party code, in which anything may be wrong."""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel

from oversight.core.bounded_run import run_bounded
from oversight.core.conduct import conduct
from oversight.core.episode import Episode
from oversight.core.message import PROTOCOL, Kind, Message
from oversight.core.protocol import Protocol
from oversight.core.question import Answer, Question
from oversight.models.base import ModelSettings
from oversight.models.client import ModelCast
from oversight.models.dry_run_model import DryRunModel
from oversight.plugins import Plugin, find_plugin, installed
from oversight.prompting.templates import Templates
from oversight.util.aio import run_sync
from oversight.util.secrets import redact

__all__ = ["Found", "Option", "SeatSeen", "experiment_with", "find_all", "find_one", "options_of", "seats_of"]

_PATIENCE_S = 5
_PATH = re.compile(r"(?:~|/)[^\s'\":,()]*/([^\s'\":,()/]+)")
_WEAK = ("judge", "overseer")


class Option(NamedTuple):
    """One option, as an experiment file sets it."""

    name: str
    kind: str
    default: str
    meaning: str


class SeatSeen(NamedTuple):
    """A seat as a dry run saw it: what it argues, writes (and to whom), and whom it reads."""

    seat: str
    role: str
    argues: str
    material: bool
    writes: str
    reads: str


class Found(NamedTuple):
    """One installed plugin; ``error`` says what is wrong with one that cannot be used, which then has no class.

    Attributes:
        name: what experiments call it.
        package: the distribution that it came with, and its version; empty if that is unknown.
        description: its docstring.
    """

    name: str
    package: tuple[str, str]
    description: str
    plugin: Plugin | None
    cls: type[Any] | None
    options: list[Option]
    error: str | None


def find_all(kind: type) -> list[Found]:
    """Every installed plugin of a kind, the broken ones too."""
    return [find_one(kind, name, point) for name, point in installed(kind).items()]


def find_one(kind: type, name: str, point: EntryPoint) -> Found:
    """One installed plugin."""
    package = (point.dist.name, point.dist.version) if point.dist else ("", "")
    try:
        plugin = find_plugin(kind, name)
        cls: type[Any] = plugin.load(kind)
        options = options_of(cls.Options)
    except (Exception, SystemExit) as error:  # whatever a plugin does, the page shows the others
        return Found(name, package, "", None, None, [], without_paths(redact(f"{type(error).__name__}: {error}")))
    return Found(name, package, inspect.getdoc(cls) or "", plugin, cls, options, None)


def without_paths(text: str) -> str:
    """A text in which of every path no more than its end is left."""
    return _PATH.sub(r"…/\1", text)


def options_of(options: type[BaseModel]) -> list[Option]:
    """What an experiment may set."""
    schema = options.model_json_schema()
    known = schema.get("$defs", {})
    return [
        Option(
            field.alias or name,
            _kind(schema["properties"][field.alias or name], known),
            "required" if field.is_required() else _written(field.get_default(call_default_factory=True)),
            field.description or "",
        )
        for name, field in options.model_fields.items()
    ]


def _written(default: object) -> str:
    return json.dumps(default, ensure_ascii=False, default=str)


def _kind(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """A JSON schema in words."""
    if "$ref" in schema:
        return _kind(known.get(schema["$ref"].rpartition("/")[2], {}), known)
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    parts = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if parts:
        return " | ".join(_kind(part, known) for part in parts)
    word = {"array": "list", "object": "mapping"}.get(str(schema.get("type")), schema.get("type"))
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_kind(schema['items'], known)}"
    return f"{word or 'anything'}{_limits(schema)}"


def _limits(schema: Mapping[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return "".join(f" {sign} {schema[name]}" for name, sign in words.items() if name in schema)


def experiment_with(found: Found) -> str:
    """A whole experiment file with this protocol and what it does unless told otherwise."""
    assert found.cls is not None
    defaults = {
        option.name: json.loads(option.default)
        for option in found.options
        if option.default not in ("required", "null")
    }
    needed = found.cls(found.cls.Options()).needs() if not _required(found) else found.cls.roles
    models = {role: {"model": "openai/gpt-5-nano" if role in _WEAK else "openai/gpt-5"} for role in needed}
    asked = {name: "…" for name in _required(found)}
    entry: object = {found.name: {**asked, **defaults}} if defaults or asked else found.name
    parts: dict[str, object] = {"name": f"my-{found.name.replace('_', '-')}"}
    parts |= {"task": {"name": "arithmetic", "questions": 20}, "models": models, "protocols": [entry]}
    return yaml.safe_dump(parts, sort_keys=False, default_flow_style=None, width=88, allow_unicode=True)


def _required(found: Found) -> list[str]:
    return [option.name for option in found.options if option.default == "required"]


_SAMPLE = Question(
    id="sample",
    prompt="Which of the two was named in the letter?",
    answers=(Answer(text="the harbour", solution="It says so."), Answer(text="the mill", solution="It must be.")),
    material="The letter of 1871 names the old mill, not the harbour.",
)


def seats_of(found: Found) -> list[SeatSeen] | str:
    """Who sits in a protocol with its default options, from a dry run in which no model is called; or why not."""
    assert found.cls is not None
    assert found.plugin is not None
    try:
        protocol: Protocol = found.cls(found.cls.Options())
        asked = protocol.assignments(_SAMPLE, random.Random(0))
        cast = ModelCast({role: (DryRunModel(ModelSettings(model="dry run")),) for role in protocol.roles})
        episode = Episode(
            _SAMPLE,
            templates=Templates(found.plugin.prompts),
            cast=cast,
            options=protocol.options,
            assignment=asked[0] if asked else (0,),
            dry_run=True,
        )
        run_sync(asyncio.wait_for(run_bounded(episode.usage, conduct(protocol, episode)), _PATIENCE_S))
        return list(_seen(episode))
    except (Exception, SystemExit) as error:
        return without_paths(redact(f"{type(error).__name__}: {error}"))


def _seen(episode: Episode) -> Iterator[SeatSeen]:
    roles = {call.seat: call.role for call in episode.calls}
    argued = {side.seat: side for side in episode.sides}
    names = [m.author for m in episode.messages] + [s for m in episode.messages for s in m.audience or ()]
    seats = [name for name in dict.fromkeys((*argued, *names)) if name != PROTOCOL]
    for seat in seats:
        own = [m for m in episode.messages if m.author == seat]
        heard = [m.author for m in episode.messages if m.author not in (seat, PROTOCOL) and m.readable_by(seat)]
        side = argued.get(seat)
        yield SeatSeen(
            seat,
            roles.get(seat, "-"),
            "" if side is None else "an answer" if side.argues is not None else "anything else",
            any(m.kind is Kind.MATERIAL and m.readable_by(seat) for m in episode.messages),
            ", ".join(dict.fromkeys(_wrote(m) for m in own)),
            ", ".join(dict.fromkeys(heard)),
        )


def _wrote(message: Message) -> str:
    to = "all" if message.audience is None else ", ".join(message.audience)
    return f"{message.kind.value} to {to}" if to else f"{message.kind.value} (private)"
