"""Messages, and the one rule that decides who sees what (rules 2 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from oversight.core.belief import Belief, BeliefSource
from oversight.core.chat import ChatMessage
from oversight.prompting.markup import escape, tag
from oversight.prompting.quotes import Quote, render_quoted

__all__ = [
    "PREFERENCE",
    "PROTOCOL",
    "Branch",
    "Kind",
    "Message",
    "chat_history",
    "concurrent",
    "said_once",
    "visible_to",
]

PROTOCOL = "protocol"
"""The author of briefs, materials and requests: the procedure itself, not a seat."""

PREFERENCE = ".preference."
"""Part of the name of a seat that says which version of a speech is best; it has no other part in the episode."""

_MOST = 2**31 - 1
"""Turns beyond this are no count, and the store has no place for them."""

Branch = tuple[int, ...]
"""Where in the episode's gathers something happened: (gather, branch, gather, branch, …), () outside any."""


class Kind(StrEnum):
    """What a message is."""

    BRIEF = "brief"
    MATERIAL = "material"
    REQUEST = "request"
    SPEECH = "speech"
    THOUGHT = "thought"
    REASONING = "reasoning"
    """What a model wrote for itself before its reply; no seat ever reads it, its author neither."""
    DRAFT = "draft"
    DISCLOSURE = "disclosure"
    """A part of a draft; its author has the whole."""
    FORM = "form"
    BELIEF = "belief"
    VERDICT = "verdict"


class Message(BaseModel):
    """One attributed contribution.

    Attributes:
        author: the seat that wrote it, or `PROTOCOL`.
        audience: the seats that may read it besides its author; None means every seat.
        text: what was written, as its readers got it (after a word limit).
        turn: the protocol's own count of turns, from 0.
        branch: where in the episode's gathers it was written.
        words_cut: how many words a word limit removed, or a token limit's last, broken sentence had.
        truncated: whether a token limit cut the model off, so that only whole sentences of the text were kept.
        belief: what a belief or verdict message holds.
        call: the number, within the episode, of the model call that wrote it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    author: str
    audience: tuple[str, ...] | None
    kind: Kind
    text: str
    turn: Annotated[int, Field(ge=-_MOST, le=_MOST)] | None = None
    branch: Branch = ()
    quotes: tuple[Quote, ...] = ()
    words_cut: int = 0
    truncated: bool = False
    belief: Belief | None = None
    call: int | None = None

    def readable_by(self, seat: str) -> bool:
        """Whether ``seat`` may ever read this message."""
        if self.kind is Kind.REASONING or (self.kind is Kind.DISCLOSURE and seat == self.author):
            return False
        return self.audience is None or seat == self.author or seat in self.audience

    def is_own(self, seat: str) -> bool:
        """Whether this stands on ``seat``'s own thread: written by it, or by the protocol to it alone."""
        return self.author == seat or (self.author == PROTOCOL and self.audience == (seat,))


def concurrent(one: Branch, other: Branch) -> bool:
    """Whether two places lie in different branches of one gather, each blind to the other."""
    for depth, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return depth % 2 == 1
    return False


def visible_to(seat: str, messages: Sequence[Message], now: Branch = ()) -> list[Message]:
    """The messages ``seat`` sees at place ``now``, in the order in which it came to see them.

    A seat sees its own messages, public messages and those addressed to it, and nothing else. What others
    wrote in a parallel branch reaches it only after its own part in that gather, so what a seat has seen
    once keeps its place: histories only grow.
    """
    seen: list[Message] = []
    waiting: list[Message] = []
    readable = [message for message in messages if message.readable_by(seat)]
    for message in sorted(readable, key=lambda m: not (m.kind is Kind.BRIEF and m.is_own(seat))):
        if not message.is_own(seat):
            waiting.append(message)
            continue
        seen += [m for m in waiting if not concurrent(m.branch, message.branch)]
        waiting = [m for m in waiting if concurrent(m.branch, message.branch)]
        seen.append(message)
    return seen + [m for m in waiting if not concurrent(m.branch, now)]


def chat_history(seat: str, messages: Sequence[Message], now: Branch = ()) -> tuple[ChatMessage, ...]:
    """The exact prompt of ``seat``: its brief as system message, its own words as the assistant's.

    Whatever others wrote is one ``<message>`` element each, inside user messages; neighbouring ones are
    joined, because some providers insist that the roles alternate.
    """
    history: list[ChatMessage] = []
    for message in visible_to(seat, messages, now):
        if message.kind is Kind.BRIEF:
            role, content = "system", message.text
        elif message.author == seat:
            role, content = "assistant", message.text
        else:
            role, content = "user", _as_read(message)
        if history and role == history[-1].role == "user":
            history[-1] = ChatMessage(role, f"{history[-1].content}\n\n{content}")
        else:
            history.append(ChatMessage(role, content))
    return tuple(history)


def _as_read(message: Message) -> str:
    """A message as the seats that did not write it read it."""
    if message.kind is Kind.MATERIAL:
        return tag("material", f"\n{escape(message.text)}\n")
    if message.author == PROTOCOL:
        return message.text
    content = render_quoted(message.text, message.quotes)
    return tag("message", f"\n{content}\n", from_=message.author, turn=message.turn)


def said_once(message: Message, labels: Sequence[str]) -> str:
    """What a message says as one reply would: for a belief counted in several replies, the likeliest answer's label."""
    belief = message.belief
    if belief is None or belief.source is not BeliefSource.SAMPLED or belief.probs is None:
        return message.text
    return labels[belief.probs.index(max(belief.probs))]
