"""An episode before and after it ran: the two records that travel between driver, workers and store."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oversight.core.belief import Belief
from oversight.core.chat import CallRecord
from oversight.core.episode_limits import EpisodeLimits
from oversight.core.message import Message
from oversight.core.question import Question
from oversight.core.side import Assignment, Side
from oversight.core.verdict import Annotation, Verdict

__all__ = ["IMPORTED", "EpisodeOutcome", "EpisodeSpec", "Judgement", "Mode", "TimedBelief", "is_person"]

Mode = Literal["stepped", "at the end", "steps"]
"""How a person judged: a belief after each turn, one at the end, or by labelling the steps of a solution."""

IMPORTED = "import:"
"""How the protocol key of a transcript begins that others published: there is no plugin to find."""

_PERSON = re.compile(r"[a-z][a-z0-9-]{2,39}")


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
        question_key: the stored item's key (`oversight.core.question.Item.key`).
        answer_order: for each place presented, the answer's place in the stored question.
        assignment: what the sides must argue.
        seed, repeat: with the question, what every draw depends on.
        limits: what it may take; not stored, because the next attempt may have others.
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
    limits: EpisodeLimits = Field(EpisodeLimits(), exclude=True)

    @property
    def imported(self) -> bool:
        """Whether others made the transcript, so that what is not on record is not known."""
        return self.protocol_key.startswith(IMPORTED)


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


def is_person(name: str) -> bool:
    """Whether ``name`` can be a person's anonymous id: 3 to 40 lower-case letters, digits and hyphens."""
    return _PERSON.fullmatch(name) is not None


class TimedBelief(BaseModel):
    """What a person believed after one part of a transcript.

    Attributes:
        part: which part, from 0.
        probs: in the order presented; None: could not tell yet.
        seconds: from the moment at which the part was first shown.
        resumed: how often it was shown again after a break (a reload, a dropped connection).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: int = Field(ge=0)
    probs: tuple[float, ...] | None
    seconds: float = Field(ge=0)
    resumed: int = Field(0, ge=0)


class Judgement(BaseModel):
    """What another judge, a model or a person, made of a stored transcript.

    Attributes:
        judgement_id: of the judge and the transcript, and for a model of how many failed attempts went before.
        episode_id, attempt: the transcript's.
        kind: whether a model judged or a person, who then goes by an anonymous name.
        judge: the model, or the person.
        settings: the model's; of a person's session whatever may have made a difference.
        belief: set exactly when ``status`` is ``judged`` and answers, not steps, were judged.
        seconds: how long it took, if that is known.
        calls: the model's; none if ``calls_known`` is false, because they are not on record.
        mode, beliefs: of a person who judged here; a published judgement has none.
        labels: what a person said of a solution's steps, in the form of an overseer's annotations.
        explanation: what the judge wrote about it.
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
    calls: tuple[CallRecord, ...] = ()
    calls_known: bool = True
    mode: Mode | None = None
    beliefs: tuple[TimedBelief, ...] = ()
    labels: tuple[Annotation, ...] = ()

    @model_validator(mode="after")
    def _is_what_its_kind_gives(self) -> Self:
        if self.kind == "model" and self.mode is not None:
            raise ValueError("a model judges in no mode")
        if self.mode is not None:
            if not is_person(self.judge):
                raise ValueError("a person goes by 3 to 40 lower-case letters, digits and hyphens")
            if self.status != "judged" or self.calls or (self.belief is None) != (self.mode == "steps"):
                raise ValueError("a person gives a verdict or labels steps, and calls no model")
        if bool(self.labels) != (self.mode == "steps"):
            raise ValueError("exactly who labels steps has labels")
        return self
