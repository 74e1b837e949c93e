"""The side that a seat argues for: as it is assigned, checked and told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

from oversight.core.question import Question
from oversight.errors import ProtocolError
from oversight.prompting.markup import Trusted, tag

__all__ = ["Assignment", "Side", "check_side", "stance_of"]

Assignment: TypeAlias = tuple[int | None, ...]
"""The answer each arguing seat must defend, by place in the order presented; None: any but its opponent's."""


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


def check_side(name: str, subject: Question | str, argues: int | None, against: int | str | None) -> None:
    """See whether a side is one of the answers that the seat is shown.

    Raises:
        ProtocolError: it is none.
    """
    for place in (argues, None if against == "others" else against):
        answers = len(subject.answers) if isinstance(subject, Question) else 0
        if place is not None and not (isinstance(place, int) and 0 <= place < answers):
            raise ProtocolError(f"seat '{name}' cannot take side {place!r}: its question has {answers} answers")


def stance_of(side: Side, subject: Question | str, *, chooses: bool) -> Trusted | None:
    """Return what a seat must argue, as its prompt says it; None if it argues for nothing."""
    if not isinstance(subject, Question) or (side.argues, side.against, side.open) == (None, None, False):
        return None
    label = dict(enumerate(subject.labels))
    against = "others" if side.open and not chooses else label.get(side.against) if side.against is not None else None
    return tag(
        "stance",
        seat=side.seat,
        argues=None if side.argues is None else label[side.argues],
        against=against,
        open="yes" if chooses else None,
    )
