"""A seat: a participant's place in an episode, and the few things it can do there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial, wraps
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from pydantic import BaseModel

from oversight.core.belief import Belief, BeliefSource
from oversight.core.belief_request import BeliefRequest, attempts_at, told, until_read
from oversight.core.chat import ChatMessage, Truncation
from oversight.core.elicitation import from_form, instruction
from oversight.core.message import PROTOCOL, Branch, Kind, Message, chat_history, concurrent
from oversight.core.model_client import Answered, ModelClient
from oversight.core.question import Question
from oversight.core.verb_log import VerbLog
from oversight.core.verdict import Verdict
from oversight.errors import ProtocolError
from oversight.prompting.length import shortened
from oversight.prompting.quotes import find_quotes
from oversight.util.aio import all_of

__all__ = ["Choice", "Seat", "Stage"]

T = TypeVar("T")
Form = TypeVar("Form", bound=BaseModel)
Verb = TypeVar("Verb", bound=Callable[..., Coroutine[Any, Any, Any]])

Choice: TypeAlias = Callable[[str, str, Sequence[str], int | None], Coroutine[Any, Any, int]]
"""Which of several versions a seat says: of its name, the role that prefers, the texts, and the turn."""


class Stage(Protocol):
    """What a seat needs of the episode that it is in."""

    question: Question
    verbs: VerbLog

    @property
    def messages(self) -> tuple[Message, ...]:
        """The transcript so far, as the current branch sees it."""

    @property
    def branch(self) -> Branch:
        """Where in the episode's gathers the caller is."""

    def add(self, *messages: Message) -> None:
        """Append to the transcript."""

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Fill in one of the protocol's templates."""


def _verb(method: Verb) -> Verb:
    """Have the episode know when a verb of a seat's is called, begun and ended."""

    @wraps(method)
    def called(seat: Seat, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        work = partial(method, seat, *args, **kwargs)
        name = method.__name__
        return seat._episode.verbs.call(f"{seat.name}.{name}()", partial(seat._act, name, work))

    return cast("Verb", called)


class Seat:
    """One participant. Protocols get seats from `Episode.seat`; they do not make them.

    Every verb renders one prompt template as a request that only this seat reads, calls the seat's model on
    the seat's own history, and adds the reply to the transcript. ``turn`` is the protocol's count of turns;
    other keyword arguments fill in the template. Every verb raises `CallFailed` when the model gives nothing
    usable; a protocol lets it pass, and the engine stores the episode as failed.
    """

    def __init__(
        self, episode: Stage, name: str, client: ModelClient, question: Question | None, choose: Choice
    ) -> None:
        self.name = name
        self._choose = choose
        self._has_decided = False
        self._episode = episode
        self._client = client
        self._labels = () if question is None else question.labels
        self._answers = () if question is None else tuple(answer.text for answer in question.answers)
        self._last = episode.branch

    @property
    def belief_calls(self) -> int:
        """Model calls that one belief of this seat takes."""
        settings = self._client.settings
        return settings.belief_samples if settings.belief == "sampled" else 1

    @_verb
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
        criticised and rewritten (`oversight.models.base.ModelSettings`).
        """
        audience = None if to is None else tuple(seat.name for seat in to)
        values = {"word_limit": word_limit, **values}
        for number in range(refine := self._client.settings.refine):
            draft = "refine" if number else template
            await self._say("draft", draft, Kind.DRAFT, (), turn, values, aimed=number == 0)
            await self._say("think", "criticise", Kind.THOUGHT, (), turn, {})
        final = "refine" if refine else template
        return await self._say("speak", final, Kind.SPEECH, audience, turn, values, aimed=refine == 0)

    @_verb
    async def think(self, template: str, *, turn: int | None = None, **values: Any) -> Message:
        """Write a private note, which no other seat ever reads."""
        return await self._say("think", template, Kind.THOUGHT, (), turn, values)

    @_verb
    async def draft(self, template: str, *, turn: int | None = None, **values: Any) -> Message:
        """Write something that no other seat reads yet; `disclose` shows parts of it."""
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

    @_verb
    async def fill(self, template: str, form: type[Form], *, turn: int | None = None, **values: Any) -> Form:
        """Fill in a form, privately: the reply is validated as ``form``, and asked for again if it does not fit."""
        request = self._request(template, turn, values)
        prompt = self._prompt(request)
        heard, schema = told(prompt), form.model_json_schema()

        async def ask(attempt: int) -> tuple[Form, Answered]:
            answered = await self._client.ask(
                "fill", prompt, json_schema=schema, sample=attempt, truncation=self._truncation()
            )
            return await self._client.read([answered], lambda replies: from_form(replies[0], form, heard)), answered

        filled, answered = await until_read(ask)
        self._episode.add(request, *self._reasoning(answered), self._reply(Kind.FORM, answered, turn, audience=()))
        return filled

    @_verb
    async def believe(self, template: str = "believe", *, turn: int | None = None, **values: Any) -> Belief:
        """Say, privately, how likely each answer is now."""
        return await self._elicit("believe", self._render(template, turn, values), Kind.BELIEF, turn)

    @_verb
    async def decide(self, template: str = "decide", *, turn: int | None = None, **values: Any) -> Verdict:
        """Give the final belief."""
        return await self._decide(self._render(template, turn, values), turn)

    @_verb
    async def decide_on(self, words: str, turn: int | None = None) -> Verdict:
        """Give the final belief when asked in these words, as they were put to another judge before."""
        return await self._decide(words, turn)

    async def _decide(self, words: str, turn: int | None) -> Verdict:
        verdict = Verdict(belief=await self._elicit("decide", words, Kind.VERDICT, turn))
        self._has_decided = True
        return verdict

    async def _act(self, verb: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do what a verb is for, unless the seat has given its verdict."""
        if self._has_decided and verb.startswith("decide"):
            raise ProtocolError(f"{self.name}.{verb}() was called twice: a seat decides once; before that, believe()")
        if self._has_decided:
            raise ProtocolError(f"{self.name}.{verb}() came after its verdict: what is to count comes before decide()")
        return await work()

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
        ask = partial(self._client.ask, verb, self._prompt(request), word_limit=limit, truncation=truncation)
        versions = self._client.settings.best_of if aimed else 1
        drawn = await all_of(*(ask(sample=number) for number in range(versions)))
        answered = drawn[0]
        if versions > 1:
            texts = [shortened(each.reply.text, limit, truncated=each.reply.truncated).text for each in drawn]
            role = self._client.settings.preferred_by
            answered = drawn[await self._choose(self.name, role, texts, turn)]
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
            source = BeliefSource(self._client.settings.belief)
            if source is BeliefSource.LOGPROB and attempt > 0:
                source = BeliefSource.STATED
            request = self._private(f"{words}\n\n{instruction(source, self._labels)}", turn)
            asking = BeliefRequest(self._client, source, verb, self._prompt(request), self._truncation())
            belief, answered = await asking.ask(attempt, self._labels, self._answers)
            return belief, request, answered

        belief, request, answered = await until_read(ask, *attempts_at(self._client))
        text = "\n".join(each.reply.text for each in answered)
        reply = self._reply(kind, answered[-1], turn, audience=(), text=text).model_copy(update={"belief": belief})
        self._episode.add(request, *self._reasoning(*answered), reply)
        return belief

    def _truncation(self, *, free: bool = False, limited: bool = False) -> Truncation:
        """What becomes of a reply that a token limit cut off: a verdict or a form is never kept."""
        chosen = self._client.settings.truncated
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
