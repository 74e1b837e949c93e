"""An overseer that runs here: it can verify one small step at a time and nothing more."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Sequence
from typing import NamedTuple

from oversight.core.chat import ChatMessage, ChatReply, ChatRequest
from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.embedded.embedded_reply import embedded_reply
from oversight.models.embedded.steps import check_answer, check_step
from oversight.prompting.markup import find, unescape

__all__ = ["StepOverseer"]

_NUMBER = re.compile(r"^Label step (\d+)\.", re.MULTILINE)
_LABEL, _OUTCOME = {"label", "p_correct"}, {"p_correct"}


class _Shown(NamedTuple):
    """What an overseer's chat shows it."""

    problem: str
    steps: dict[int, str]
    """By number from 1; a step that was rewritten is the new one."""
    final: str | None


class StepOverseer(ChatModel):
    """Labels a step, or judges a final answer, with the powers of `oversight.models.embedded.steps`.

    It reads the same prompts as a language model would. Asked about a whole solution at once, it multiplies
    what it holds of the single steps.
    """

    metered = False

    @classmethod
    def price(cls, settings: ModelSettings, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Nothing: it runs here."""
        return 0.0

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Fill in a step's label, or the probability that a solution is right.

        Raises:
            CallFailed: invalid_request, because something else is asked for.
        """
        started = time.perf_counter()
        shown = _read(request.messages)
        said: dict[str, object]
        wanted = set((request.json_schema or {}).get("properties", {}))
        if wanted == _LABEL:
            said = self._label(shown, request.messages[-1].content)
        elif wanted == _OUTCOME and shown.final is not None:
            said = {"p_correct": self._outcome(shown, shown.final)}
        else:
            raise CallFailed(
                FailureClass.INVALID_REQUEST, f"{self.settings.model} labels steps and judges solutions, nothing else"
            )
        return embedded_reply(self.settings.model, request, json.dumps(said), started)

    def _label(self, shown: _Shown, asked: str) -> dict[str, object]:
        number = int(found[-1]) if (found := _NUMBER.findall(asked)) else max(shown.steps, default=1)
        before = [shown.steps[place] for place in sorted(shown.steps) if place < number]
        check = check_step(shown.problem, before, shown.steps.get(number, ""))
        return {"label": check.label, "p_correct": check.p_correct}

    def _outcome(self, shown: _Shown, final: str) -> float:
        if not shown.steps:
            return check_answer(shown.problem, final).p_correct
        steps = [shown.steps[place] for place in sorted(shown.steps)]
        return math.prod(check_step(shown.problem, steps[:place], step).p_correct for place, step in enumerate(steps))


def _read(messages: Sequence[ChatMessage]) -> _Shown:
    told = [message.content for message in messages if message.role != "assistant"]
    question = find("question", told[0]) if told else []
    steps: dict[int, str] = {}
    final = None
    for content in told:
        for element in find("step", content):
            steps[int(element.attributes["number"])] = unescape(element.content.strip("\n"))
        for element in find("message", content):
            steps[int(element.attributes["turn"]) + 1] = unescape(element.content.strip("\n"))
        final = next((unescape(element.content.strip("\n")) for element in find("final", content)), final)
    return _Shown(unescape(question[0].content.strip()) if question else "", steps, final)
