"""The messages of a line, with the beliefs that were held between them in their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oversight.core.belief import Belief
from oversight.core.message import PROTOCOL, Branch, Kind, Message
from oversight.core.question import Question
from oversight.core.side import Side
from oversight.importers.importer import brief, material, request
from oversight.importers.jsonl_records import BeliefRecord, Line, MessageRecord, VerdictRecord
from oversight.prompting.quotes import Quote, find_quotes, verify

__all__ = ["TranscriptBuilder"]

_PRIVATE = {"thought", "draft", "reasoning"}


class TranscriptBuilder:
    """A transcript put together from what was said and what was held.

    Attributes:
        messages: all of it, in order.
    """

    def __init__(
        self,
        line: Line,
        question: Question,
        sides: Sequence[Side],
        beliefs: Sequence[tuple[BeliefRecord, Belief]],
        final: Belief | None,
    ) -> None:
        self._line = line
        self._places: list[int] = []
        self._groups: dict[int, int] = {}
        self._members: dict[int, int] = {}
        found: list[Message] = []
        verdict = line.verdict
        if not any(each.kind == "brief" and each.to == [verdict.seat] for each in line.messages):
            found.append(brief(question, verdict.seat, sides))
        if line.sees_material:
            if question.material is None:
                raise ValueError("sees_material: there is no material")
            found.append(material(question.material, line.sees_material))
        after = [self._after(belief, number) for number, (belief, _) in enumerate(beliefs)]
        for place in range(len(line.messages) + 1):
            for (belief, held), where in zip(beliefs, after, strict=True):
                found += _held(belief, held, Kind.BELIEF) if where == place else ()
            if place < len(line.messages):
                self._places.append(len(found))
                found.append(self._message(line.messages[place], place))
        if final is not None:
            found += [request(verdict.seat, verdict.turn), *_held(verdict, final, Kind.VERDICT)]
        self.messages = tuple(found)

    def place(self, number: int | None, field: str) -> int | None:
        """Where the line's message of that number stands among all of them."""
        if number is None:
            return None
        if number >= len(self._places):
            raise ValueError(f"{field}: is {number}, but there are {len(self._places)} messages, counted from 0")
        return self._places[number]

    def _after(self, belief: BeliefRecord, number: int) -> int:
        """How many of the line's messages had been said when a belief was held."""
        said = self._line.messages
        if belief.after is not None:
            if belief.after > len(said):
                raise ValueError(f"beliefs.{number}.after: is {belief.after}, but there are {len(said)} messages")
            return belief.after
        if belief.turn is None:
            return 0
        turns = [message.turn for message in said]
        if said and all(turn is None for turn in turns):
            raise ValueError(f"beliefs.{number}.turn: no message has a turn: give them turns, or the belief an 'after'")
        return max(
            (place + 1 for place, turn in enumerate(turns) if turn is not None and turn <= belief.turn), default=0
        )

    def _message(self, record: MessageRecord, number: int) -> Message:
        to = record.to
        if to and record.kind == "reasoning":
            raise ValueError(f"messages.{number}.to: no seat reads a reasoning")
        if to is None and record.kind in _PRIVATE:
            to = []
        if to is None and record.author == PROTOCOL and record.kind != "speech":
            raise ValueError(f"messages.{number}.to: whom was this {record.kind} for?")
        return Message(
            author=record.author,
            audience=None if to is None else tuple(to),
            kind=Kind(record.kind),
            text=record.text,
            turn=record.turn,
            branch=self._branch(record.together),
            quotes=self._quotes(record, number),
        )

    def _branch(self, together: int | None) -> Branch:
        """Messages with one number were written at the same time, each blind to the others."""
        if together is None:
            return ()
        gather = self._groups.setdefault(together, len(self._groups))
        member = self._members.get(together, 0)
        self._members[together] = member + 1
        return gather, member

    def _quotes(self, record: MessageRecord, number: int) -> tuple[Quote, ...]:
        """Quotes between tags, and those that the line lists; each is checked against the material.

        Without a material nothing can be said of them, so that they stay text: to call them false would mislead
        a later judge.
        """
        if self._line.material is None:
            if record.quotes:
                raise ValueError(f"messages.{number}.quotes: there is no material to check them against")
            return ()
        if not record.quotes:
            return find_quotes(record.text, self._line.material) if record.kind == "speech" else ()
        found: list[Quote] = []
        done = 0
        for place, listed in enumerate(record.quotes):
            field = f"messages.{number}.quotes.{place}"
            start, end = self._span(record.text, listed, done, field)
            if start < done:
                raise ValueError(f"{field}: overlaps the quote before it, or stands before it in the text")
            words = record.text[start:end]
            span = verify(words, self._line.material)
            found.append(
                Quote(
                    text=words.strip(),
                    start=start,
                    end=end,
                    verified=span is not None,
                    source_start=span[0] if span else None,
                    source_end=span[1] if span else None,
                )
            )
            done = end
        return tuple(found)

    @staticmethod
    def _span(text: str, listed: str | list[int], done: int, field: str) -> tuple[int, int]:
        if isinstance(listed, str):
            start = text.find(listed, done) if listed else -1
            if start < 0:
                raise ValueError(f"{field}: '{listed:.60}' does not stand in the text, after the quotes before it")
            return start, start + len(listed)
        if len(listed) != 2 or not 0 <= listed[0] < listed[1] <= len(text):  # noqa: PLR2004 - a start and an end
            raise ValueError(f"{field}: is no [start, end] in a text of {len(text)} characters")
        return listed[0], listed[1]


def _held(record: BeliefRecord | VerdictRecord, belief: Belief, kind: Kind) -> Iterator[Message]:
    """A belief, after what its seat wrote about it; no other seat reads either."""
    if record.text:
        yield Message(author=record.seat, audience=(), kind=Kind.THOUGHT, text=record.text, turn=record.turn)
    yield Message(author=record.seat, audience=(), kind=kind, text="", turn=record.turn, belief=belief)
