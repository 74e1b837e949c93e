"""What a seat needs of the model that it is bound to; `oversight.models.client` has what the framework binds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from oversight.core.chat import ChatMessage, ChatReply, Truncation
from oversight.core.episode_limits import EpisodeUsage

__all__ = ["Answered", "Cast", "ModelClient", "SeatSettings"]

T = TypeVar("T")


class SeatSettings(Protocol):
    """The settings of a model that say how a seat asks it (`oversight.models.base.ModelSettings` explains them)."""

    @property
    def belief(self) -> Literal["logprob", "stated", "sampled"]:
        """How beliefs are elicited."""

    @property
    def belief_samples(self) -> int:
        """How many replies ``sampled`` counts."""

    @property
    def best_of(self) -> int:
        """How many versions of a speech are drafted."""

    @property
    def preferred_by(self) -> str:
        """The role whose model chooses among them."""

    @property
    def refine(self) -> int:
        """How often a draft is criticised and written again."""

    @property
    def truncated(self) -> Truncation | None:
        """What becomes of a text that a token limit cut off; None: as its kind has it."""


class Answered(NamedTuple):
    """A reply, and the number of the call that brought it."""

    reply: ChatReply
    call: int


class ModelClient(Protocol):
    """One seat's client of its model: every attempt is held to the episode's limits and recorded in its usage."""

    @property
    def settings(self) -> SeatSettings:
        """How the model is to be asked."""

    @property
    def gives_probabilities(self) -> bool:
        """Whether token probabilities are worth asking for."""

    def lacks_probabilities(self) -> None:
        """Take note that a reply came without token probabilities: they are not asked for again."""

    async def ask(
        self,
        purpose: str,
        messages: tuple[ChatMessage, ...],
        *,
        choices: tuple[str, ...] = (),
        json_schema: Mapping[str, Any] | None = None,
        sample: int = 0,
        word_limit: int | None = None,
        truncation: Truncation = "fail",
    ) -> Answered:
        """Call the model, again where that helps, and return its reply.

        Raises:
            CallFailed: the last attempt's failure.
            RunStopped: no further call is made.
            LimitReached: the episode may make no further call.
        """

    async def read(self, answered: Sequence[Answered], reader: Callable[[list[ChatReply]], T]) -> T:
        """Read one reply or several; what cannot be read is marked so in its call's record, with its first words.

        Raises:
            CallFailed: the reader's.
        """


class Cast(Protocol):
    """The models of an episode by role."""

    def client(self, role: str, turn: int, seat: str, repeat: int, usage: EpisodeUsage) -> ModelClient:
        """Return a seat's client of one of the role's models.

        Args:
            role: what the experiment binds to models.
            turn: which of them; seats of one role take them in turn, from the first again after the last.
            seat: the seat's name.
            repeat: the episode's; samples of one prompt differ from repeat to repeat.
            usage: what the episode took so far.

        Raises:
            ProtocolError: the experiment binds no model to the role.
        """
