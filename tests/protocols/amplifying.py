"""Amplification with an overseer who divides questions as a table says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from performing import QUESTION, Play

from oversight import Assignment, Episode, Question
from oversight.core.chat import CallRecord, ChatReply, ChatRequest
from oversight.models.client import ModelCast
from oversight.models.dry_run_model import example_reply
from oversight.plugins import Plugin
from oversight.prompting.markup import find, unescape
from oversight.prompting.templates import Templates
from oversight.protocols.amplification import Amplification
from oversight.testing.scripted import Scripted, ScriptedModel

TEMPLATES = Templates(Plugin.of(Amplification).prompts)

Divisions = Mapping[str, Sequence[str]]
Pause = Callable[[ChatRequest], Awaitable[object]]


class Player(ScriptedModel):
    """Says what a function of the request gives, after a pause if there is one."""

    def __init__(self, say: Scripted, sent: list[ChatRequest], pause: Pause | None, belief: str = "logprob") -> None:
        super().__init__(then=say, belief=belief)
        self.requests = sent
        self._pause = pause

    async def chat(self, request: ChatRequest) -> ChatReply:
        if self._pause is not None:
            await self._pause(request)
        return await super().chat(request)


def form(*questions: str) -> str:
    """The form of an overseer who divides a question into these."""
    return json.dumps({"questions": questions})


def works_on(request: ChatRequest) -> str:
    """The question of the node that a seat is at."""
    return unescape(find("question", request.messages[0].content)[0].content.strip())


def dividing(divisions: Divisions) -> Callable[[ChatRequest], str | ChatReply]:
    """An overseer who divides what the table has, finds answers to agree, and puts together with words of its own."""

    def say(request: ChatRequest) -> str | ChatReply:
        if request.choices:
            return example_reply(request)
        if request.json_schema is None:
            return f"words of {request.seat}"
        if "agree" in request.json_schema["properties"]:
            return '{"agree": true}'
        return form(*divisions.get(works_on(request), ()))

    return say


def answering(request: ChatRequest) -> str:
    """An assistant whose words tell who it is."""
    return f"words of {request.seat}"


def amplify(
    divisions: Divisions | None = None,
    *,
    overseer: Scripted | None = None,
    strong: Scripted = answering,
    pause: Pause | None = None,
    belief: str = "logprob",
    question: Question = QUESTION,
    assignment: Assignment = (),
    seed: int = 0,
    **options: Any,
) -> Play:
    """Run amplification; nodes that the table leaves out are not divided."""
    sent: list[ChatRequest] = []
    chosen = Amplification.Options(**options)
    episode = Episode(
        question,
        templates=TEMPLATES,
        cast=ModelCast(
            {
                "overseer": [Player(overseer or dividing(divisions or {}), sent, pause, belief)],
                "strong": [Player(strong, sent, pause)],
            }
        ),
        options=chosen,
        assignment=assignment,
        seed=seed,
    )
    return Play(asyncio.run(Amplification(chosen).run(episode)), episode, sent)


def nodes(ran: Play) -> dict[str, dict[str, Any]]:
    """What was noted of each node, by its name and in the order noted."""
    noted = [note.data for note in ran.verdict.annotations if note.kind == "node"]
    assert len({note["node"] for note in noted}) == len(noted)
    return {note["node"]: note for note in noted}


def how(ran: Play) -> dict[str, str]:
    """How each node got its answer."""
    return {name: note["how"] for name, note in nodes(ran).items()}


def used(ran: Play) -> list[CallRecord]:
    """The calls that count: those that brought something usable."""
    return [call for call in ran.episode.calls if call.failure is None]


def told(ran: Play, seat: str) -> str:
    """Everything a seat was ever sent."""
    return "\n".join(ran.prompts(seat))


def heard(ran: Play, seat: str) -> list[str]:
    """Whose answers a seat read by the end, in order."""
    return [element.attributes["from"] for element in find("message", ran.prompts(seat)[-1])]


def full(root: str, depth: int, breadth: int) -> dict[str, list[str]]:
    """A table in which every question is divided into as many as may be, and no two are equal."""
    divisions: dict[str, list[str]] = {}
    level = [root]
    for _ in range(depth):
        below = []
        for number, question in enumerate(level):
            divisions[question] = [f"level {len(divisions)} part {number} {place}" for place in range(breadth)]
            below += divisions[question]
        level = below
    return divisions
