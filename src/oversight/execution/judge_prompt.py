"""A researcher's own words for the judge of stored transcripts: templates in place of those of the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from jinja2 import Environment, TemplateSyntaxError
from jinja2.meta import find_referenced_templates
from pydantic import BaseModel, ConfigDict

from oversight.core.elicitation import without_instruction
from oversight.core.message import Kind, Message
from oversight.core.question import Question
from oversight.core.side import Side
from oversight.errors import ProtocolError, UsageError
from oversight.prompting.markup import Trusted
from oversight.prompting.templates import Templates
from oversight.store import Transcript
from oversight.util.digest import digest

__all__ = ["VALUES", "JudgePrompt", "judge_values"]

_REQUEST, _BRIEF = "decide", "judge"

VALUES = ("question", "labels", "options", "seat", "turn", "defended", "asked", "brief")
"""The names that a judge prompt may use."""


class JudgePrompt(BaseModel):
    """One way to ask a judge for its verdict on a stored transcript.

    Attributes:
        name: the name of the file or folder that it was read from.
        templates: template name -> Jinja2 source. ``decide`` is the request for the verdict, ``judge`` the brief of
            the seat that decides; what is missing keeps its stored words. Others can be included by these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    templates: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a template file, which words the request, or a folder with ``decide.j2``, ``judge.j2`` or both.

        Raises:
            UsageError: it cannot be read, holds neither of the two, or one of them is blank.
        """
        try:
            if path.is_dir():
                found = {file.stem: file.read_text(encoding="utf-8") for file in sorted(path.glob("*.j2"))}
            else:
                found = {_REQUEST: path.read_text(encoding="utf-8")}
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"{path}: cannot be read: {reason}") from None
        used = [name for name in (_REQUEST, _BRIEF) if name in found]
        if not used:
            raise UsageError(f"{path}: holds neither {_REQUEST}.j2 (the request) nor {_BRIEF}.j2 (the judge's brief)")
        for name in used:
            if not found[name].strip():
                raise UsageError(f"{path}: the template '{name}' is blank")
        return cls(name=path.resolve().name, templates=_reached(found, used, path))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What tells this prompt's judgements from those of others: the name, a digest of the words, and the words."""
        return {"name": self.name, "digest": digest(self.templates, length=12), "templates": self.templates}

    def request(self, values: Mapping[str, Any], stored: str | None) -> str | None:
        """Return the words in which the verdict is asked for, the stored ones where this prompt has none.

        Raises:
            ProtocolError: the template uses a name that is not in ``values``.
        """
        words = self._rendered(_REQUEST, values)
        return stored if words is None else words

    def briefed(self, messages: Sequence[Message], values: Mapping[str, Any], question: Question) -> list[Message]:
        """Return the messages with the judge's brief in these words; the question stays behind it as it was shown.

        Raises:
            ProtocolError: the template uses a name that is not in ``values``.
        """
        words = self._rendered(_BRIEF, values)
        if words is None:
            return list(messages)
        seat = str(values["seat"])
        return [
            message.model_copy(update={"text": f"{words}\n\n{_behind(message.text, question)}"})
            if _briefs(message, seat)
            else message
            for message in messages
        ]

    def check(self, transcript: Transcript, seat: str, messages: Sequence[Message], asked: Message | None) -> None:
        """Render both templates for one transcript.

        Raises:
            UsageError: one cannot be rendered.
        """
        values = judge_values(transcript, seat, messages, asked)
        try:
            self.request(values, None)
            self.briefed(messages, values, transcript.question)
        except ProtocolError as error:
            raise UsageError(f"{self.name}: {error}; names it may use: {', '.join(VALUES)}") from None

    @cached_property
    def _loaded(self) -> Templates:
        return Templates(self.templates)

    def _rendered(self, name: str, values: Mapping[str, Any]) -> str | None:
        return self._loaded.render(name, values) if name in self.templates else None


def judge_values(
    transcript: Transcript, seat: str, messages: Sequence[Message], asked: Message | None
) -> dict[str, Any]:
    """Return what the templates of a judge prompt may use, by the names in `VALUES`.

    ``asked`` and ``brief`` are the stored words, without the form of the reply and the question that the framework
    adds; ``defended`` is seat -> label of the answer it argues for; ``options`` are the protocol's.
    """
    question = transcript.question
    brief = next((message.text for message in messages if _briefs(message, seat)), "")
    return {
        "question": question,
        "labels": question.labels,
        "options": transcript.spec.options,
        "seat": seat,
        "turn": asked.turn if asked else None,
        "defended": _defended(transcript.sides, question),
        "asked": Trusted(without_instruction(asked.text, question.labels) if asked else ""),
        "brief": Trusted(brief.removesuffix(_behind(brief, question)).strip()),
    }


def _reached(found: Mapping[str, str], used: Sequence[str], path: Path) -> dict[str, str]:
    """The templates in use and those that they include: an edit to another one makes no other prompt.

    Raises:
        UsageError: one of them is no Jinja2 template.
    """
    reached: dict[str, str] = {}
    waiting = list(used)
    while waiting:
        name = waiting.pop()
        if name in reached or name not in found:
            continue
        reached[name] = found[name]
        try:
            included = find_referenced_templates(Environment(autoescape=True).parse(found[name]))
        except TemplateSyntaxError as error:
            raise UsageError(f"{path}: the template '{name}', line {error.lineno}: {error.message}") from None
        # A name that is worked out while rendering is None: then every template may be meant.
        waiting += [each for name in included for each in ([name] if name is not None else found)]
    return reached


def _defended(sides: Sequence[Side], question: Question) -> dict[str, str]:
    return {side.seat: question.labels[side.argues] for side in sides if side.argues is not None}


def _briefs(message: Message, seat: str) -> bool:
    return message.kind is Kind.BRIEF and message.is_own(seat)


def _behind(brief: str, question: Question) -> str:
    """The question in a brief and what follows it; the question as the framework shows it where it is not there."""
    for solutions in (True, False):
        block = question.block(solutions=solutions)
        if block in brief:
            return brief[brief.index(block) :]
    return question.block()
