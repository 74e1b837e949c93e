"""A stored transcript as a person judges it: what the judge's seat was shown, and nothing of what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from oversight.core.elicitation import without_instruction
from oversight.core.judge_view import judge_view
from oversight.core.message import PROTOCOL, Kind, Message, visible_to
from oversight.core.question import Question
from oversight.prompting.markup import unescape
from oversight.prompting.quotes import Quote
from oversight.store import Transcript

__all__ = ["ShownMessage", "TranscriptView", "transcript_view"]


class ShownMessage(BaseModel):
    """One message as the judge read it.

    Attributes:
        author: the seat; `oversight.core.message.PROTOCOL` for the procedure.
        own: the first judge said it, in public.
        quotes: which of its words were marked as quotes, and whether they were found in the material.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    author: str
    own: bool
    turn: int | None
    text: str
    quotes: tuple[Quote, ...] = ()


class TranscriptView(BaseModel):
    """What a person is shown of an episode. The right answer is not in here, nor what any judge believed.

    Attributes:
        prompt, labels, answers: the question, its answers in the order presented.
        solutions: the worked solutions in the answers, where the judge read them.
        instructions: the judge's brief without the question.
        material: None unless the judge read it.
        asked: how the judge was asked for its verdict, if it was.
        parts: what was said, turn by turn; one empty part, if nothing was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    labels: tuple[str, ...]
    answers: tuple[str, ...]
    solutions: tuple[str | None, ...]
    instructions: str
    material: str | None
    asked: str
    parts: tuple[tuple[ShownMessage, ...], ...]

    def at_the_end(self) -> TranscriptView:
        """The same in one part."""
        return self.model_copy(update={"parts": (tuple(said for part in self.parts for said in part),)})


def transcript_view(transcript: Transcript) -> TranscriptView:
    """What the seat that decided had read, by the rule that made its prompts.

    Raises:
        ValueError: no seat decided.
    """
    question, heard = transcript.question, judge_view(transcript.messages)
    seen = visible_to(heard.seat, heard.messages)
    brief = next((message.text for message in seen if message.kind is Kind.BRIEF), "")
    worked = question.block(solutions=True) in brief
    material = [message.text for message in seen if message.kind is Kind.MATERIAL]
    said = [message for message in seen if message.kind not in (Kind.BRIEF, Kind.MATERIAL)]
    return TranscriptView(
        prompt=question.prompt,
        labels=question.labels,
        answers=tuple(answer.text for answer in question.answers),
        solutions=tuple(answer.solution if worked else None for answer in question.answers),
        instructions=_instructions(brief, question),
        material="\n\n".join(material) or None,
        asked=unescape(without_instruction(heard.asked.text, question.labels)).strip() if heard.asked else "",
        parts=_parts(said, heard.seat),
    )


def _instructions(brief: str, question: Question) -> str:
    """A brief without the question, which is shown by itself."""
    for solutions in (True, False):
        brief = brief.replace(question.block(solutions=solutions), "")
    return unescape(brief).strip()


def _parts(messages: Sequence[Message], judge: str) -> tuple[tuple[ShownMessage, ...], ...]:
    """The messages turn by turn. What the judge asked belongs to the turn that answers it."""
    parts: list[list[ShownMessage]] = [[]]
    turn: int | None = None
    for message in messages:
        own = message.author == judge
        others = any(not said.own for said in parts[-1])
        moved_on = None not in (turn, message.turn) and message.turn != turn
        if others and (own or moved_on):
            parts.append([])
        turn = turn if message.turn is None else message.turn
        text = unescape(message.text) if message.author == PROTOCOL else message.text
        parts[-1].append(
            ShownMessage(author=message.author, own=own, turn=message.turn, text=text, quotes=message.quotes)
        )
    return tuple(tuple(part) for part in parts)
