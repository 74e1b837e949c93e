"""Whether an episode comes out the same a second time: all that a protocol draws is to come from ``episode.rng``."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from oversight.core.episode import Episode
from oversight.core.message import Message
from oversight.core.side import Assignment, Side
from oversight.core.verdict import Verdict

__all__ = ["EpisodeTrace", "global_draws", "outcome_of", "unlike", "unrepeatable"]

_INSTEAD = "draw from episode.rng('purpose'), and let nothing depend on the time, on ids or on the order of a set"

_SHOWN = 40


class EpisodeTrace(NamedTuple):
    """What an episode left behind that its question, seed, repeat and models determine."""

    assignment: Assignment
    messages: tuple[Message, ...]
    sides: tuple[Side, ...]
    verdict: Verdict


def outcome_of(episode: Episode, verdict: Verdict) -> EpisodeTrace:
    """Return what two runs of one episode must have in common."""
    messages = tuple(message.model_copy(update={"call": None}) for message in episode.messages)
    return EpisodeTrace(episode.assignment, messages, tuple(episode.sides), verdict)


def unlike(one: EpisodeTrace, other: EpisodeTrace) -> str | None:
    """Say how two runs of one episode differ; None if they do not."""
    if one.assignment != other.assignment:
        return f"assignments gave {one.assignment}, then {other.assignment}"
    for place, (a, b) in enumerate(zip(one.messages, other.messages, strict=False)):
        if a != b:
            words = _difference(a.text, b.text) if a.text != b.text else "only its author, readers or turn"
            return f"message {place} ({a.kind.value} by {a.author}): {words}"
    if len(one.messages) != len(other.messages):
        return f"{len(one.messages)} and {len(other.messages)} messages"
    if one.sides != other.sides:
        return "the sides that seats argue"
    return "the verdict" if one.verdict != other.verdict else None


def unrepeatable(drawn: Sequence[str], differs: str | None) -> str | None:
    """Say what is wrong with a protocol by what it drew from and how its second run differed; None if nothing."""
    if drawn:
        return f"it draws from the global generator of {' and '.join(drawn)}, which no seed decides: {_INSTEAD}"
    return f"the same episode came out differently: {differs}: {_INSTEAD}" if differs else None


@contextmanager
def global_draws() -> Iterator[list[str]]:
    """Collect the names of the process's own random generators that are drawn from meanwhile.

    Only where one episode runs at a time, on models that draw from none.
    """
    found: list[str] = []
    before = _states()
    yield found
    after = _states()
    found += [name for name, state in before.items() if name in after and after[name] != state]


def _states() -> dict[str, object]:
    states: dict[str, object] = {"random": random.getstate()}
    if "numpy" in sys.modules:
        generators: Any = importlib.import_module("numpy.random")  # numpy itself imports it only when it is asked for
        name, key, *rest = generators.get_state()
        states["numpy.random"] = (name, key.tobytes(), *rest)
    return states


def _difference(a: str, b: str) -> str:
    """The part of two texts in which they begin to differ."""
    start = next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    begin = max(0, start - _SHOWN // 2)
    return " and ".join(f"'{_line(text[begin : begin + _SHOWN])}'" for text in (a, b))


def _line(text: str) -> str:
    return " ".join(text.split())
