"""What seats were told and said, as rows that a chat model is trained on: conversations, and pairs of replies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from oversight.core.chat import ChatMessage
from oversight.core.message import PREFERENCE, PROTOCOL, Kind, Message, chat_history, said_once
from oversight.core.side import Side
from oversight.models.chat_rows import ChatRow
from oversight.store import Transcript

__all__ = ["conversation_rows", "preference_rows"]

_AIMED = frozenset({Kind.SPEECH, Kind.DRAFT})
"""What `oversight.core.seat.Seat.speak` may choose among several versions of."""


def conversation_rows(transcript: Transcript, role: str | None, *, won: bool) -> Iterator[dict[str, Any] | None]:
    """One row for each seat of a judged episode: its chat from the brief to its last reply, as OpenAI and TRL take it.

    Histories only grow, so this holds every prompt of the seat and every reply. Seats that only chose between versions
    of a speech have no row.

    Yields:
        A row; None for a seat whose chat is none: without a brief on record, as in imported transcripts, or with a
        message that is empty.

    Args:
        transcript: the episode.
        role: only seats that the experiment binds to this role; None: all.
        won: only seats whose side the verdict holds likelier than all others together.
    """
    verdict = transcript.outcome.verdict
    if verdict is None:
        return
    messages = [_said_once(message, transcript.question.labels) for message in transcript.messages]
    for seat in _seats(transcript, role):
        if won and _reward(transcript, seat) <= 1 / 2:
            continue
        last = max(place for place, message in enumerate(messages) if _is_reply(message) and message.author == seat)
        history = chat_history(seat, messages[:last], messages[last].branch)
        try:
            row = ChatRow.of(history, messages[last].text) if _prompted(history) else None
        except ValueError:
            row = None
        yield None if row is None else {"messages": [message._asdict() for message in row.messages]}


def preference_rows(transcripts: Iterable[Transcript], role: str | None) -> Iterator[dict[str, Any]]:
    """Pairs of replies to the same prompt, of which one served its seat's side better, as in TRL's preference format.

    Of the versions of a speech that a judge's taste chose from (``best_of``), the best and the worst, by that taste.
    Of what a seat said in episodes that repeat each other, to prompts equal byte for byte, the reply that went before
    the highest and the one before the lowest verdict for the seat's side. No pair of equals, in score or in words, and
    none of a seat whose brief is not on record.

    Args:
        transcripts: those of one arm and question next to each other.
        role: only seats that the experiment binds to this role; None: all.
    """
    for _, repeats in groupby(transcripts, key=lambda each: (each.spec.arm, each.spec.seed, each.spec.question_key)):
        replies: dict[tuple[str, tuple[ChatMessage, ...]], list[_Reply]] = {}
        for transcript in repeats:
            if transcript.outcome.verdict is None:
                continue
            for seat in _seats(transcript, role):
                if side := _side(transcript, seat):
                    for prompt, said, versions in _speeches(transcript, seat, side):
                        yield from _pair(prompt, versions)
                        replies.setdefault((seat, prompt), []).append(_Reply(said, _reward(transcript, seat)))
        for (_, prompt), those in replies.items():
            yield from _pair(prompt, those)


def _said_once(message: Message, labels: Sequence[str]) -> Message:
    text = said_once(message, labels)
    return message if text == message.text else message.model_copy(update={"text": text})


class _Reply(NamedTuple):
    text: str
    score: float
    """The probability of the speaker's side by a listener of the speech."""


def _is_reply(message: Message) -> bool:
    """Whether it is a seat's reply: parts of a draft were written before, and what a model reasoned is no reply."""
    return message.author != PROTOCOL and message.kind not in (Kind.DISCLOSURE, Kind.REASONING)


def _seats(transcript: Transcript, role: str | None) -> list[str]:
    """Who said anything in an episode, in the order in which they first did."""
    roles = {call.seat: call.role for call in transcript.calls}
    said = dict.fromkeys(message.author for message in transcript.messages if _is_reply(message))
    return [seat for seat in said if PREFERENCE not in seat and role in (None, roles.get(seat, seat))]


def _side(transcript: Transcript, seat: str) -> Side | None:
    return next((s for s in transcript.sides if s.seat == seat and (s.argues, s.against) != (None, None)), None)


def _reward(transcript: Transcript, seat: str) -> float:
    """The verdict's probability of a seat's side; 0 of a seat that has none."""
    verdict, side = transcript.outcome.verdict, _side(transcript, seat)
    if verdict is None or side is None:
        return 0.0
    return side.favoured_by(verdict.belief.probs, len(transcript.question.answers))


def _speeches(
    transcript: Transcript, seat: str, side: Side
) -> Iterator[tuple[tuple[ChatMessage, ...], str, list[_Reply]]]:
    """Each speech of a seat with the prompt that asked for it, and the versions that it was chosen from, if any."""
    held = {message.author: message.belief for message in transcript.messages if message.belief is not None}
    spoken = 0
    for place, message in enumerate(transcript.messages):
        if message.author != seat or message.kind not in _AIMED:
            continue
        prompt = chat_history(seat, transcript.messages[:place], message.branch)
        heard_by = f"{seat}{PREFERENCE}{spoken}."
        versions = [
            _Reply(version.text, side.favoured_by(belief.probs, len(transcript.question.answers)))
            for version in transcript.messages[:place]
            if version.audience and version.audience[0].startswith(heard_by)
            if version.author == seat and (belief := held.get(version.audience[0])) is not None
        ]
        spoken += 1
        if _prompted(prompt):
            yield prompt, message.text, versions


def _pair(prompt: tuple[ChatMessage, ...], replies: list[_Reply]) -> Iterator[dict[str, Any]]:
    """The best and the worst of several replies; of equals the first."""
    if not replies:
        return
    best = max(replies, key=lambda reply: reply.score)
    worst = min(replies, key=lambda reply: reply.score)
    if best.score > worst.score and best.text != worst.text:
        yield {
            "prompt": [message._asdict() for message in prompt],
            "chosen": [{"role": "assistant", "content": best.text}],
            "rejected": [{"role": "assistant", "content": worst.text}],
            "score_chosen": best.score,
            "score_rejected": worst.score,
        }


def _prompted(history: tuple[ChatMessage, ...]) -> bool:
    """Whether a seat's brief is on record, which says what it had to argue: of imported transcripts it seldom is."""
    return bool(history) and history[0].role == "system"
