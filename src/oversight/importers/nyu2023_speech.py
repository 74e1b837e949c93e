"""What was said in a room of Michael et al. (2023), as messages; quotes keep their place in the story."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from oversight.core.belief import Belief, BeliefSource
from oversight.core.message import Branch, Kind, Message
from oversight.core.question import Question
from oversight.core.side import Side
from oversight.core.verdict import Annotation
from oversight.importers.importer import brief, material, request
from oversight.importers.nyu2023_rooms import Contribution, JudgeFeedback, PlayedRoom
from oversight.prompting.quotes import Quote, verify
from oversight.tasks.nyu2023 import placed

__all__ = ["SPANS", "RoomTranscript", "told"]

SPANS = "spans"
"""The annotation that says which of the story's tokens a speech quotes."""

_LABELS = "AB"


class RoomTranscript(NamedTuple):
    """What was said, what the judge held in the end, and notes on the messages."""

    messages: tuple[Message, ...]
    verdict: Belief | None
    notes: tuple[Annotation, ...]


def told(
    room: PlayedRoom, story: str, question: Question, seats: Mapping[str, str], sides: Sequence[Side]
) -> RoomTranscript:
    """The room as messages.

    Turns count rounds of speeches from 0; what the judge believed before the first has no turn. On the platform
    everybody read the judge's beliefs.

    Args:
        room: the room.
        story: the text that quotes are given places in.
        question: as the room asks it.
        seats: role -> seat.
        sides: who argues for what, which the platform told the judge.
    """
    teller = _Teller(room, story, seats)
    if "Judge" in room.setup.roles:
        teller.messages.append(brief(question, "judge", sides))
    teller.messages.append(material(story, [seat for role, seat in seats.items() if role != "Judge"]))
    for each in room.rounds:
        if each.judge_feedback:
            teller.judge(each.judge_feedback)
        for speeches in (each.simultaneous, each.sequential):
            if speeches:
                teller.speeches(speeches.speeches, blind=speeches is each.simultaneous)
        if each.negotiate_end:
            for letter, agrees in sorted(each.negotiate_end.votes.items()):
                text = "I would end here." if agrees else "I would go on."
                teller.add(Message(author=teller.seat(letter), audience=None, kind=Kind.FORM, text=text), teller.turn)
    return RoomTranscript(tuple(teller.messages), teller.verdict, tuple(teller.notes))


class _Teller:
    """The messages so far."""

    def __init__(self, room: PlayedRoom, story: str, seats: Mapping[str, str]) -> None:
        self.messages: list[Message] = []
        self.notes: list[Annotation] = []
        self.verdict: Belief | None = None
        self.turn: int | None = None
        self._tokens = room.setup.story.contents
        text, places = placed(self._tokens)
        # A few early rooms have the story sentence by sentence, spaced a little differently.
        self._places = places if text == story else None
        self._own = placed(self._tokens)
        self._story = story
        self._seats = seats
        self._gathers = 0

    def seat(self, letter: str) -> str:
        """Who argues the answer of that number."""
        return self._seats[f"Debater {_LABELS[int(letter)]}"]

    def add(self, message: Message, turn: int | None) -> None:
        """Append a message."""
        self.messages.append(message.model_copy(update={"turn": turn}))

    def speeches(self, speeches: Mapping[str, Contribution], *, blind: bool) -> None:
        """One round of the debaters, blind to each other or not."""
        self.turn = 0 if self.turn is None else self.turn + 1
        for place, (letter, said) in enumerate(sorted(speeches.items(), key=lambda each: each[1].timestamp)):
            branch: Branch = (self._gathers, place) if blind and len(speeches) > 1 else ()
            self.notes.extend(self._spans(said, len(self.messages)))
            self.messages.append(self._speech(said, self.seat(letter), branch))
        self._gathers += blind

    def judge(self, feedback: JudgeFeedback) -> None:
        """What the judge believed and said; with its last word comes the verdict."""
        belief = Belief(probs=feedback.distribution, source=BeliefSource.STATED)
        words = feedback.feedback.words
        spoken = Message(author="judge", audience=None, kind=Kind.SPEECH, text=words)
        held = Kind.VERDICT if feedback.end_debate else Kind.BELIEF
        believed = Message(author="judge", audience=None, kind=held, text="", belief=belief)
        if feedback.end_debate:
            # Its last words give its reasons: they stand behind the request, where another judge does not read them.
            self.add(request("judge"), self.turn)
            self.verdict = belief
        for message in (spoken, believed) if feedback.end_debate else (believed, spoken):
            if message.belief or words.strip():
                self.add(message, self.turn)

    def _speech(self, said: Contribution, seat: str, branch: Branch) -> Message:
        text, quotes = "", []
        for segment in said.content:
            if segment.text:
                text += segment.text.text
            elif segment.quote and (found := self._found(*segment.quote.span)):
                words, span = found
                start = len(text)
                text += f"<quote>{words}</quote>"
                quotes.append(
                    Quote(
                        text=words,
                        start=start,
                        end=len(text),
                        verified=span is not None,
                        source_start=span[0] if span else None,
                        source_end=span[1] if span else None,
                    )
                )
        return Message(
            author=seat,
            audience=None,
            kind=Kind.SPEECH,
            text=text,
            turn=self.turn,
            branch=branch,
            quotes=tuple(quotes),
        )

    def _found(self, begin: int, end: int) -> tuple[str, tuple[int, int] | None] | None:
        """The words of a span and their place in the story; None for a span without words."""
        places = [place for place in self._own.places[begin:end] if place[0] < place[1]]
        if not places:
            return None
        start, stop = places[0][0], places[-1][1]
        words = self._own.text[start:stop]
        start, stop = start + len(words) - len(words.lstrip()), stop - (len(words) - len(words.rstrip()))
        words = words.strip()
        if not words:
            return None
        return words, (start, stop) if self._places is not None else verify(words, self._story)

    def _spans(self, said: Contribution, message: int) -> Iterator[Annotation]:
        """The tokens quoted, which the paper's own measures count."""
        quoted = [
            {"span": list(segment.quote.span), "tokens": list(self._tokens[slice(*segment.quote.span)])}
            for segment in said.content
            if segment.quote
        ]
        if quoted:
            yield Annotation(kind=SPANS, data={"quotes": quoted}, message=message)
