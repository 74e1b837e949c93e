"""An episode before and after it ran: the two records that travel between driver, workers and store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from oversight.belief import Belief
from oversight.models.base import CallRecord
from oversight.protocol import Assignment
from oversight.question import Question
from oversight.transcript import Message
from oversight.verdict import Verdict

__all__ = ["EpisodeOutcome", "EpisodeSpec", "Judgement", "Side"]


class EpisodeSpec(BaseModel):
    """One protocol run on one question with one cast and one seed: the unit of scheduling and resume.

    Attributes:
        episode_id: digest of what determines the episode.
        attempt: how many stored attempts at it failed before.
        arm: the experiment's name for this row of its table (protocol, options, task and cast).
        task, protocol: their names; ``protocol_version`` is the plugin's fingerprint, and
            ``protocol_key`` where a worker finds it.
        options: the options the user set, not the defaults.
        cast: role -> keys of the models bound to it, in the order in which seats take them.
        judge, strong: the models' names as the report shows them, None if there is no such role.
        question: with its answers in the order presented.
        question_key: the stored item's key (`oversight.question.Item.key`).
        answer_order: for each place presented, the answer's place in the stored question.
        assignment: what the sides must argue.
        seed, repeat: with the question, what every draw depends on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    episode_id: str
    attempt: int = 0
    arm: str
    task: str
    protocol: str
    protocol_version: str
    protocol_key: str
    options: dict[str, Any]
    cast: dict[str, tuple[str, ...]]
    judge: str | None
    strong: str | None
    question: Question
    question_key: str
    answer_order: tuple[int, ...]
    assignment: Assignment
    seed: int
    repeat: int


class Side(BaseModel):
    """What a seat was told to argue, by the places of the answers in the order presented.

    ``argues`` None with ``against`` set: it defends anything but ``against``. ``open`` is true where the
    seat's opponent is free to defend anything else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seat: str
    argues: int | None = None
    against: int | None = None
    open: bool = False

    def favoured_by(self, probs: Sequence[float] | None, answers: int) -> float:
        """The probability that a belief gives to this side; of an abstention, an even share."""
        held = probs or [1 / answers] * answers
        return held[self.argues] if self.argues is not None else 1 - held[self.against or 0]


class EpisodeOutcome(BaseModel):
    """What one attempt at an episode left behind.

    ``verdict`` is set exactly when ``status`` is ``judged``; a failed attempt has its failure class, one line
    or a traceback in ``detail``, and whatever was said and spent until then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    episode_id: str
    attempt: int
    status: Literal["judged", "failed"]
    started_at: datetime
    duration_s: float
    messages: tuple[Message, ...]
    calls: tuple[CallRecord, ...]
    sides: tuple[Side, ...]
    verdict: Verdict | None = None
    failure: str | None = None
    detail: str | None = None


class Judgement(BaseModel):
    """What another judge made of a stored transcript.

    Attributes:
        judgement_id: of the judge and the transcript, and of how many failed attempts went before.
        episode_id, attempt: the transcript's.
        kind: whether a model judged or a person, whose name is then an anonymous one.
        judge, settings: the model, or how the person judged.
        belief: set exactly when ``status`` is ``judged``.
        seconds: how long it took, if that is known.
        explanation: what the judge wrote about it.
        calls: the model's; none if ``calls_known`` is false, because a person judged or nobody recorded them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judgement_id: str
    episode_id: str
    attempt: int
    kind: Literal["human", "model"] = "model"
    judge: str
    settings: dict[str, Any]
    judged_at: datetime
    status: Literal["judged", "failed"]
    belief: Belief | None = None
    failure: str | None = None
    detail: str | None = None
    seconds: float | None
    explanation: str | None = None
    calls: tuple[CallRecord, ...]
    calls_known: bool = True
