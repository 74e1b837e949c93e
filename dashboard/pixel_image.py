"""The image of the digits game: what is known of it, and around what was revealed the colour of who did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from oversight.core.message import PROTOCOL
from oversight.models.embedded.digits.images import BRIGHTEST, PIXELS, Pixel, read_pixels
from oversight.prompting.quotes import Quote

from .palette import NEUTRAL
from .untrusted import Box

__all__ = ["image"]


class _Speech(Protocol):
    @property
    def author(self) -> str: ...
    @property
    def quotes(self) -> tuple[Quote, ...]: ...


def image(
    known: Iterable[Pixel], given: Iterable[Pixel], said: Iterable[_Speech], colours: Mapping[str, str]
) -> list[Box]:
    """The image, or nothing where no pixel of it is known.

    Args:
        known: pixels that are shown, whichever seat revealed them.
        given: those that stand in the question; they are marked, and have no number.
        said: verified quotes in it reveal pixels, numbered in order; blank ones are none.
        colours: by author.
    """
    marks: dict[int, tuple[int, str]] = {}
    values: dict[int, int] = {}
    for pixel in given:
        values[pixel.place] = pixel.value
        marks[pixel.place] = (0, NEUTRAL)
    order = 0
    for author, pixel in _revealed(said):
        if pixel.place not in marks:
            order += 1
            values[pixel.place] = pixel.value
            marks[pixel.place] = (order, colours[author])
    values |= {pixel.place: pixel.value for pixel in known}
    if not values:
        return []
    caption = (
        f"{order} pixels were revealed, in this order; colours are the seats'." if order else "No pixel was revealed."
    )
    if len(values) < PIXELS:
        caption += " Hatched pixels have not been shown."
    cells = tuple(_cell(values.get(place), *marks.get(place, (0, None))) for place in range(PIXELS))
    return [Box("heading", ("The image",)), Box("pixels", cells), Box("faint", (caption,))]


def _revealed(said: Iterable[_Speech]) -> Iterable[tuple[str, Pixel]]:
    for speech in said:
        for quote in speech.quotes if speech.author != PROTOCOL else ():
            for pixel in read_pixels(quote.text) if quote.verified else ():
                if pixel.value:
                    yield speech.author, pixel


def _cell(value: int | None, number: int, colour: str | None) -> Box:
    if value is None:
        return Box("pixel-unknown")
    badge = (Box("badge", (str(number),), colour),) if number else ()
    return Box("pixel-revealed" if colour else "pixel", badge, colour, value / BRIGHTEST)
