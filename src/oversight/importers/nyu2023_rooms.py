"""The files of Michael et al. (2023) as pydantic records: how a room went, not only what it asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from oversight.tasks.nyu2023 import Record, Room, RoomListing, Setup

__all__ = ["Contribution", "JudgeFeedback", "OfflineJudging", "PlayedRoom", "RoomEntry", "Round", "Segment"]


class _Setting(Record):
    is_human: bool
    is_debate: bool


class _JudgingInfo(Record):
    num_continues: int
    final_judgement: tuple[float, float]
    judge_reward: float


class _Result(Record):
    timestamp: int
    ended_by: dict[str, Any]
    judging_info: _JudgingInfo | None = None


class _Complete(Record):
    result: _Result | None = None


class _Status(Record):
    complete: _Complete | None = Field(None, alias="Complete")
    waiting_to_begin: dict[str, Any] | None = Field(None, alias="WaitingToBegin")


class RoomEntry(RoomListing):
    """A room in the list of all rooms."""

    setting: _Setting
    creation_time: int
    latest_update_time: int
    status: _Status

    @property
    def ended(self) -> int:
        """When it ended, or the last time on record."""
        complete = self.status.complete
        return complete.result.timestamp if complete and complete.result else self.latest_update_time


class _Text(Record):
    text: str


class _Quote(Record):
    span: tuple[int, int]


class Segment(Record):
    """A part of a speech: the speaker's words, or a span of the story's tokens."""

    text: _Text | None = Field(None, alias="Text")
    quote: _Quote | None = Field(None, alias="Quote")


class Contribution(Record):
    """One contribution."""

    speaker: str
    timestamp: int
    content: tuple[Segment, ...]

    @property
    def words(self) -> str:
        """The speaker's own words, without what is quoted."""
        return "".join(segment.text.text for segment in self.content if segment.text)


class JudgeFeedback(Record):
    """What the judge believes at a turn, and says to the debaters."""

    distribution: tuple[float, float]
    feedback: Contribution
    end_debate: bool


class _Speeches(Record):
    speeches: dict[str, Contribution]


class _Votes(Record):
    votes: dict[str, bool]


class OfflineJudging(Record):
    """A later judgement of a room, at the end or step by step."""

    mode: str
    start_time_millis: int
    judgments: tuple[JudgeFeedback, ...]


class _Judgings(Record):
    judgments: dict[str, OfflineJudging]


class Round(Record):
    """One round, of one of five kinds."""

    judge_feedback: JudgeFeedback | None = Field(None, alias="JudgeFeedback")
    simultaneous: _Speeches | None = Field(None, alias="SimultaneousSpeeches")
    sequential: _Speeches | None = Field(None, alias="SequentialSpeeches")
    negotiate_end: _Votes | None = Field(None, alias="NegotiateEnd")
    offline: _Judgings | None = Field(None, alias="OfflineJudgments")


class _PlayedSetup(Setup):
    rules: dict[str, Any]
    roles: dict[str, str]


class PlayedRoom(Room):
    """One room as it went."""

    setup: _PlayedSetup
    rounds: tuple[Round, ...]
    feedback: dict[str, dict[str, dict[str, Any]]] = Field({})

    def offline(self) -> Iterator[tuple[str, OfflineJudging]]:
        """Who judged it after the fact, and how."""
        for each in self.rounds:
            if each.offline:
                yield from each.offline.judgments.items()
