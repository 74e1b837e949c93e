"""Judged transcripts from a JSON-lines file in a documented form: docs/importing.md has its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.chat import CallRecord
from oversight.core.question import Answer, Item, Question
from oversight.core.side import Side
from oversight.core.verdict import Annotation, Verdict
from oversight.experiment.file import FACTORS, check_columns
from oversight.importers.importer import UNKNOWN_TIME, Imported, Importer, ImportInfo, Reading
from oversight.importers.jsonl_messages import TranscriptBuilder
from oversight.importers.jsonl_records import CallEntry, JudgementRecord, Line, read_line
from oversight.tasks.row_files import read_jsonl, row_problems
from oversight.util.digest import digest
from oversight.util.secrets import redact

__all__ = ["JsonLines"]

_NEAR_ONE = (0.0, 1.02)
"""Probabilities are scaled to 1 if their sum lies in here: token probabilities may leave something to other words."""


def _separated(names: object) -> object:
    """Names in one text, separated by commas, as the command line has them."""
    return [name.strip() for name in names.split(",")] if isinstance(names, str) else names


def _factors(names: tuple[str, ...]) -> tuple[str, ...]:
    return check_columns(names, FACTORS)


class JsonLines(Importer):
    """Judged transcripts of any source, one JSON object a line; docs/importing.md says with which fields.

    PATH is the file. Lines with ``"included": false`` are left out unless ``--all`` is given.
    """

    name: ClassVar[str] = "jsonl"

    class Options(BaseModel):
        """What ``--set`` may set."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        name: str | None = Field(
            None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="the run's name; by default the file's"
        )
        task: str | None = Field(None, min_length=1, description="of lines that name none; by default the run's name")
        filter: str = Field("", description="in words, which lines have included: false, for the report")
        restricted: bool = Field(False, description="the questions must never be exported in the clear")
        over: Annotated[tuple[str, ...], BeforeValidator(_separated), AfterValidator(_factors)] = Field(
            (), description=f"what the report's intervals generalise over, of {', '.join(FACTORS)}"
        )
        baseline: str | None = Field(None, min_length=1, description="the arm that the report compares others with")
        ceiling: str | None = Field(None, min_length=1, description="the arm that it takes for the most there is")

    def episodes(self, path: Path) -> Iterator[Imported]:
        """One transcript for each line."""
        gold: dict[str, tuple[int, str]] = {}
        for row in read_jsonl(path):
            with row_problems(row):
                line = read_line(row)
                imported = _imported(line, row.where, self.options.task or self._name(path))
                key = digest(imported.item.question.model_dump(mode="json"))
                place, where = gold.setdefault(key, (imported.item.gold, row.where))
                if place != imported.item.gold:
                    raise ValueError(f"gold: {where} asks the same question and has another answer as right")
            yield imported

    def source(self, path: Path, everything: bool) -> ImportInfo:
        """The run is called as its file."""
        stated = self.options.filter or 'lines not marked "included": false'
        report = self.options.model_dump(mode="json", include={"over", "baseline", "ceiling"}, exclude_defaults=True)
        return ImportInfo(self._name(path), stated, {"report": report} if report else {})

    def _name(self, path: Path) -> str:
        return self.options.name or re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-_") or "imported"


def _imported(line: Line, where: str, task: str) -> Imported:
    labels = [answer.strip() for answer in line.answers]
    item, order = _item(line)
    sides = tuple(Side(seat=seat, argues=_place(named, labels, f"sides.{seat}")) for seat, named in line.sides.items())
    verdict = line.verdict
    status = "unjudged" if verdict.unjudged else "failed" if verdict.failed else "judged"
    final = _belief(verdict, labels, "verdict") if status == "judged" else None
    beliefs = [(each, _belief(each, labels, f"beliefs.{place}")) for place, each in enumerate(line.beliefs)]
    placing = TranscriptBuilder(line, item.question.presented(order), sides, beliefs, final)
    notes = [
        Annotation(kind=note.kind, data=note.data, message=placing.place(note.message, f"annotations.{number}.message"))
        for number, note in enumerate(line.annotations)
    ]
    cast = {role: (name,) for role, name in (("judge", line.judge), ("strong", line.strong)) if name}
    return Imported(
        name=line.id,
        where=where,
        item=item,
        order=order,
        task=line.task or task,
        arm=line.arm or line.protocol,
        protocol=line.protocol,
        options=line.options,
        judge=line.judge,
        strong=line.strong,
        cast=cast,
        sides=sides,
        messages=placing.messages,
        status=status,
        verdict=final and Verdict(belief=final, annotations=(_about(line), *notes)),
        failure=verdict.failed,
        detail=None if status == "judged" else _detail(line),
        judgements=tuple(_reading(each, labels, place) for place, each in enumerate(line.judgements)),
        calls=tuple(_call(call, number, line) for number, call in enumerate(line.calls)),
        seed=line.seed,
        repeat=line.repeat,
        started_at=line.started_at or UNKNOWN_TIME,
        duration_s=line.duration_s,
        included=line.included,
    )


