"""A round's rows as a file, for training the next model elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from oversight.execution.execute import RunSettings
from oversight.experiment.bind import bind
from oversight.training.episode_rounds import EpisodeRounds
from oversight.training.method import PhaseContext, PhaseResult

__all__ = ["ExportMethod"]


class ExportMethod(EpisodeRounds):
    """Writes each round's rows as chat-SFT JSON lines and waits for the name of the model trained on them."""

    NON_IDENTITY_SETTINGS = frozenset({"models"})

    class Options(BaseModel):
        """The models that were trained so far."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        models: tuple[str, ...] = Field((), description="the name of X_1, X_2…, each trained on the file of its round")
        ceiling: bool = Field(False, description="also write the training questions with their true answers")

    def check(self) -> list[str]:
        """See also whether the models that were named are models, and each another one."""
        determined = super().check()
        source, first = self.experiment.source, self.phases.first
        others = [first["model"], (self.phases.ceiling or {}).get("model")]
        for place, name in enumerate(self.options.models):
            where = ("iterate", "distil", "models", place)
            if name in others:
                raise source.problem(where, f"'{name}' is another model of this experiment already")
            bind({**first, "model": name}, 0, source, where)
            others.append(name)
        return determined

    def check_available(self, settings: RunSettings) -> None:
        """See also whether the models that were named can be called from here."""
        super().check_available(settings)
        for name in self.options.models if settings.replay is None else ():
            bind({**self.phases.first, "model": name}, 0, self.experiment.source).check()

    def agrees(self, rounds: Mapping[tuple[int, str], Mapping[str, Any]]) -> None:
        """A round that went on with one model does not go on with another."""
        for place, name in enumerate(self.options.models):
            went_on = rounds.get((place + 1, "distilled"), {}).get("model", name)
            if went_on != name:
                where = ("iterate", "distil", "models", place)
                message = f"round {place + 1} went on with '{went_on}', not '{name}'"
                raise self.experiment.source.problem(where, message)

    def train(self, work: PhaseContext, round: int, rows: Path, data: dict[str, Any]) -> PhaseResult:
        """Go on with the model that was named for this round, if one was."""
        if self.options.ceiling and round == 1:
            data["ceiling_sha256"] = self.write_ceiling(work.folder / "ceiling.jsonl")
        if len(self.options.models) >= round:
            return PhaseResult({**data, "model": self.options.models[round - 1]})
        names = [*self.options.models, "NAME"]
        setting = f"--set 'iterate.distil.models=[{', '.join(names)}]'"
        waiting = f"train X_{round} on {rows} ({data['rows']} rows), then go on with the same command and {setting}"
        return PhaseResult(None, waiting=waiting)
