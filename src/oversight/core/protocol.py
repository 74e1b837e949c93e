"""The base class of every protocol plugin."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from oversight.core.episode import Episode
from oversight.core.question import Question
from oversight.core.side import Assignment
from oversight.core.verdict import Verdict
from oversight.plugins import Pluggable, PluginKind

__all__ = ["Distillable", "Protocol"]


class Protocol(Pluggable, ABC):
    """A procedure that leads a judge to a verdict on a question.

    A subclass gives its ``name``, its ``Options`` and `run`; its docstring is what ``oversight protocols``
    shows. Its prompts are Jinja2 files in a folder ``prompts`` beside its module. ``version`` is part of
    every episode's id: raise it when a change means that old episodes no longer count.

    Attributes:
        name: the name experiments use.
        version: bumped when what the protocol does changes.
        roles: the roles the experiment must bind to models.
        baseline: whether, with these options, it is what other protocols are compared with: the judge without help.
        ceiling: whether, with these options, it is the most that oversight could reach: the judge who knows all that
            the experts know. A property may decide both by ``self.options``.
    """

    plugin_kind = PluginKind("protocol", "oversight.protocols")

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    roles: ClassVar[tuple[str, ...]] = ("judge", "strong")

    @property
    def baseline(self) -> bool:
        """Whether other protocols are compared with this one; by default not."""
        return False

    @property
    def ceiling(self) -> bool:
        """Whether this is the most that other protocols could reach; by default not."""
        return False

    class Options(BaseModel):
        """What an experiment may set; every field has a default and a description."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, options: BaseModel | None = None) -> None:
        self.options: Any = options if options is not None else self.Options()

    def needs(self) -> tuple[str, ...]:
        """The roles that these options need a model for; by default all."""
        return self.roles

    def assignments(self, question: Question, rng: random.Random) -> Sequence[Assignment] | None:
        """Every way in which the sides are to be assigned; each becomes an episode of its own.

        None, the default, leaves it to the engine: one episode per answer if `run` reads
        ``episode.assigned``, else a single one. A protocol that draws an assignment draws it from ``rng``,
        which depends on the seed and the question alone.
        """
        return None

    @abstractmethod
    async def run(self, episode: Episode) -> Verdict:
        """Carry out the procedure on one question and return the judge's verdict."""


class Distillable(Protocol):
    """A protocol from whose episodes a model can learn to do alone what it did with help.

    Each annotation of kind ``node`` that its verdict holds is a question (``question``) and what it was answered
    (``answer``, None where it was not answered), unless it repeats another one (``how`` is ``memo``).
    """

    @abstractmethod
    async def answer_alone(self, episode: Episode, question: str) -> object:
        """Have the strong model answer one such question by itself, as it would without help."""
