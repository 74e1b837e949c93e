"""Playing whole protocols with their own prompts and scripted models."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

from oversight import Answer, Assignment, Episode, Message, Protocol, Question, Verdict
from oversight.core.chat import ChatReply, ChatRequest
from oversight.core.message import Kind
from oversight.models.client import ModelCast
from oversight.models.dry_run_model import example_reply
from oversight.plugins import Plugin
from oversight.prompting.templates import Templates
from oversight.testing.scripted import Scripted, ScriptedModel

MATERIAL = "The letter of 1871 names the old mill, not the harbour."

QUESTION = Question(
    id="q1",
    prompt="Which one was named?",
    answers=(
        Answer(text="the harbour", solution="It says so."),
        Answer(text="the mill", solution="It must be."),
    ),
    material=MATERIAL,
)

THREE = QUESTION.model_copy(update={"answers": (*QUESTION.answers, Answer(text="the church"))})


class Play(NamedTuple):
    """A finished episode and what its models were sent."""

    verdict: Verdict
    episode: Episode
    sent: list[ChatRequest]

    @property
    def order(self) -> list[tuple[str, str]]:
        """Who did what, in transcript order."""
        return [(m.author, m.kind.value) for m in self.episode.messages if m.author != "protocol"]

    @property
    def speeches(self) -> list[Message]:
        """What was said aloud."""
        return [message for message in self.episode.messages if message.kind is Kind.SPEECH]

    def prompts(self, seat: str) -> list[str]:
        """A seat's prompts in order, each as one text."""
        return ["\n".join(m.content for m in r.messages) for r in self.sent if r.seat == seat]

    def requests(self, seat: str) -> list[str]:
        """The last user message of each of a seat's prompts."""
        return [request.messages[-1].content for request in self.sent if request.seat == seat]


def play(
    protocol: type[Protocol],
    *said: Scripted,
    question: Question = QUESTION,
    assignment: Assignment = (),
    judge: Iterable[Scripted] = (),
    overseer: Iterable[Scripted] = (),
    **options: Any,
) -> Play:
    """Run ``protocol`` on ``question``; the strong model says ``said``, then numbered words."""
    sent: list[ChatRequest] = []

    def logged(model: ScriptedModel) -> ScriptedModel:
        model.requests = sent
        return model

    def more(request: ChatRequest) -> str | ChatReply:
        return example_reply(request) if request.choices else f"words of {request.seat} no {len(sent)}"

    strong = logged(ScriptedModel(said, then=more))
    chosen = protocol.Options(**options)
    episode = Episode(
        question,
        templates=Templates(Plugin.of(protocol).prompts),
        cast=ModelCast(
            {
                "judge": [logged(ScriptedModel(judge))],
                "overseer": [logged(ScriptedModel(overseer))],
                "strong": [strong],
            }
        ),
        options=chosen,
        assignment=assignment,
    )
    return Play(asyncio.run(protocol(chosen).run(episode)), episode, sent)
