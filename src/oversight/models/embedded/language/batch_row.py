"""One reply in the making: what it was asked for, what it has so far, and whether it is complete."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from oversight.core.chat import ChatMessage

__all__ = ["BatchRow", "GeneratedReply", "GenerationJob"]

_BROKEN_CHARACTER = "\N{REPLACEMENT CHARACTER}"
"""What the last token decodes to while it ends inside a character."""


class GenerationJob(NamedTuple):
    """What a reply is generated from.

    Attributes:
        messages: the chat.
        seed: determines every draw of this reply, whatever else is in its batch.
        choices: when given, one token is wanted, and the probability of each choice as that token.
        temperature: 0 takes the most probable token.
        top_p: draws come from the most probable tokens that have this share together.
        max_tokens: of the reply.
        stop: texts before which the reply ends.
        word_limit: the reply ends once it has more words.
        batch_size: replies generated at a time, at most.
        threads: of the processor for one operation.
    """

    messages: tuple[ChatMessage, ...]
    seed: str
    choices: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    word_limit: int | None = None
    batch_size: int = 32
    threads: int = 1


class GeneratedReply(NamedTuple):
    """A reply, as `oversight.core.chat.ChatReply` names its parts."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    choice_probs: dict[str, float] | None = None


@dataclass
class BatchRow:
    """One reply of a batch.

    Attributes:
        job: what was asked.
        prompt: its tokens.
        room: tokens that the reply may take.
        tokens: of the reply so far, without the one that ended it.
        text: what they say.
        finish_reason: empty until the reply is complete.
        used: tokens generated, with the one that ended the reply.
    """

    job: GenerationJob
    prompt: list[int]
    room: int
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""
    used: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.job.seed)

    def draw(self) -> float:
        """Return this row's next number from [0, 1)."""
        return self._random.random()

    @property
    def blank(self) -> bool:
        """Whether nothing has been said yet."""
        return not self.text.strip()

    def add(self, token: int, ends: bool, decode: Callable[[Sequence[int]], str]) -> None:
        """Take the next token.

        Args:
            token: its number.
            ends: whether it is one that ends a turn.
            decode: makes text of tokens.
        """
        self.used += 1
        if ends:
            self.finish_reason = "stop"
            return
        self.tokens.append(token)
        self.text = decode(self.tokens)
        cuts = [place for stop in self.job.stop if (place := self.text.find(stop)) >= 0]
        if cuts:
            self.text, self.finish_reason = self.text[: min(cuts)], "stop"
        elif self.job.word_limit is not None and len(self.text.split()) > self.job.word_limit:
            self.finish_reason = "stop"
        elif self.used >= self.room:
            self.finish_reason = "length"

    def generated(self) -> GeneratedReply:
        """Return the reply."""
        return GeneratedReply(
            self.text.rstrip(_BROKEN_CHARACTER).strip(), self.finish_reason, len(self.prompt), self.used
        )
