"""A small stage for seats: a question, templates, models whose replies carry a mark."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from oversight import Answer, Assignment, Episode, Question
from oversight.core.chat import ChatReply, ChatRequest
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.client import ModelCast
from oversight.models.dry_run_model import example_reply
from oversight.prompting.templates import Templates

MATERIAL = "The letter of 1871 names the old mill, not the harbour; it cost 12 pounds."

QUESTION = Question(
    id="q1",
    prompt="Which of the two was named?",
    answers=(Answer(text="the harbour", solution="It says so."), Answer(text="the mill")),
    material=MATERIAL,
)

THREE = QUESTION.model_copy(update={"answers": (*QUESTION.answers, Answer(text="the church"))})

STATED = '{"A": 0.8, "B": 0.2, "abstain": false}'

SOURCES = {
    "judge": "You judge.",
    "debater": "You debate.",
    "consultant": "You advise.",
    "expert": "You are an expert.",
    "argue": "Make your case.",
    "ask": "Ask something.",
    "note": "Note something for yourself.",
    "work": "Fill in the form.",
}


def stage(
    question: Question = QUESTION,
    *,
    judge: ChatModel | None = None,
    strong: ChatModel | Sequence[ChatModel] = (),
    templates: dict[str, str] | None = None,
    assignment: Assignment = (),
    **rest: Any,
) -> Episode:
    """An episode with simple templates; roles without a model are left out."""
    cast = {
        "judge": [judge] if judge else [],
        "strong": [strong] if isinstance(strong, ChatModel) else list(strong),
    }
    return Episode(
        question, templates=Templates(SOURCES | (templates or {})), cast=ModelCast(cast), assignment=assignment, **rest
    )


def prompt(request: ChatRequest) -> str:
    """Everything a request says, as one text."""
    return "\n".join(message.content for message in request.messages)


class MarkedModel(ChatModel):
    """Says something different each time, after letting others go first a random number of times; may reason before."""

    def __init__(self, rng: random.Random | None = None, *, reasons: bool = False) -> None:
        super().__init__(ModelSettings(model="marked"))
        self._reasons = reasons
        self.sent: list[tuple[ChatRequest, str]] = []
        self._rng = rng

    async def chat(self, request: ChatRequest) -> ChatReply:
        mark = f"mark-{request.seat}-{sum(r.seat == request.seat for r, _ in self.sent)}-end"
        self.sent.append((request, mark))
        if self._rng is not None:
            for _ in range(self._rng.randrange(6)):
                await asyncio.sleep(0)
        reply = example_reply(request, mark)
        return reply._replace(thought=f"reasoned before {reply.text}") if self._reasons else reply

    def requests(self, seat: str) -> list[ChatRequest]:
        """What one seat sent, in order."""
        return [request for request, _ in self.sent if request.seat == seat]


class Gate(ChatModel):
    """Answers each seat only when the test opens its gate."""

    def __init__(self, *seats: str) -> None:
        super().__init__(ModelSettings(model="gate"))
        self.open = {seat: asyncio.Event() for seat in seats}

    async def chat(self, request: ChatRequest) -> ChatReply:
        await self.open[request.seat].wait()
        return example_reply(request, f"{request.seat} speaks")
