"""The one chat interface that every model implements: LiteLLM's, embedded and scripted ones alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oversight.core.chat import ChatMessage, ChatReply, ChatRequest, Truncation
from oversight.plugins import Pluggable, PluginKind
from oversight.util.secrets import name_secrets

__all__ = ["ChatModel", "ModelSettings", "without_system"]

_Mark: TypeAlias = Annotated[str, Field(min_length=1)]
_ThoughtTag: TypeAlias = _Mark | tuple[_Mark, _Mark]

_LONGEST_CALL_S = 600.0
_CHARACTERS_PER_TOKEN = 4


def without_system(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return a chat whose instructions stand in front of the first user message, for models without a system role."""
    told = "\n\n".join(message.content for message in messages if message.role == "system")
    said = [message for message in messages if message.role != "system"]
    if told:
        first = next((place for place, message in enumerate(said) if message.role == "user"), None)
        if first is None:
            said.insert(0, ChatMessage("user", told))
        else:
            said[first] = ChatMessage("user", f"{told}\n\n{said[first].content}")
    return tuple(said)


class ModelSettings(BaseModel):
    """What the experiment file says about one model.

    A subclass adds its own settings; unknown keys are errors.

    Attributes:
        model: the name, ``provider/model`` for LiteLLM or ``embedded/name``.
        belief: how beliefs are elicited: ``logprob`` (falls back to ``stated`` where the model gives no token
            probabilities), ``stated``, or ``sampled``.
        belief_samples: how many replies ``sampled`` counts.
        best_of: how many versions of a speech are drafted; the one said is the one that the model bound to the role
            ``preferred_by`` finds most favourable to the speaker's side, the first of equals.
        preferred_by: see ``best_of``. Bind the role to the judge, or to a proxy of it.
        refine: how often a draft is criticised by its writer and rewritten before it is said.
        truncated: what becomes of a text that a token limit cut off: ``fail``; ``keep`` its whole sentences, which is
            the default for a speech with a word limit; or ``again``, with twice the room, twice at most. Verdicts and
            forms are never kept; they fail by default.
        thought_tags: tags in which the model writes what is not meant for others, besides the known ones: a name for
            ``<name>…</name>``, or a list of the two exact texts.
        requests_per_minute, tokens_per_minute: what the provider allows, over all workers and nodes of a run.
        max_concurrency: calls at a time, over all workers; by default as many as there are episodes in flight.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    NON_IDENTITY_SETTINGS: ClassVar[frozenset[str]] = frozenset(
        {"requests_per_minute", "tokens_per_minute", "max_concurrency"}
    )
    """Settings that say how the model is reached and change nothing about what it answers."""

    model: str
    belief: Literal["logprob", "stated", "sampled"] = "logprob"
    belief_samples: int = Field(5, ge=1)
    best_of: int = Field(1, ge=1, le=256)
    preferred_by: str = "judge"
    refine: int = Field(0, ge=0, le=8)
    truncated: Truncation | None = None
    thought_tags: tuple[_ThoughtTag, ...] = ()
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    max_concurrency: int | None = Field(None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _names_secrets(cls, entry: Any) -> Any:
        name_secrets(entry)  # whichever settings name a variable, its value is redacted from here on
        return entry

    @property
    def completion_limit(self) -> int | None:
        """Tokens of a reply at most, where the settings say."""
        return None

    @property
    def address(self) -> str | None:
        """Where the model is served, where the settings say; models at one address share their limits by name."""
        return None

    @property
    def longest_s(self) -> float:
        """Seconds after which a call that has not ended is given up for lost."""
        return _LONGEST_CALL_S


class ChatModel(Pluggable, ABC):
    """A model bound to its settings. One instance serves many episodes at once, on one event loop.

    A subclass that must train or download something does it in `prepare`, which the driver calls once;
    what it returns is carried to every worker and handed to the constructor.
    """

    plugin_kind = PluginKind("model", "oversight.models")

    Settings: ClassVar[type[ModelSettings]] = ModelSettings
    metered: ClassVar[bool] = True
    """Whether its calls cost something: they are kept, limited and held to a budget. Not so for what runs here."""
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
    def check_address(cls, settings: ModelSettings) -> None:
        """See that the settings can be those of a model, when an experiment is read; needs no key and no network.

        Raises:
            UsageError: they cannot.
        """
        return None

    @classmethod
    def endpoint(cls, settings: ModelSettings) -> str | None:
        """Name where calls go, for the list that ``plan`` and ``run`` print; None for a model that runs here."""
        return None

    @classmethod
    def prepare(cls, settings: ModelSettings, seed: int) -> object:
        """Do the work that precedes the first call; ``seed`` is the experiment's."""
        return None

    @classmethod
    def price(cls, settings: ModelSettings, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What these tokens would cost, in US dollars; None, the default, where that is unknown."""
        return None

    @classmethod
    def count_tokens(cls, settings: ModelSettings, text: str) -> int:
        """How many tokens ``text`` takes, about."""
        return len(text) // _CHARACTERS_PER_TOKEN + 1

    async def unreadable(self, reply: ChatReply, detail: str) -> None:
        """Take note that a reply of this model could not be read."""
        return None

    @abstractmethod
    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer one request.

        Raises:
            CallFailed: the call gave nothing usable; nothing else is raised for a model's or provider's fault.
        """
