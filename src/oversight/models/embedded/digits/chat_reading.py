"""What an embedded model reads in a chat: the same prompt a language model gets, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight.core.chat import ChatMessage
from oversight.errors import CallFailed, FailureClass
from oversight.models.embedded.digits.images import PIXELS, Pixel, read_pixels
from oversight.prompting.markup import find, unescape

__all__ = ["GameView", "Stance", "read_chat"]

_WEAK_SEATS = ("judge", "overseer")
"""Seats whose messages are questions, not turns of the game."""


class Stance(NamedTuple):
    """What a seat must argue, as digits; see `oversight.core.episode`'s ``<stance>`` element."""

    argues: int | None
    """The digit it defends; None if it may choose, or may defend anything but `against`."""
    against: int | None
    """Its opponent's digit, None if it has none or an uncommitted one."""
    contested: bool
    """Whether there is an opponent at all."""


class GameView(NamedTuple):
    """Everything in a chat that bears on the game."""

    answers: dict[str, int]
    """The digit behind each label, in the order presented."""
    public: dict[int, int]
    """Value by place of the pixels the question itself shows."""
    revealed: dict[int, int]
    """Value by place of the nonzero pixels revealed since, by any seat; a repeated one counts once."""
    image: NDArray[np.uint8] | None
    """(64,) brightness, for a seat that sees the material."""
    own_turns: int
    """How often this seat has spoken."""
    other_turns: int
    """How often the other arguing seats have."""
    stance: Stance

    @property
    def known(self) -> list[Pixel]:
        """All nonzero pixels this seat knows, ascending."""
        seen = {} if self.image is None else dict(enumerate(self.image.tolist()))
        merged = seen | self.public | self.revealed
        return [Pixel(place, value) for place, value in sorted(merged.items()) if value]


def read_chat(messages: Sequence[ChatMessage]) -> GameView:
    """Read a seat's chat history.

    Of what others wrote, only verified quotes count. A seat's own words carry no verification, so its own
    quotes count if its material bears them out. Zero pixels cannot be revealed (Irving et al. 2018), so
    quoting one reveals nothing.

    Raises:
        CallFailed: invalid_request, because the question's answers are not digits.
    """
    told = "\n".join(message.content for message in messages if message.role != "assistant")
    own = [message.content for message in messages if message.role == "assistant"]
    image = _image(told)
    heard = [
        (message.attributes.get("from", ""), quote)
        for message in find("message", told)
        for quote in [find("quote", message.content)]
    ]
    verified = (q.content for _, quotes in heard for q in quotes if q.attributes.get("verified") == "yes")
    revealed = {pixel.place: pixel.value for text in verified for pixel in _nonzero(text)}
    if image is not None:
        for text in own:
            for quote in find("quote", text):
                revealed |= {p.place: p.value for p in _nonzero(quote.content) if image[p.place] == p.value}
    answers = _answers(told)
    return GameView(
        answers=answers,
        public={pixel.place: pixel.value for q in find("question", told)[:1] for pixel in _nonzero(q.content)},
        revealed=revealed,
        image=image,
        own_turns=len(own),
        other_turns=sum(author not in _WEAK_SEATS for author, _ in heard),
        stance=_stance(told, answers),
    )


def _nonzero(escaped: str) -> Iterable[Pixel]:
    return (pixel for pixel in read_pixels(unescape(escaped)) if pixel.value)


def _image(told: str) -> NDArray[np.uint8] | None:
    pixels = [pixel for material in find("material", told)[:1] for pixel in read_pixels(material.content)]
    if not pixels:
        return None
    image = np.zeros(PIXELS, np.uint8)
    for place, value in pixels:
        image[place] = value
    return image


def _answers(told: str) -> dict[str, int]:
    answers = {
        answer.attributes.get("label", ""): unescape(answer.content).strip()
        for presented in find("answers", told)[:1]
        for answer in find("answer", presented.content)
    }
    if len(answers) < 2 or not all(len(text) == 1 and text in "0123456789" for text in answers.values()):  # noqa: PLR2004
        raise CallFailed(
            FailureClass.INVALID_REQUEST, "the embedded pixel models know only questions whose answers are digits"
        )
    return {label: int(text) for label, text in answers.items()}


def _stance(told: str, answers: dict[str, int]) -> Stance:
    attributes = next((element.attributes for element in find("stance", told)), {})
    return Stance(
        argues=answers.get(attributes.get("argues", "")),
        against=answers.get(attributes.get("against", "")),
        contested="against" in attributes,
    )
