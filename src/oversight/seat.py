"""A seat: a participant's place in an episode, and the few things it can do there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from oversight.aio import all_of
from oversight.belief import Belief, BeliefSource
from oversight.errors import CallFailed, FailureClass, ProtocolError
from oversight.models.base import ChatMessage, Truncation
from oversight.models.reply.notices import NO_PROBS
from oversight.preference import preferred
from oversight.prompting.elicitation import (
    from_choices,
    from_form,
    from_samples,
    from_statement,
    instruction,
    statement_schema,
)
from oversight.prompting.length import shortened
from oversight.question import Question
from oversight.quotes import find_quotes
from oversight.transcript import PROTOCOL, Kind, Message, chat_history, concurrent
from oversight.verdict import Verdict

if TYPE_CHECKING:
    from oversight.caller import Answered, Caller
    from oversight.episode import Episode

__all__ = ["Seat"]

_ATTEMPTS = 3
"""How often one decision or form is asked for before the episode fails as unparsable."""

T = TypeVar("T")
Form = TypeVar("Form", bound=BaseModel)


class Seat:
    """One participant. Protocols get seats from `Episode.seat`; they do not make them.

    Every verb renders one prompt template as a request that only this seat reads, calls the seat's model on
    the seat's own history, and adds the reply to the transcript. ``turn`` is the protocol's count of turns;
    other keyword arguments fill in the template. Every verb raises `CallFailed` when the model gives nothing
    usable; a protocol lets it pass, and the engine stores the episode as failed.
    """

    def __init__(self, episode: Episode, name: str, caller: Caller, question: Question | None) -> None:
        self.name = name
        self._episode = episode
        self._caller = caller
        self._labels = () if question is None else question.labels
        self._answers = () if question is None else tuple(answer.text for answer in question.answers)
        self._last = episode.branch

    @property
    def belief_calls(self) -> int:
        """Model calls that one belief of this seat takes."""
        settings = self._caller.model.settings
        return settings.belief_samples if settings.belief == "sampled" else 1

    async def speak(
        self,
        template: str,
        *,
        to: Sequence[Seat] | None = None,
        turn: int | None = None,
        word_limit: int | None = None,
        **values: Any,
    ) -> Message:
        """Say something to everyone, or only to the seats in ``to``.

        Words past ``word_limit`` are cut, and counted in the message; of a text that a token limit cut off whole
        sentences are kept. Quotes are checked against the
        question's material. The model's settings may ask for the best of several versions, or for a draft that is
        criticised and written anew (`oversight.models.base.ModelSettings`).
        """
        audience = None if to is None else tuple(seat.name for seat in to)
        values = {"word_limit": word_limit, **values}
        for number in range(refine := self._caller.model.settings.refine):
            draft = "refine" if number else template
            await self._say("draft", draft, Kind.DRAFT, (), turn, values, aimed=number == 0)
            await self._say("think", "criticise", Kind.THOUGHT, (), turn, {})
        final = "refine" if refine else template
        return await self._say("speak", final, Kind.SPEECH, audience, turn, values, aimed=refine == 0)

    async def think(self, template: str, *, turn: int | None = None, **values: Any) -> Message:
        """Write a private note, which no other seat ever reads."""
        return await self._say("think", template, Kind.THOUGHT, (), turn, values)

    async def draft(self, template: str, *, turn: int | None = None, **values: Any) -> Message:
        """Write something that nobody reads yet; parts of it reach others by `disclose`."""
        return await self._say("draft", template, Kind.DRAFT, (), turn, values)

    def disclose(self, part: str, *, to: Sequence[Seat], turn: int | None = None) -> Message:
        """Let the seats in ``to`` read a part of what this seat drafted, as a message of its own.

        Raises:
            ProtocolError: it is no part of a draft of this seat's.
        """
        drafts = [m for m in self._episode.messages if m.author == self.name and m.kind is Kind.DRAFT]
        source = next((draft for draft in reversed(drafts) if part in draft.text), None)
        if source is None:
            raise ProtocolError(f"seat '{self.name}' cannot disclose what it did not draft: {part:.60}")
        said = Message(
            author=self.name,
            audience=tuple(seat.name for seat in to),
            kind=Kind.DISCLOSURE,
            text=part,
            turn=turn,
            branch=self._episode.branch,
            quotes=find_quotes(part, self._episode.question.material),
            call=source.call,
        )
        self._episode.add(said)
        return said

    async def fill(self, template: str, form: type[Form], *, turn: int | None = None, **values: Any) -> Form:
        """Fill in a form, privately: the reply is validated as ``form``, and asked for again if it does not fit."""
        request = self._request(template, turn, values)
        prompt = self._prompt(request)
        heard, schema = _told(prompt), form.model_json_schema()

        async def ask(attempt: int) -> tuple[Form, Answered]:
            answered = await self._caller.ask(
                "fill", prompt, json_schema=schema, sample=attempt, truncation=self._truncation()
            )
            return await self._caller.read([answered], lambda replies: from_form(replies[0], form, heard)), answered

        filled, answered = await _until_read(ask)
        self._episode.add(request, *self._reasoning(answered), self._reply(Kind.FORM, answered, turn, audience=()))
        return filled

    async def believe(self, template: str = "believe", *, turn: int | None = None, **values: Any) -> Belief:
        """Say, privately, how likely each answer is now."""
        return await self._elicit("believe", self._render(template, turn, values), Kind.BELIEF, turn)

    async def decide(self, template: str = "decide", *, turn: int | None = None, **values: Any) -> Verdict:
        """Give the final belief."""
        return await self.decide_on(self._render(template, turn, values), turn)

    async def decide_on(self, words: str, turn: int | None = None) -> Verdict:
        """Give the final belief when asked in these words, as they were put to somebody else before."""
        return Verdict(belief=await self._elicit("decide", words, Kind.VERDICT, turn))

    async def _say(
        self,
        verb: str,
        template: str,
        kind: Kind,
        audience: tuple[str, ...] | None,
        turn: int | None,
        values: dict[str, Any],
        *,
        aimed: bool = False,
    ) -> Message:
        """Write something; where it is aimed at others, in the words that serve the seat's side best."""
        request = self._request(template, turn, values)
        limit = values.get("word_limit")
        truncation = self._truncation(free=True, limited=limit is not None)
        ask = partial(self._caller.ask, verb, self._prompt(request), word_limit=limit, truncation=truncation)
        versions = self._caller.model.settings.best_of if aimed else 1
        drawn = await all_of(*(ask(sample=number) for number in range(versions)))
        answered = drawn[0]
        if versions > 1:
            texts = [shortened(each.reply.text, limit, truncated=each.reply.truncated).text for each in drawn]
            role = self._caller.model.settings.preferred_by
            answered = drawn[await preferred(self._episode, self.name, role, texts, turn)]
        part = shortened(answered.reply.text, limit, truncated=answered.reply.truncated)
        quotes = find_quotes(part.text, self._episode.question.material)
        said = self._reply(kind, answered, turn, audience=audience, text=part.text).model_copy(
            update={"words_cut": part.words_cut, "truncated": part.truncated, "quotes": quotes}
        )
        self._episode.add(request, *self._reasoning(*drawn), said)
        return said

    async def _elicit(self, verb: str, words: str, kind: Kind, turn: int | None) -> Belief:
        """Ask for a belief in the configured way; where token probabilities fail, ask for stated ones."""
        if not self._labels:
            raise ProtocolError(f"seat '{self.name}' works on a text without answers: it has nothing to decide between")

        async def ask(attempt: int) -> tuple[Belief, Message, list[Answered]]:
            source = BeliefSource(self._caller.model.settings.belief)
            if source is BeliefSource.LOGPROB and attempt > 0:
                source = BeliefSource.STATED
            request = self._private(f"{words}\n\n{instruction(source, self._labels)}", turn)
            belief, answered = await self._ask_belief(source, verb, request, attempt)
            return belief, request, answered

        belief, request, answered = await _until_read(ask, *self._attempts())
        text = "\n".join(each.reply.text for each in answered)
        reply = self._reply(kind, answered[-1], turn, audience=(), text=text).model_copy(update={"belief": belief})
        self._episode.add(request, *self._reasoning(*answered), reply)
        return belief

    def _attempts(self) -> tuple[int, int]:
        """The first attempt at a belief, and the last.

        Where token probabilities fail, stated ones have as many attempts as anybody's. A judge that is known to
        give none starts with those: a stated belief is the same sample of the same prompt, whenever that was found.
        """
        model = self._caller.model
        if BeliefSource(model.settings.belief) is not BeliefSource.LOGPROB:
            return 0, _ATTEMPTS - 1
        return int(not model.gives_probabilities), _ATTEMPTS

    async def _ask_belief(
        self, source: BeliefSource, verb: str, request: Message, attempt: int
    ) -> tuple[Belief, list[Answered]]:
        prompt = self._prompt(request)
        caller, labels = self._caller, self._labels
        ask = partial(caller.ask, verb, prompt, truncation=self._truncation())
        if source is BeliefSource.SAMPLED:
            count = caller.model.settings.belief_samples
            drawn = await all_of(*(ask(sample=attempt * count + number) for number in range(count)))
            return await caller.read(drawn, lambda replies: from_samples(replies, labels, self._answers)), drawn
        if source is BeliefSource.STATED:
            answered = await ask(json_schema=statement_schema(labels), sample=attempt)
            heard = _told(prompt)
            return await caller.read([answered], lambda got: from_statement(got[0], labels, heard)), [answered]
        answered = await ask(choices=labels, sample=attempt)
        if answered.reply.choice_probs is None and not any(n.startswith(NO_PROBS) for n in answered.reply.notices):
            caller.model.gives_probabilities = False
        return await caller.read([answered], lambda replies: from_choices(replies[0], labels)), [answered]

    def _truncation(self, *, free: bool = False, limited: bool = False) -> Truncation:
        """What becomes of a reply that a token limit cut off: a verdict or a form is never kept."""
        chosen = self._caller.model.settings.truncated
        if chosen is None:
            return "keep" if limited else "fail"
        return "fail" if chosen == "keep" and not free else chosen

    def _render(self, template: str, turn: int | None, values: dict[str, Any]) -> str:
        return self._episode.render(template, {**values, "turn": turn, "seat": self.name})

    def _request(self, template: str, turn: int | None, values: dict[str, Any]) -> Message:
        return self._private(self._render(template, turn, values), turn)

    def _private(self, text: str, turn: int | None) -> Message:
        """A message from the protocol that only this seat reads."""
        return Message(
            author=PROTOCOL,
            audience=(self.name,),
            kind=Kind.REQUEST,
            text=text,
            turn=turn,
            branch=self._episode.branch,
        )

    def _reply(
        self,
        kind: Kind,
        answered: Answered,
        turn: int | None,
        *,
        audience: tuple[str, ...] | None,
        text: str | None = None,
    ) -> Message:
        return Message(
            author=self.name,
            audience=audience,
            kind=kind,
            text=answered.reply.text if text is None else text,
            turn=turn,
            branch=self._episode.branch,
            call=answered.call,
        )

    def _reasoning(self, *answered: Answered) -> list[Message]:
        """What the model wrote for itself before its replies: kept, and read by no seat."""
        return [
            self._reply(Kind.REASONING, each, None, audience=(), text=each.reply.thought)
            for each in answered
            if each.reply.thought
        ]

    def _prompt(self, request: Message) -> tuple[ChatMessage, ...]:
        if concurrent(self._last, request.branch):
            raise ProtocolError(f"seat '{self.name}' takes part in two branches of one gather")
        self._last = request.branch
        return chat_history(self.name, [*self._episode.messages, request], request.branch)


async def _until_read(ask: Callable[[int], Awaitable[T]], first: int = 0, last: int = _ATTEMPTS - 1) -> T:
    """Ask again until something can be read: the whole decision is retried, not its parsing."""
    for attempt in range(first, last):
        try:
            return await ask(attempt)
        except CallFailed as failure:
            if failure.failure not in (FailureClass.UNPARSABLE, FailureClass.LOW_MASS):
                raise
    return await ask(last)


def _told(prompt: Sequence[ChatMessage]) -> tuple[str, ...]:
    """What a prompt holds that the seat did not write itself."""
    return tuple(message.content for message in prompt if message.role != "assistant")
