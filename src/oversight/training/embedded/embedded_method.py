"""Rounds of a small network that is trained here, from nothing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from oversight.errors import UsageError
from oversight.execution.execute import RunSettings
from oversight.experiment.cost_estimate import CostEstimate, total
from oversight.plugins import find_plugin
from oversight.training.embedded import DistilSettings, EmbeddedRounds, FactoredTask
from oversight.training.embedded.embedded_rounds import check_tasks
from oversight.training.method import Method, PhaseContext, PhaseResult

__all__ = ["EmbeddedMethod"]


class EmbeddedMethod(Method):
    """Trains a transformer on what a scripted human makes of its own answers (`oversight.training.embedded`).

    The tasks are embedded ones, whose questions are far too many to be episodes: a round's rows and models are files
    in the run's folder, and its scores are in the store.
    """

    class Options(DistilSettings):
        """The network, what is amplified in a round, and how reliable the human is."""

        error_rate: float = Field(0.0, ge=0, le=1, description="share of the human's own answers that are random")
        questions_evaluated: int = Field(2048, ge=1, description="held-out questions that each model is tested on")

    def check(self) -> list[str]:
        """Read the two tasks, and see that X is not trained on what it is tested on."""
        for key in ("models", "protocols"):
            if key in self.experiment.data:
                message = "the embedded distiller trains its own model, and its human is scripted: leave this out"
                raise self.experiment.source.problem((key,), message)
        if self.limit is not None:
            raise UsageError("--limit: instances are drawn without end; set iterate.distil.questions_evaluated instead")
        if "alone" in self.experiment.data["iterate"]:
            raise self.experiment.source.problem(("iterate", "alone"), "X alone is its own network: leave this out")
        train, evaluate = (self._task(key) for key in ("train", "evaluate"))
        with self.experiment.source.located(("iterate", "evaluate")):
            check_tasks(train, evaluate)
            for task in (train, evaluate):
                task.instances(np.random.default_rng(0), 1)
        return [f"{task.name} {task.settings!r}" for task in (train, evaluate)]

    def check_available(self, settings: RunSettings) -> None:
        """See whether there is PyTorch."""
        import_module("oversight.training.embedded.learner")

    def estimated(self) -> tuple[list[CostEstimate], list[str]]:
        """Nothing of other people's models, whatever the rounds."""
        return [total([], self.options.questions_evaluated)], []

    def plugins(self) -> dict[str, str]:
        """No protocol plugin has a part in it."""
        return {}

    def amplify(self, work: PhaseContext, round: int) -> PhaseResult:
        """Amplify a batch of training questions."""
        found = self._rounds(work.folder).amplify(round)
        agreement: dict[str, float] = found["agreement"]
        # What the curriculum goes by is how the hardest questions fare.
        hardest = agreement[str(found["difficulty"])]
        return PhaseResult({**found, "agreement": hardest, "agreement_by_difficulty": agreement})

    def distil(self, work: PhaseContext, round: int) -> PhaseResult:
        """Train X, and the ceiling beside it."""
        return PhaseResult(self._rounds(work.folder).distil(round))

    def evaluate(self, work: PhaseContext, round: int) -> PhaseResult:
        """Test X, its amplification and the ceiling on held-out instances."""
        found: dict[str, Any] = self._rounds(work.folder).evaluate(round)
        scores = [
            {"who": who, "part": part, "correct": correct, "n": n}
            for who in ("alone", "amplified", "ceiling")
            for part, (correct, n) in (found.pop(who, None) or {}).items()
        ]
        return PhaseResult({**found, "scores": scores})

    def _rounds(self, folder: Path) -> EmbeddedRounds:
        options = self.options.model_dump(exclude={"error_rate", "questions_evaluated"})
        return EmbeddedRounds(
            self._task("train"),
            self._task("evaluate"),
            DistilSettings.model_validate(options),
            error_rate=self.options.error_rate,
            questions=self.options.questions_evaluated,
            folder=folder,
            seed=self.experiment.file.seed,
        )

    def _task(self, key: str) -> FactoredTask:
        source, where = self.experiment.source, ("iterate", key)
        given: dict[str, Any] = getattr(self.iterate, key)
        name = given.get("name")
        if not isinstance(name, str):
            raise source.problem(where, f"name the task, as in '{key}: {{name: permutation}}'")
        with source.located((*where, "name")):
            task = find_plugin(FactoredTask, name, source.folder).load(FactoredTask)
        settings = {option: value for option, value in given.items() if option != "name"}
        if key == "evaluate":
            settings.setdefault("split", "held_out")
        return task(source.validate(task.Settings, settings, where))
