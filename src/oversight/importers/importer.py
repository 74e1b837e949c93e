"""What an importer is, and what it makes of one published transcript."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oversight.core.belief import Belief
from oversight.core.chat import CallRecord
from oversight.core.message import PROTOCOL, Kind, Message
from oversight.core.question import Item, Question
from oversight.core.side import Side
from oversight.core.verdict import Verdict
from oversight.errors import FailureClass
from oversight.plugins import Pluggable, PluginKind
from oversight.prompting.markup import escape

__all__ = ["UNKNOWN_TIME", "ImportInfo", "Imported", "Importer", "Reading", "brief", "material", "request"]

UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""When something happened that the source gives no time for."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reading(_Strict):
    """A later judgement of a transcript: by a person who read it afterwards, or by another model.

    Attributes:
        judge: an anonymous name of the person, or the model's.
        kind: which of the two.
        belief: the verdict; None exactly if ``failure`` says why there is none.
        settings: how it was judged; the same judge may judge twice only with different ones.
        seconds: how long it took.
        explanation: what the judge wrote.
    """

    judge: str = Field(min_length=1)
    kind: Literal["human", "model"] = "human"
    belief: Belief | None = None
    failure: str | None = None
    settings: dict[str, Any] = {}
    judged_at: datetime = UNKNOWN_TIME
    seconds: float | None = None
    explanation: str | None = None

    @model_validator(mode="after")
    def _is_a_verdict_or_a_failure(self) -> Self:
        if (self.belief is None) == (self.failure is None):
            raise ValueError("a judgement is either a belief or a failure")
        return self


class Imported(_Strict):
    """One published transcript.

    Attributes:
        name: what its source calls it, once in a source.
        where: file and line, for messages.
        item: the question with its gold answer, and ``order`` in which its answers were presented: for each
            place, the answer's place in the item. Beliefs and sides are in the order presented.
        task: what the questions are called in reports.
        arm: the row of the report that it belongs to.
        protocol, options: how the judge was led to the verdict, and with which settings.
        judge, strong: the judge, and the model or the people who argued, as reports show them.
        cast: role -> who took it, in the order of seats.
        sides: which seat argued what.
        messages: what was said, with the belief that a message holds; the judge's last word is a `Kind.VERDICT`.
        status: ``judged`` (abstentions are), ``failed`` with its class in ``failure``, or ``unjudged``: no judge
            has judged it, which is no fault of the protocol's and counts in no report.
        verdict: set exactly when ``status`` is ``judged``; its annotations are whatever else there is to keep.
        detail: one line about what is not judged or failed.
        judgements: what others made of the transcript.
        calls: model calls, where the source recorded them.
        included: whether the source's own filter lets it count.
    """

    name: str = Field(min_length=1)
    where: str
    item: Item
    order: tuple[int, ...]
    task: str = Field(min_length=1)
    arm: str = Field(min_length=1)
    protocol: str = Field(min_length=1)
    options: dict[str, Any] = {}
    judge: str | None = None
    strong: str | None = None
    cast: dict[str, tuple[str, ...]] = {}
    sides: tuple[Side, ...] = ()
    messages: tuple[Message, ...] = ()
    status: Literal["judged", "failed", "unjudged"] = "judged"
    verdict: Verdict | None = None
    failure: FailureClass | None = None
    detail: str | None = None
    judgements: tuple[Reading, ...] = ()
    calls: tuple[CallRecord, ...] = ()
    seed: int = 0
    repeat: int = 0
    started_at: datetime = UNKNOWN_TIME
    duration_s: float = Field(0.0, ge=0)
    included: bool = True

    @property
    def question(self) -> Question:
        """The question with its answers in the order presented."""
        return self.item.question.presented(self.order)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        answers = len(self.item.question.answers)
        if sorted(self.order) != list(range(answers)):
            raise ValueError(f"order: {self.order} is no order of {answers} answers")
        if (self.status == "judged") != (self.verdict is not None):
            raise ValueError("verdict: exactly a judged transcript has one")
        if (self.status == "failed") != (self.failure is not None):
            raise ValueError("failure: exactly a failed transcript has one")
        held = [message.belief for message in self.messages] + [each.belief for each in self.judgements]
        for belief in [*held, self.verdict and self.verdict.belief]:
            if belief and belief.probs is not None and len(belief.probs) != answers:
                raise ValueError(f"a belief has {len(belief.probs)} probabilities, but there are {answers} answers")
        for side in self.sides:
            if not all(place is None or 0 <= place < answers for place in (side.argues, side.against)):
                raise ValueError(f"sides: {side.seat} argues an answer that is not there")
        judges = [(each.judge, sorted(each.settings.items(), key=str)) for each in self.judgements]
        if any(judge in judges[:place] for place, judge in enumerate(judges)):
            raise ValueError("judgements: the same judge twice: tell the two apart in their settings")
        return self


class ImportInfo(NamedTuple):
    """What an importer says about a whole import.

    Attributes:
        run_name: what the run is called.
        filter: in words, what the source's own filter keeps; empty if it has none.
        experiment: keys of an experiment file that say how to report the run: ``report`` and ``published``.
    """

    run_name: str
    filter: str = ""
    experiment: Mapping[str, Any] = {}


class Importer(Pluggable, ABC):
    """Reads published transcripts of one form. Its docstring says which.

    Attributes:
        name: what ``oversight import`` calls it.
        version: raised when the same files come to mean something else, so that they are other episodes.
        restricted: the data's authors ask that its questions never be published in the clear.
        arms: arms in the order in which reports show them; others follow as they come.
    """

    plugin_kind = PluginKind("import source", "oversight.imports")

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    restricted: ClassVar[bool] = False
    arms: ClassVar[Sequence[str]] = ()

    class Options(BaseModel):
        """What ``--set`` may set."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, options: BaseModel | None = None) -> None:
        self.options: Any = options if options is not None else self.Options()

    @abstractmethod
    def episodes(self, path: Path) -> Iterator[Imported]:
        """Yield the transcripts in ``path``, always in the same order.

        It is read twice: everything is checked before anything is written.

        Raises:
            UsageError: something in it cannot be read; the message names file, line and field.
        """

    def source(self, path: Path, everything: bool) -> ImportInfo:
        """What the run is called, and how it is reported; ``everything`` if the source's filter is not applied."""
        return ImportInfo(self.name)


def brief(question: Question, seat: str, sides: Sequence[Side]) -> Message:
    """What a judge is told at the start: the question, and who argues for what, as judges are in published set-ups.

    The words are ours, because sources do not keep theirs.
    """
    lines = [f"Your seat in this exchange is called {escape(seat)}."]
    lines += [
        f"{escape(side.seat)} argues for answer {question.labels[side.argues]}."
        for side in sides
        if side.argues is not None
    ]
    text = "\n".join(lines) + f"\n\n{question.block()}"
    return Message(author=PROTOCOL, audience=(seat,), kind=Kind.BRIEF, text=text)


def material(text: str, seats: Sequence[str]) -> Message:
    """The material, for the seats that had it."""
    return Message(author=PROTOCOL, audience=tuple(seats), kind=Kind.MATERIAL, text=text)


def request(seat: str, turn: int | None = None) -> Message:
    """What a judge is asked before its verdict, in words of ours; ``oversight rejudge`` asks in the same words."""
    return Message(
        author=PROTOCOL, audience=(seat,), kind=Kind.REQUEST, turn=turn, text="Which of the answers is right?"
    )
