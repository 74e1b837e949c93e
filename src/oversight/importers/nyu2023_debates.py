"""The debates and consultancies of Michael et al. (2023), as a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from oversight.core.belief import Belief, BeliefSource
from oversight.core.question import Item
from oversight.core.side import Side
from oversight.core.verdict import Annotation, Verdict
from oversight.errors import UsageError
from oversight.importers.importer import Imported, Importer, ImportInfo, Reading
from oversight.importers.nyu2023_rooms import OfflineJudging, PlayedRoom, RoomEntry
from oversight.importers.nyu2023_speech import RoomTranscript, told
from oversight.tasks.nyu2023 import METADATA, ROOMS, Nyu2023, Setup, question_id
from oversight.tasks.row_files import Row, read_jsonl, row_problems

__all__ = ["Nyu2023Rooms"]

_PUBLISHED = {"human debate": 0.84, "human consultancy": 0.74, "AI debate": 0.78, "AI consultancy": 0.80}
_PUBLISHED_SIDES = {
    ("human consultancy", "consultant"): 0.88,
    ("human consultancy", "none"): 0.60,
    ("AI consultancy", "consultant"): 0.74,
    ("AI consultancy", "none"): 0.87,
}


class Nyu2023Rooms(Importer):
    """The rooms of Michael et al. (2023): people judge debates and consultancies on stories they have not read.

    PATH is the folder ``pub`` of github.com/julianmichael/debate, branch 2023-nyu-experiments (CC BY 4.0), with
    debates-metadata.jsonl and debates/official. Without ``--all``, only the 413 rooms that the paper counts; with
    it, all 631. The participants' names are the release's own pseudonyms.
    """

    name: ClassVar[str] = "nyu2023"
    arms: ClassVar[Sequence[str]] = tuple(_PUBLISHED)

    def episodes(self, path: Path) -> Iterator[Imported]:
        """One transcript for each room, by name."""
        items = _items(path)
        entries: list[RoomEntry] = []
        for row in read_jsonl(path / METADATA):
            with row_problems(row):
                entries.append(row.read_as(RoomEntry))
        for entry in sorted(entries, key=lambda entry: entry.name):
            for row in read_jsonl(path / ROOMS / f"{entry.name}.json"):
                with row_problems(row):
                    yield _room(row, entry, items)

    def source(self, path: Path, everything: bool) -> ImportInfo:
        """The paper's shares stand beside ours only where both count the same rooms."""
        published: list[dict[str, Any]] = []
        if not everything:
            published = [{"arm": arm, "accuracy": share} for arm, share in _PUBLISHED.items()]
            published += [
                {"arm": arm, "honest": seat, "accuracy": share} for (arm, seat), share in _PUBLISHED_SIDES.items()
            ]
        experiment = {"report": {"by": ["arm"], "detail": ["honest"]}, "published": published}
        return ImportInfo(self.name, "rooms that the paper counts (includedInPaper)", experiment)


def _items(path: Path) -> Mapping[str, Item]:
    """Every question as the task `oversight.tasks.nyu2023` asks it, so that runs of either can be paired."""
    every = {item.question.id: item for item in Nyu2023(Nyu2023.Options(path=path, in_paper=False)).items(0)}
    counted = {item.question.id: item for item in Nyu2023(Nyu2023.Options(path=path)).items(0)}
    return every | counted


