"""Which of several versions of a speech serves its speaker best: best-of-n against a judge, or a proxy of it."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from oversight.core.belief import Belief
from oversight.core.message import PREFERENCE, Branch, Kind, Message
from oversight.core.question import Question
from oversight.core.side import Side
from oversight.prompting.quotes import find_quotes

__all__ = ["preferred"]


class _Listener(Protocol):
    """A seat that says what it would believe."""

    name: str

    def believe(self, template: str = "believe", *, turn: int | None = None) -> Coroutine[Any, Any, Belief]: ...


class _Episode(Protocol):
    """What choosing a version takes of `oversight.core.episode.Episode`."""

    question: Question

    @property
    def messages(self) -> tuple[Message, ...]: ...
    @property
    def branch(self) -> Branch: ...
    def add(self, *messages: Message) -> None: ...
    def gather(self, *parts: Coroutine[Any, Any, Belief]) -> Coroutine[Any, Any, list[Belief]]: ...
    def seat(self, name: str, role: str | None = None, *, brief: str | None, place: int | None) -> _Listener: ...
    def side_of(self, seat: str) -> Side: ...


async def preferred(episode: _Episode, speaker: str, role: str, texts: Sequence[str], turn: int | None) -> int:
    """The place of the version that the preferred judge finds most favourable to the speaker's side.

    As in Khan et al. (2024): each version is put to a judge of its own, who hears what everybody hears and says how
    likely each answer is now. Of equals the first is taken; an abstention counts as an even share. Versions and
    beliefs are in the transcript, addressed to those judges alone.

    Args:
        episode: the episode.
        speaker: the seat that speaks.
        role: whose model the judge is.
        texts: the versions, as they would be said.
        turn: the protocol's count of turns.

    Raises:
        ProtocolError: the speaker argues for nothing.
        CallFailed: the judge gave nothing usable.
    """
    side = episode.side_of(speaker)
    spoken = sum(m.author == speaker and m.kind in (Kind.SPEECH, Kind.DRAFT) for m in episode.messages)
    beliefs = await episode.gather(
        *(_heard(episode, speaker, role, f"{spoken}.{number}", text, turn) for number, text in enumerate(texts))
    )
    scores = [side.favoured_by(belief.probs, len(episode.question.answers)) for belief in beliefs]
    return scores.index(max(scores))


async def _heard(episode: _Episode, speaker: str, role: str, name: str, text: str, turn: int | None) -> Belief:
    """What a judge of its own would believe now, having read all public messages, if this were said."""
    hearer = episode.seat(f"{speaker}{PREFERENCE}{name}", role=role, brief="preference", place=0)
    version = Message(
        author=speaker,
        audience=(hearer.name,),
        kind=Kind.DISCLOSURE,
        text=text,
        turn=turn,
        branch=episode.branch,
        quotes=find_quotes(text, episode.question.material),
    )
    episode.add(version)
    return await hearer.believe(turn=turn)
