"""What the parts of a transcript's page have in common."""

from __future__ import annotations

from oversight.core.belief import Belief
from oversight.core.message import PROTOCOL
from oversight.store import Transcript

from ..data.episode_list import CONFIDENT
from ..palette import NEUTRAL, RIGHT, WRONG, seat_colours
from ..untrusted import Box

__all__ = ["answer_colour", "colours", "noted", "outcome", "shares"]


def colours(transcript: Transcript) -> dict[str, str]:
    """A colour for every seat; those that argue first, so that sides look the same in every transcript."""
    arguing = [side.seat for side in transcript.sides]
    writing = [message.author for message in transcript.messages if message.author != PROTOCOL]
    reading = [seat for message in transcript.messages for seat in message.audience or ()]
    return seat_colours([*arguing, *writing, *reading, *(call.seat for call in transcript.calls)])


def noted(transcript: Transcript, kind: str) -> list[dict[str, object]]:
    """What the verdict noted under one kind."""
    verdict = transcript.outcome.verdict
    return [note.data for note in verdict.annotations if note.kind == kind] if verdict else []


def outcome(transcript: Transcript) -> str:
    """What became of the episode, in the words of the list."""
    verdict = transcript.outcome.verdict
    if verdict is None:
        return "failed"
    probs = verdict.belief.probs
    if probs is None:
        return "abstained"
    gold = probs[transcript.gold]
    if gold < max(probs):
        return "confidently wrong" if max(probs) >= CONFIDENT else "wrong"
    return "right" if sum(p >= gold for p in probs) == 1 else "tie"


def answer_colour(transcript: Transcript, place: int) -> str:
    """The colour of an answer: right or not."""
    return RIGHT if place == transcript.gold else WRONG if len(transcript.question.answers) == 2 else NEUTRAL  # noqa: PLR2004


def shares(transcript: Transcript, belief: Belief) -> Box:
    """A belief, as a bar for each answer that has some of it."""
    if belief.probs is None:
        return Box("faint", ("abstains",))
    cells: list[Box] = []
    shown = sorted(range(len(belief.probs)), key=lambda place: -belief.probs[place] if belief.probs else 0)[:6]
    for place in sorted(shown):
        p = belief.probs[place]
        bar = Box("bar", (Box("fill", colour=answer_colour(transcript, place), shade=p),))
        cells += [Box("label", (transcript.question.labels[place],)), bar, Box("number", (f"{p:.3f}",))]
    return Box("shares", tuple(cells))
