"""Asking a model for a belief or a form until its reply can be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from oversight.core.belief import Belief, BeliefSource
from oversight.core.chat import ChatMessage, Truncation
from oversight.core.elicitation import from_choices, from_samples, from_statement, statement_schema
from oversight.core.model_client import Answered, ModelClient
from oversight.core.notices import NO_PROBS
from oversight.errors import CallFailed, FailureClass
from oversight.util.aio import all_of

__all__ = ["BeliefRequest", "attempts_at", "told", "until_read"]

_ATTEMPTS = 3
"""How often one decision or form is asked for before the episode fails as unparsable."""

T = TypeVar("T")


class BeliefRequest(NamedTuple):
    """One request for a belief: of which model, how it is elicited, for what, and in which words."""

    client: ModelClient
    source: BeliefSource
    verb: str
    prompt: tuple[ChatMessage, ...]
    truncation: Truncation

    async def ask(
        self, attempt: int, labels: tuple[str, ...], answers: tuple[str, ...]
    ) -> tuple[Belief, list[Answered]]:
        """Make the calls that one attempt takes, and read the belief off their replies.

        Raises:
            CallFailed: the model gave nothing usable.
        """
        client = self.client
        ask = partial(client.ask, self.verb, self.prompt, truncation=self.truncation)
        if self.source is BeliefSource.SAMPLED:
            count = client.settings.belief_samples
            drawn = await all_of(*(ask(sample=attempt * count + number) for number in range(count)))
            return await client.read(drawn, lambda replies: from_samples(replies, labels, answers)), drawn
        if self.source is BeliefSource.STATED:
            answered = await ask(json_schema=statement_schema(labels), sample=attempt)
            heard = told(self.prompt)
            return await client.read([answered], lambda got: from_statement(got[0], labels, heard)), [answered]
        answered = await ask(choices=labels, sample=attempt)
        if answered.reply.choice_probs is None and not any(n.startswith(NO_PROBS) for n in answered.reply.notices):
            client.lacks_probabilities()
        return await client.read([answered], lambda replies: from_choices(replies[0], labels)), [answered]


def attempts_at(client: ModelClient) -> tuple[int, int]:
    """Return the first attempt at a belief of a model's, and the last.

    Where token probabilities fail, stated ones have as many attempts as any other request. A judge that is known to
    give none starts with those: a stated belief is the same sample of the same prompt, whenever that was found.
    """
    if BeliefSource(client.settings.belief) is not BeliefSource.LOGPROB:
        return 0, _ATTEMPTS - 1
    return int(not client.gives_probabilities), _ATTEMPTS


async def until_read(ask: Callable[[int], Awaitable[T]], first: int = 0, last: int = _ATTEMPTS - 1) -> T:
    """Ask again until something can be read: the whole decision is retried, not its parsing."""
    for attempt in range(first, last):
        try:
            return await ask(attempt)
        except CallFailed as failure:
            if failure.failure not in (FailureClass.UNPARSABLE, FailureClass.LOW_MASS):
                raise
    return await ask(last)


def told(prompt: Sequence[ChatMessage]) -> tuple[str, ...]:
    """Return what a prompt holds that the seat did not write itself."""
    return tuple(message.content for message in prompt if message.role != "assistant")
