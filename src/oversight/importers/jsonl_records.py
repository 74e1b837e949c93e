"""One line of a JSON-lines file of judged transcripts: its fields, and what is said of a line that does not fit."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from oversight.core.belief import BeliefSource
from oversight.errors import FailureClass
from oversight.plugins import nearest
from oversight.tasks.row_files import Row, explain

__all__ = ["BeliefRecord", "CallEntry", "JudgementRecord", "Line", "MessageRecord", "VerdictRecord", "read_line"]

Text: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1)]
_MOST = 2**31
_LONG = 60

_NO_ADDRESS = "a person goes by an anonymous name, not by an address"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)


def _anonymous(name: str) -> str:
    """Refuse an address; some models have a version behind an @."""
    if _ADDRESS.search(name):
        raise ValueError(_NO_ADDRESS)
    return name


Who: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1), AfterValidator(_anonymous)]
"""A person or a model, as reports show it."""

Named: TypeAlias = int | str
"""An answer: its place from 0, or its text."""


_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Moments outside are slips of the pen, and near the ends of the calendar another time zone has no name for them."""


def _aware(value: datetime) -> datetime:
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError("no transcript is from then: give a year from 1900 to 2199")
    return moment


Moment: TypeAlias = Annotated[datetime, Field(strict=False), AfterValidator(_aware)]
"""A time as ISO 8601 writes it; without an offset, it is UTC."""


class _Strict(BaseModel):
    # Strict, so that "0.7" is no probability and true no number: what a table's cell meant is for its owner to say.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Held(_Strict):
    """A belief, in one of three forms."""

    probs: list[float] | None = None
    answer: Named | None = None
    abstained: Literal[True] | None = None
    source: Annotated[BeliefSource, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = [name for name in self._forms() if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(self._forms())}, not {' and '.join(given) or 'none'}")
        return self

    @classmethod
    def _forms(cls) -> tuple[str, ...]:
        return ("probs", "answer", "abstained")


class MessageRecord(_Strict):
    """Something said."""

    author: Text
    text: str
    turn: int | None = Field(None, ge=0, lt=_MOST)
    to: list[str] | None = None
    kind: Literal["speech", "thought", "reasoning", "brief", "material", "request", "draft", "disclosure", "form"] = (
        "speech"
    )
    quotes: list[str | list[int]] = []
    together: int | None = Field(None, ge=0)


class BeliefRecord(_Held):
    """What a seat held on the way."""

    seat: Text = "judge"
    turn: int | None = Field(None, ge=0, lt=_MOST)
    after: int | None = Field(None, ge=0)
    text: str = ""


class VerdictRecord(_Held):
    """How it ended."""

    failed: Annotated[FailureClass, Field(strict=False)] | None = None
    unjudged: Literal[True] | None = None
    detail: str | None = None
    seat: Text = "judge"
    turn: int | None = Field(None, ge=0, lt=_MOST)
    text: str = ""

    @classmethod
    def _forms(cls) -> tuple[str, ...]:
        return ("probs", "answer", "abstained", "failed", "unjudged")


class JudgementRecord(_Held):
    """A later judgement of it."""

    judge: Text
    kind: Literal["human", "model"] = "human"
    failed: Text | None = None
    settings: dict[str, Any] = {}
    at: Moment | None = None
    seconds: float | None = Field(None, ge=0)
    explanation: str | None = None

    @classmethod
    def _forms(cls) -> tuple[str, ...]:
        return ("probs", "answer", "abstained", "failed")

    @model_validator(mode="after")
    def _is_anonymous(self) -> Self:
        if self.kind == "human" and "@" in self.judge:
            raise ValueError(_NO_ADDRESS)
        return self


class CallEntry(_Strict):
    """One model call, or all of a seat's together."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())

    seat: Text
    model: Text
    prompt_tokens: int | None = Field(None, ge=0, lt=_MOST)
    completion_tokens: int | None = Field(None, ge=0, lt=_MOST)
    cached_tokens: int | None = Field(None, ge=0, lt=_MOST)
    cost_usd: float | None = Field(None, ge=0)
    seconds: float = Field(0.0, ge=0)
    failed: Annotated[FailureClass, Field(strict=False)] | None = None


class AnnotationRecord(_Strict):
    """Anything else, about the transcript or one of its messages."""

    kind: Text
    data: dict[str, Any] = {}
    message: int | None = Field(None, ge=0)


class Line(_Strict):
    """One transcript."""

    id: Text
    question: Text
    answers: list[Text] = Field(min_length=2, max_length=26)
    gold: Named
    material: Text | None = None
    sees_material: list[Text] = []
    question_id: Text | None = None
    cluster: Text | None = None
    task: Text | None = None
    arm: Text | None = None
    protocol: Text
    options: dict[str, Any] = {}
    judge: Who | None = None
    strong: Who | None = None
    sides: dict[str, Named] = {}
    messages: list[MessageRecord] = []
    beliefs: list[BeliefRecord] = []
    verdict: VerdictRecord
    judgements: list[JudgementRecord] = []
    calls: list[CallEntry] = []
    annotations: list[AnnotationRecord] = []
    seed: int = Field(0, ge=-(2**63), lt=2**63)
    repeat: int = Field(0, ge=0, lt=_MOST)
    started_at: Moment | None = None
    duration_s: float = Field(0.0, ge=0)
    included: bool = True
    meta: dict[str, Any] = {}


_PARTS: dict[str, type[BaseModel]] = {
    "messages": MessageRecord,
    "beliefs": BeliefRecord,
    "verdict": VerdictRecord,
    "judgements": JudgementRecord,
    "calls": CallEntry,
    "annotations": AnnotationRecord,
}


def read_line(row: Row) -> Line:
    """A line of the file.

    Raises:
        ValueError: it does not fit; the message names the field, and for an unknown one the nearest there is.
    """
    fields = row.fields
    try:
        return Line.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in {"str", "int", "list[int]"}]
        schema = _PARTS.get(place[0], Line) if len(place) > 1 else Line
        if first["type"] == "extra_forbidden":
            raise ValueError(f"{'.'.join(place)}: no such field{nearest(place[-1], schema.model_fields)}") from None
        if first["type"] == "missing":
            given = first["input"] if isinstance(first["input"], dict) else {}
            unknown = [name for name in given if name not in schema.model_fields]
            raise ValueError(f"{'.'.join(place)}: is missing{nearest(place[-1], unknown)}") from None
        if first["type"] == "enum":
            word, known = str(first["input"]), first.get("ctx", {}).get("expected", "")
            raise ValueError(f"{'.'.join(place)}: '{word}' is none of {known}") from None
        if wanted := _WANTED.get(first["type"]):
            wanted = _EITHER if first["loc"][-1] == "int" else wanted
            raise ValueError(f"{'.'.join(place)}: has to be {wanted}, not {_shown(first['input'])}") from None
        reason = explain(ValueError(first["msg"].removeprefix("Value error, ")))
        raise ValueError(f"{'.'.join(place)}: {reason}" if place else reason) from None


_EITHER = "an answer's text, or its place as a whole number from 0"
_WANTED = {
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "literal_error": "true, or left out",
}
"""What JSON would have to stand there, by pydantic's name for what is wrong."""


def _shown(given: object) -> str:
    """The beginning of what stands there instead, as JSON."""
    text = json.dumps(given, ensure_ascii=False, default=str)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"
