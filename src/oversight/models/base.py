"""The one chat interface that every model implements: LiteLLM's, embedded and scripted ones alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CallRecord", "ChatMessage", "ChatModel", "ChatReply", "ChatRequest", "ModelSettings"]


class ChatMessage(NamedTuple):
    """One message of a chat; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


class ChatRequest(NamedTuple):
    """What a seat asks of its model.

    Attributes:
        messages: the seat's whole history, ending with a user message.
        choices: when given, the reply is one of these, and their probabilities are wanted.
        json_schema: when given, the reply must be one JSON object that fits.
        sample: which of several independent samples of the same prompt this is.
        seat: who asks, for logs and tests; it changes nothing about the answer.
    """

    messages: tuple[ChatMessage, ...]
    choices: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    sample: int = 0
    seat: str = ""


class ChatReply(NamedTuple):
    """What a model answered, and what it took.

    Attributes:
        text: the reply.
        finish_reason: ``stop``, ``length``, ``content_filter`` or the provider's own word.
        choice_probs: probability of each requested choice as the reply's first token, not scaled, where the
            model gives token probabilities; None where it does not.
        model: the model that answered, as the provider names it.
        provider: who served it; ``embedded`` for models that run here.
        cost_usd: None where the price is unknown, which is not the same as free.
        latency_s: seconds from request to reply.
    """

    text: str
    finish_reason: str = "stop"
    choice_probs: Mapping[str, float] | None = None
    model: str = ""
    provider: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    latency_s: float = 0.0


class CallRecord(BaseModel):
    """One attempt at a model call, good or failed, as the store keeps it.

    Attributes:
        number: counts the episode's calls from 0.
        seat: who called; ``role`` and ``model`` are what the experiment bound.
        purpose: the verb (speak, think, fill, believe, decide).
        attempt: 0 for the first try of this call.
        failure: the failure class, None for a call that was used.
        detail: one line about the failure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    number: int
    seat: str
    role: str
    purpose: str
    attempt: int
    model: str
    resolved_model: str = ""
    provider: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    latency_s: float = 0.0
    finish_reason: str = ""
    failure: str | None = None
    detail: str | None = None


class ModelSettings(BaseModel):
    """What the experiment file says about one model.

    A subclass adds its own settings; unknown keys are errors.

    Attributes:
        model: the name, ``provider/model`` for LiteLLM or ``embedded/name``.
        belief: how beliefs are elicited: ``logprob`` (falls back to ``stated`` where the model gives no token
            probabilities), ``stated``, or ``sampled``.
        belief_samples: how many replies ``sampled`` counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    belief: Literal["logprob", "stated", "sampled"] = "logprob"
    belief_samples: int = Field(5, ge=1)


class ChatModel(ABC):
    """A model bound to its settings. One instance serves many episodes at once, on one event loop.

    A subclass that must train or download something does it in `prepare`, which the driver calls once;
    what it returns is carried to every worker and handed to the constructor.
    """

    Settings: ClassVar[type[ModelSettings]] = ModelSettings
    gives_probabilities = True
    """Whether token probabilities are worth asking for; set to False once a reply came without."""

    def __init__(self, settings: ModelSettings, state: object = None) -> None:
        self.settings = settings

    @classmethod
    def check(cls, settings: ModelSettings) -> None:
        """See whether the model can be called from here, before anything is run.

        Raises:
            UsageError: it cannot, because a key is missing for example.
        """
        return None

    @classmethod
    def prepare(cls, settings: ModelSettings, seed: int) -> object:
        """Do the work that precedes the first call; ``seed`` is the experiment's."""
        return None

    @classmethod
    def price(cls, settings: ModelSettings, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What these tokens would cost, in US dollars; None, the default, where that is unknown."""
        return None

    @abstractmethod
    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer one request.

        Raises:
            CallFailed: the call gave nothing usable; nothing else is raised for a model's or provider's fault.
        """
