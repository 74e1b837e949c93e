"""The material that only some seats saw, with what was quoted from it in place."""

from __future__ import annotations

from collections import Counter

from oversight.core.message import Kind
from oversight.prompting.quotes import Quote
from oversight.store import Transcript

from .. import untrusted
from ..untrusted import Box, Part
from .parts import colours

__all__ = ["show"]


def show(transcript: Transcript) -> None:
    """Show the quotes that do not stand in it, then it with those that do."""
    material = transcript.question.material or ""
    seats = colours(transcript)
    quotes = [
        (message.author, quote)
        for message in transcript.messages
        if message.kind not in (Kind.BRIEF, Kind.MATERIAL, Kind.REQUEST)
        for quote in message.quotes
    ]
    wrong = [(seat, quote) for seat, quote in quotes if not quote.verified]
    found = [(seat, quote) for seat, quote in quotes if quote.verified]
    boxes = [_legend(found, wrong, seats)]
    if wrong:
        boxes.append(Box("heading", ("Quotes that do not stand in the material",)))
        times = Counter((seat, quote.text) for seat, quote in wrong)
        boxes += [_wrong(seat, text, count, seats[seat]) for (seat, text), count in times.items()]
    boxes.append(Box("heading", ("The material",)))
    boxes.append(Box("paper", _marked(material, found, seats)))
    readers = sorted({s for m in transcript.messages if m.kind is Kind.MATERIAL for s in m.audience or ()})
    boxes.append(Box("faint", (f"seen by {', '.join(readers)}" if readers else "seen by no seat",)))
    untrusted.show(boxes, key="material", whole=True)


def _wrong(seat: str, text: str, count: int, colour: str) -> Box:
    """What a seat quoted and is not in the material, once however often it did."""
    parts = [Box("author", (seat,), colour), Box("unverified", (text,))]
    if count > 1:
        parts.append(Box("aside", (f"{count:,} times",)))
    return Box("turn-quiet", (Box("row", tuple(parts)),), colour)


def _legend(found: list[tuple[str, Quote]], wrong: list[tuple[str, Quote]], seats: dict[str, str]) -> Box:
    if not found and not wrong:
        return Box("faint", ("It was not quoted.",))
    who = dict.fromkeys(seat for seat, _ in (*found, *wrong))
    chips = [Box("chip", (seat,), seats[seat]) for seat in who]
    return Box("row", (Box("faint", (f"{len(found)} quotes verified, {len(wrong)} not found, by",)), *chips))


def _marked(material: str, found: list[tuple[str, Quote]], seats: dict[str, str]) -> tuple[Part, ...]:
    """The material, with each quoted stretch marked in the colour of the seat that quoted it first."""
    spans = sorted(
        (quote.source_start, quote.source_end, seat)
        for seat, quote in found
        if quote.source_start is not None and quote.source_end is not None
    )
    parts: list[Part] = []
    done = 0
    for start, end, seat in spans:
        if end <= done:
            continue
        parts += [material[done : max(start, done)], Box("hit", (material[max(start, done) : end],), seats[seat])]
        done = end
    return (*parts, material[done:])