def _item(line: Line) -> tuple[Item, tuple[int, ...]]:
    """The question with its answers in an order that no transcript decides, so that swapped ones are one question."""
    texts = [answer.strip() for answer in line.answers]
    if not all(texts):
        raise ValueError("answers: one is blank")
    stored = sorted(texts)
    if len(set(stored)) < len(stored):
        raise ValueError("answers: two of the answers are the same")
    identity = digest([line.question, stored, line.material], length=12)
    question = Question(
        id=line.question_id or identity,
        prompt=line.question,
        answers=tuple(Answer(text=text) for text in stored),
        material=line.material,
        cluster=line.cluster or "",
    )
    gold = stored.index(texts[_place(line.gold, texts, "gold")])
    return Item(question=question, gold=gold), tuple(stored.index(text) for text in texts)


def _place(named: int | str, labels: Sequence[str], field: str) -> int:
    """The place of an answer named by its place or its text; never by what could be either."""
    if isinstance(named, int):
        if not 0 <= named < len(labels):
            raise ValueError(f"{field}: is {named}, but there are {len(labels)} answers, counted from 0")
        return named
    if named.strip() not in labels:
        raise ValueError(f"{field}: '{named:.60}' is none of the answers; give its text or its place from 0")
    return labels.index(named.strip())


def _belief(held: Any, labels: Sequence[str], field: str) -> Belief:
    """What was held. A bare answer is one sample of what the judge would say: all on it, source ``sampled``."""
    if held.abstained:
        return Belief(probs=None, source=held.source or BeliefSource.STATED, status=BeliefStatus.ABSTAINED)
    if held.answer is not None:
        chosen = _place(held.answer, labels, f"{field}.answer")
        probs = tuple(float(place == chosen) for place in range(len(labels)))
        return Belief(probs=probs, source=held.source or BeliefSource.SAMPLED)
    weights: list[float] = held.probs
    if len(weights) != len(labels):
        raise ValueError(f"{field}.probs: there are {len(weights)}, for {len(labels)} answers")
    if any(not 0 <= weight <= 1 for weight in weights) or not _NEAR_ONE[0] < sum(weights) <= _NEAR_ONE[1]:
        raise ValueError(f"{field}.probs: {weights} are no probabilities: each lies in 0..1, and they sum to 1")
    return Belief.from_weights(weights, held.source or BeliefSource.STATED)


def _detail(line: Line) -> str:
    """Which transcript it is that has no verdict, and why: its annotations are not stored."""
    why = redact(line.verdict.detail) if line.verdict.detail else ""
    return f"transcript {line.id}: {why}" if why else f"transcript {line.id}"


def _about(line: Line) -> Annotation:
    """What the source calls it, and whatever else it says of it."""
    return Annotation(kind="import", data={"id": line.id, "included": line.included, "meta": line.meta})


def _reading(record: JudgementRecord, labels: Sequence[str], place: int) -> Reading:
    return Reading(
        judge=record.judge,
        kind=record.kind,
        belief=None if record.failed else _belief(record, labels, f"judgements.{place}"),
        failure=record.failed,
        settings=record.settings,
        judged_at=record.at or UNKNOWN_TIME,
        seconds=record.seconds,
        explanation=record.explanation,
    )


def _call(call: CallEntry, number: int, line: Line) -> CallRecord:
    return CallRecord(
        number=number,
        seat=call.seat,
        role="strong" if call.seat in line.sides else "judge" if call.seat == line.verdict.seat else call.seat,
        purpose="imported",
        attempt=0,
        latency_s=call.seconds,
        failure=call.failed,
        **call.model_dump(exclude={"seat", "seconds", "failed"}),
    )
