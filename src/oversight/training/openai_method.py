"""Rounds whose models are fine-tuned by a provider that speaks OpenAI's fine-tuning API."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from oversight.errors import CallFailed, RunStopped, StopReason, UsageError
from oversight.execution.execute import RunSettings
from oversight.experiment.file import Experiment
from oversight.models.chat_rows import FEWEST_ROWS
from oversight.models.litellm.fine_tuning import TuningSettings, check, fine_tune
from oversight.training.episode_rounds import EpisodeRounds
from oversight.training.method import PhaseContext, PhaseResult
from oversight.training.phases import CEILING
from oversight.util.aio import run_sync
from oversight.util.secrets import SECRET_VALUE

__all__ = ["OpenAIMethod"]


class OpenAIMethod(EpisodeRounds):
    """Has each round's rows fine-tuned through LiteLLM; what a provider is paid for is never asked for twice.

    A file beside the rows says how far the tuning is, so that a run that was killed goes on waiting for the same job.
    The costs of fine-tuning are the provider's to tell: no budget holds them.
    """

    NON_IDENTITY_SETTINGS = frozenset({"poll_s", "timeout_s", "longest_s"})

    class Options(BaseModel):
        """How models are tuned."""

        model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

        start: Literal["first", "previous"] = Field("first", description="which model is tuned: X_0, or X_k-1")
        ceiling: bool = Field(False, description="also tune X_0 on the true answers, and evaluate that once")
        suffix: str | None = Field(None, max_length=40, description="part of the tuned models' names")
        epochs: int | None = Field(None, ge=1, description="passes over the rows; by default the provider's choice")
        batch_size: int | None = Field(None, ge=1, description="rows a step; by default the provider's choice")
        learning_rate_multiplier: float | None = Field(None, gt=0, description="of the provider's own rate")
        poll_s: float = Field(30.0, gt=0, description="seconds between two looks at a job")
        timeout_s: float = Field(120.0, gt=0, description="seconds for one request")
        longest_s: float = Field(86400.0, gt=0, description="seconds to wait for a job, from each start")

        @field_validator("suffix")
        @classmethod
        def _no_secret(cls, suffix: str | None) -> str | None:
            if suffix is not None and SECRET_VALUE.search(suffix):
                raise ValueError("it looks like a secret, and keys come from the environment")
            return suffix

    def __init__(self, experiment: Experiment, limit: int | None, options: BaseModel) -> None:
        super().__init__(experiment, limit, options)
        self.tunes_ceiling = bool(self.options.ceiling)

    def check(self) -> list[str]:
        """See also that there is one ceiling at most, and that the first model is of a kind that can be tuned."""
        determined = super().check()
        where, problem = ("iterate", "distil", "ceiling"), self.experiment.source.problem
        if self.tunes_ceiling and self.phases.ceiling is not None:
            raise problem(where, "the experiment binds a model to 'ceiling', and would tune another: choose one")
        self._tuning(self.phases.first)
        return determined

    def check_available(self, settings: RunSettings) -> None:
        """See also whether there is a key to tune with."""
        if settings.replay is not None:
            raise UsageError("--replay: fine-tuning is not on record and would be paid for; run without --replay")
        questions = len(self.phases.training(0, self.phases.first).items)
        if self.tunes_ceiling and questions < FEWEST_ROWS:
            message = f"there are {questions} training questions; at least {FEWEST_ROWS} are needed to tune a ceiling"
            raise self.experiment.source.problem(("iterate", "distil", "ceiling"), message)
        super().check_available(settings)
        check(self._tuning(self.phases.first))

    def train(self, work: PhaseContext, round: int, rows: Path, data: dict[str, Any]) -> PhaseResult:
        """Tune X_0 or X_k-1 on the rows."""
        start = self.model(work, 0 if self.options.start == "first" else round - 1)
        data["model"] = self._tuned(work, rows, start, f"x{round}")
        return PhaseResult(data)

    def ceiling(self, work: PhaseContext) -> Any:
        """X_0 tuned on the true answers, if that is asked for."""
        if not self.tunes_ceiling:
            return super().ceiling(work)
        path = work.folder / "ceiling.jsonl"
        self.write_ceiling(path)
        first = self.phases.first
        return {**first, "model": self._tuned(work, path, first, CEILING)}

    def _tuned(self, work: PhaseContext, rows: Path, start: dict[str, Any], name: str) -> str:
        settings = self._tuning(start, name)
        try:
            return run_sync(fine_tune(rows, settings, watch=work.say))
        except CallFailed as failed:
            # The next start tunes again, or goes on waiting: nothing is wrong with what was done so far.
            raise RunStopped(StopReason.UNREACHABLE, failed.message) from failed

    def _tuning(self, model: dict[str, Any], name: str = "x") -> TuningSettings:
        name_parts = [part for part in (self.options.suffix, name) if part]
        given = {key: model[key] for key in ("model", "api_base", "api_key_env") if key in model}
        options = self.options.model_dump(exclude={"start", "ceiling", "suffix"})
        settings = {**given, **options, "suffix": "-".join(name_parts), "seed": self.experiment.file.seed}
        here: tuple[str, ...] = ("models", "strong")
        places = {(*here, option): ("iterate", "distil", option) for option in (*options, "suffix")}
        return self.experiment.source.moved(places).validate(TuningSettings, settings, here)
