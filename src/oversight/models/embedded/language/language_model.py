"""Language models in this process, behind the one chat interface."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from oversight.core.chat import ChatReply, ChatRequest
from oversight.errors import CallFailed, FailureClass, UsageError
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.embedded.language.batch_row import GenerationJob
from oversight.models.embedded.language.runner import runner_for
from oversight.models.embedded.language.weights import KNOWN_WEIGHTS
from oversight.util.digest import digest

__all__ = ["LanguageModelSettings", "SmolLM2", "TransformersModel", "TransformersSettings"]

_NEEDED = ("torch", "transformers", "gguf", "accelerate")
_LONGEST_CALL_S = 3600.0


class LanguageModelSettings(ModelSettings):
    """How a language model in this process generates.

    Attributes:
        temperature: of every reply but the probabilities of choices; 0 takes the most probable token.
        top_p: draws come from the most probable tokens that have this share together.
        max_tokens: of one reply.
        stop: texts before which a reply ends.
        dtype: of the weights in memory; ``auto`` is float32 on a CPU and bfloat16 on a GPU.
        batch_size: replies generated at a time, at most, over all episodes of one worker.
        threads: of the processor for one operation. One suits Ray, which has a worker per core. More help a single
            worker on idle cores; on busy ones they wait for each other, and two took three times the processor time.
    """

    NON_IDENTITY_SETTINGS: ClassVar[frozenset[str]] = ModelSettings.NON_IDENTITY_SETTINGS | {"batch_size", "threads"}

    temperature: float = Field(0.7, ge=0, allow_inf_nan=False)
    top_p: float = Field(0.95, gt=0, le=1)
    max_tokens: int = Field(512, ge=1)
    stop: tuple[str, ...] = ()
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: int = Field(32, ge=1)
    threads: int = Field(1, ge=1)

    @property
    def completion_limit(self) -> int:
        """Tokens of a reply at most."""
        return self.max_tokens

    @property
    def longest_s(self) -> float:
        """Seconds after which a call that has not ended is given up for lost: it may wait for many others here."""
        return _LONGEST_CALL_S


class TransformersSettings(LanguageModelSettings):
    """As for any language model here, and where its weights are.

    Attributes:
        path: a GGUF file, or a folder in Hugging Face's format, on this machine and at the same place on every worker.
    """

    path: str


class _LanguageModel(ChatModel):
    """Generates with one set of weights, which all bindings of a process share."""

    Settings: ClassVar[type[ModelSettings]] = LanguageModelSettings
    metered = False

    def __init__(self, settings: ModelSettings, state: object = None) -> None:
        super().__init__(settings, state)
        assert isinstance(settings, LanguageModelSettings)
        self._how = settings
        prepared = state if isinstance(state, Mapping) else {}
        self._seed = int(prepared.get("seed", 0))
        self._path = Path(str(prepared.get("path") or self.weights(settings)))

    @classmethod
    @abstractmethod
    def weights(cls, settings: ModelSettings) -> Path:
        """Return where the weights are, or should be."""

    @classmethod
    @abstractmethod
    def missing(cls, settings: ModelSettings, path: Path) -> str:
        """Say in one line that there are no weights at ``path``, and what to do."""

    @classmethod
    def check(cls, settings: ModelSettings) -> None:
        """See whether the libraries and the weights are here.

        Raises:
            UsageError: they are not; it says how to get them.
        """
        absent = [name for name in _NEEDED if find_spec(name) is None]
        if absent:
            how = "pip install 'oversight[lm]', or in a checkout make install-lm"
            raise UsageError(f"{settings.model} needs {', '.join(absent)}: {how}")
        path = cls.weights(settings)
        if not path.exists():
            raise UsageError(cls.missing(settings, path))

    @classmethod
    def prepare(cls, settings: ModelSettings, seed: int) -> object:
        """Return what every worker needs: the experiment's seed, and the weights' absolute path."""
        return {"seed": seed, "path": str(cls.weights(settings).absolute())}

    @classmethod
    def price(cls, settings: ModelSettings, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return 0: it runs here."""
        return 0.0

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Generate one reply, together with those that other episodes wait for.

        Raises:
            CallFailed: the prompt is too long, there are no weights on this machine, or the model cannot be run.
        """
        started = time.perf_counter()
        if not self._path.exists():
            raise CallFailed(FailureClass.UNKNOWN_MODEL, self.missing(self.settings, self._path))
        runner = runner_for(self._path, self._how.dtype)
        generated = await asyncio.wrap_future(runner.submit(self._job(request)))
        return ChatReply(
            text=generated.text,
            finish_reason=generated.finish_reason,
            choice_probs=generated.choice_probs,
            model=self._path.name,
            provider="embedded",
            prompt_tokens=generated.prompt_tokens,
            completion_tokens=generated.completion_tokens,
            cost_usd=0.0,
            latency_s=time.perf_counter() - started,
        )

    def _job(self, request: ChatRequest) -> GenerationJob:
        settings = self._how
        asked = [self._seed, settings.model, request.messages, request.seat, request.sample]
        return GenerationJob(
            messages=request.messages,
            seed=digest(asked),
            choices=request.choices,
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=max(settings.max_tokens, request.room or 0),
            stop=settings.stop,
            word_limit=request.word_limit,
            batch_size=settings.batch_size,
            threads=settings.threads,
        )


class SmolLM2(_LanguageModel):
    """SmolLM2-135M-Instruct: a real language model that runs on any machine, and a bad judge."""

    @classmethod
    def weights(cls, settings: ModelSettings) -> Path:
        """Return where ``oversight models fetch smollm2`` puts them."""
        return KNOWN_WEIGHTS["smollm2"].path

    @classmethod
    def missing(cls, settings: ModelSettings, path: Path) -> str:
        """Say how to get them."""
        return f"{settings.model} has no weights at {path}: run 'oversight models fetch smollm2' (93 MB)"


class TransformersModel(_LanguageModel):
    """Any language model of yours: a GGUF file, or a folder in Hugging Face's format."""

    Settings: ClassVar[type[ModelSettings]] = TransformersSettings

    @classmethod
    def weights(cls, settings: ModelSettings) -> Path:
        """Return the path in the settings."""
        assert isinstance(settings, TransformersSettings)
        return Path(settings.path).expanduser()

    @classmethod
    def missing(cls, settings: ModelSettings, path: Path) -> str:
        """Say which path leads nowhere."""
        return f"{settings.model}: path: there is no file or folder {path}"
