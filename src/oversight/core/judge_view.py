"""The judge's view of a stored transcript: what it had read when it decided, and all that a second judge may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from oversight.core.message import Kind, Message

__all__ = ["JudgeView", "judge_view"]

_PRIVATE = frozenset({Kind.THOUGHT, Kind.BELIEF, Kind.FORM, Kind.VERDICT})


class JudgeView(NamedTuple):
    """What was said before the verdict.

    Attributes:
        seat: the judge's.
        asked: the request that it answered with its verdict; None in a transcript that was not made here.
        messages: everybody's, without the judge's private replies, what the protocol asked for them, and what any
            model reasoned; who may see which of them is for `visible_to` to say.
    """

    seat: str
    asked: Message | None
    messages: list[Message]


def judge_view(messages: Sequence[Message]) -> JudgeView:
    """What the seat that decided last had read.

    Raises:
        ValueError: no seat decided.
    """
    # Reasoning answers no request and is in no seat's view: it goes first, so that nothing else goes with it.
    messages = [message for message in messages if message.kind is not Kind.REASONING]
    place = max(idx for idx, message in enumerate(messages) if message.kind is Kind.VERDICT)
    seat = messages[place].author
    asked = max((idx for idx in range(place) if _asks(messages[idx], seat)), default=None)
    until = place if asked is None else asked
    return JudgeView(seat, None if asked is None else messages[asked], _without_private(messages[:until], seat))


def _without_private(messages: Sequence[Message], seat: str) -> list[Message]:
    heard: list[Message] = []
    for message in messages:
        if message.author == seat and message.kind in _PRIVATE:
            last = max((idx for idx, each in enumerate(heard) if _asks(each, seat)), default=None)
            if last is not None:
                del heard[last]
        else:
            heard.append(message)
    return heard


def _asks(message: Message, seat: str) -> bool:
    return message.kind is Kind.REQUEST and message.audience == (seat,)