def _room(row: Row, entry: RoomEntry, items: Mapping[str, Item]) -> Imported:
    room = row.read_as(PlayedRoom)
    setup, roles = room.setup, room.setup.roles
    item = items[question_id(setup)]
    order = _order(setup, item)
    seats = {"Judge": "judge"}
    if entry.setting.is_debate:
        seats |= {"Debater A": "debater_a", "Debater B": "debater_b"}
    else:
        seats |= {role: "consultant" for role in ("Debater A", "Debater B") if role in roles}
    arguing = [role for role in ("Debater A", "Debater B") if role in roles]
    sides = tuple(Side(seat=seats[role], argues="AB".index(role[-1])) for role in arguing)
    said = told(room, item.question.material or "", item.question.presented(order), seats, sides)
    who = "human" if entry.setting.is_human else "AI"
    kind = "debate" if entry.setting.is_debate else "consultancy"
    status, verdict, detail = _outcome(entry, said, row)
    return Imported(
        name=entry.name,
        where=row.where,
        item=item,
        order=order,
        task=Nyu2023.name,
        arm=f"{who} {kind}",
        protocol=kind,
        options={"rules": room.setup.rules},
        judge=roles.get("Judge"),
        strong="human" if entry.setting.is_human else ", ".join(sorted({roles[role] for role in arguing})),
        cast={
            "judge": (roles["Judge"],) if "Judge" in roles else (),
            "strong": tuple(roles[role] for role in arguing),
        },
        sides=sides,
        messages=said.messages,
        status=status,
        verdict=verdict and Verdict(belief=verdict, annotations=(*_notes(entry, room), *said.notes)),
        detail=detail,
        judgements=tuple(_reading(judge, each) for judge, each in room.offline()),
        started_at=_time(entry.creation_time),
        duration_s=max(0, entry.ended - entry.creation_time) / 1000,
        included=entry.included_in_paper,
    )


def _order(setup: Setup, item: Item) -> tuple[int, ...]:
    """Where the answers of this room stand in the item; rooms that ask the same may have them the other way round."""
    texts = [answer.text for answer in item.question.answers]
    if sorted(setup.answers) != sorted(texts):
        raise ValueError(f"setup.answers: another room asks the same question with other answers: {texts}")
    order = tuple(texts.index(answer) for answer in setup.answers)
    if order[setup.correct_answer_index] != item.gold:
        raise ValueError("setup.correctAnswerIndex: another room that asks the same has the other answer as right")
    return order


def _outcome(
    entry: RoomEntry, said: RoomTranscript, row: Row
) -> tuple[Literal["judged", "unjudged"], Belief | None, str | None]:
    """A room is judged if its live judge decided; a verdict by others later does not make it so."""
    complete = entry.status.complete
    result = complete and complete.result
    if result and result.judging_info:
        if said.verdict is None or said.verdict.probs != result.judging_info.final_judgement:
            raise UsageError(f"{row.where}: rounds: the judge's last word is not what {METADATA} says it is")
        return "judged", said.verdict, None
    if result:
        return "unjudged", None, f"room {entry.name}: ended by {'/'.join(result.ended_by)} and had no live judge"
    state = "was not begun" if entry.status.waiting_to_begin is not None else "was in progress"
    return "unjudged", None, f"room {entry.name}: {state} when it was published"


def _notes(entry: RoomEntry, room: PlayedRoom) -> Iterator[Annotation]:
    """What else the release says about a judged room."""
    complete = entry.status.complete
    assert complete is not None
    assert complete.result is not None
    assert complete.result.judging_info is not None
    judged = complete.result.judging_info
    data = {
        "room": entry.name,
        "included_in_paper": entry.included_in_paper,
        "ended_by": "/".join(complete.result.ended_by),
        "continues": judged.num_continues,
        "reward": judged.judge_reward,
    }
    yield Annotation(kind="room", data=data)
    for participant, survey in sorted(room.feedback.items()):
        for role, answered in survey.items():
            yield Annotation(kind="survey", data={"participant": participant, "role": role, **answered})


def _reading(judge: str, judging: OfflineJudging) -> Reading:
    """A later judgement of a room, with every belief on the way in the explanation."""
    steps = judging.judgments
    last = steps[-1] if steps else None
    ended = last.feedback.timestamp if last else judging.start_time_millis
    lines = [f"A {step.distribution[0]:g}, B {step.distribution[1]:g}: {step.feedback.words}" for step in steps]
    began = judging.start_time_millis
    return Reading(
        judge=judge,
        belief=_belief(last.distribution) if last and last.end_debate else None,
        failure=None if last and last.end_debate else "unfinished",
        settings={"mode": judging.mode},
        judged_at=_time(max(0, ended)),
        seconds=(ended - began) / 1000 if 0 <= began <= ended else None,
        explanation="\n".join(lines),
    )


def _belief(probs: Sequence[float]) -> Belief:
    return Belief(probs=tuple(probs), source=BeliefSource.STATED)


def _time(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
