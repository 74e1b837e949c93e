"""What the phases of a round are; methods carry them out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel

from oversight.execution.execute import EpisodeStats, ProgressHook, RunSettings
from oversight.experiment.cost_estimate import CostEstimate
from oversight.experiment.file import Experiment, Iterate
from oversight.store import StoreWriter

__all__ = ["Method", "Phase", "PhaseContext", "PhaseResult", "Score"]

Phase = Literal["amplified", "distilled", "evaluated"]


class Score(NamedTuple):
    """How one model did on the held-out questions.

    Attributes:
        who: ``alone`` is X_k by itself, ``amplified`` what amplification makes of it, ``ceiling`` a model that was
            trained on true answers.
        part: a level of difficulty, or ``overall``.
        correct, n: how many it got right, of how many.
    """

    who: Literal["alone", "amplified", "ceiling"]
    part: str
    correct: int
    n: int


class PhaseContext(NamedTuple):
    """What a method works on.

    Attributes:
        settings: how to execute the experiment.
        run_id: the run.
        folder: a folder of this run's own, beside the database.
        writer: the open store.
        rounds: what is stored of earlier phases, by round and phase.
        watch: shows the progress of episodes.
        say: tells a person what goes on, in one line.
    """

    settings: RunSettings
    run_id: str
    folder: Path
    writer: StoreWriter
    rounds: Mapping[tuple[int, str], Mapping[str, Any]]
    watch: ProgressHook | None
    say: Callable[[str], None]


class PhaseResult(NamedTuple):
    """How a phase ended.

    Attributes:
        data: what is kept of it, JSON-serialisable; None if it has to be taken up again.
        driven: the episodes that were run for it.
        waiting: what a person has to do before it can be taken up again.
        planned, already: episodes that it asks for, and how many of them had been judged before.
    """

    data: dict[str, Any] | None
    driven: EpisodeStats = EpisodeStats()
    waiting: str | None = None
    planned: int = 0
    already: int = 0


class Method(ABC):
    """A way to carry out rounds; an experiment names it as ``iterate.distil.method``.

    Round 0 is X_0 before any distillation and is only evaluated. Round k amplifies X_k-1, distils what came out into
    X_k, and evaluates that. A phase that ended is stored and never repeated; one that is taken up again after a kill
    goes on from what it had kept.
    """

    Options: ClassVar[type[BaseModel]]
    NON_IDENTITY_SETTINGS: ClassVar[frozenset[str]] = frozenset()
    """Options that say how the method is carried out and change nothing about what comes of it."""

    def __init__(self, experiment: Experiment, limit: int | None, options: BaseModel) -> None:
        assert experiment.file.iterate is not None
        self.experiment = experiment
        self.iterate: Iterate = experiment.file.iterate
        self.limit = limit
        self.options: Any = options

    @abstractmethod
    def check(self) -> list[str]:
        """See whether the experiment can be carried out, before anything is; returns what else determines it.

        Raises:
            UsageError: it cannot, because a question is trained on and evaluated for example.
        """

    def check_available(self, settings: RunSettings) -> None:
        """See whether what it takes is to be had here: a key, a library.

        Raises:
            UsageError: it is not.
        """
        return None

    def agrees(self, rounds: Mapping[tuple[int, str], Mapping[str, Any]]) -> None:
        """See whether the options are at one with what is stored of earlier rounds.

        Raises:
            UsageError: they say otherwise.
        """
        return None

    def estimated(self) -> tuple[list[CostEstimate], list[str]]:
        """What all rounds would take of other people's models, by default nothing; and warnings."""
        return [], []

    def endpoints(self) -> list[str]:
        """Return one line for each address that models are called at, by default none."""
        return []

    @abstractmethod
    def plugins(self) -> dict[str, str]:
        """Which version of which protocol each arm runs."""

    @abstractmethod
    def amplify(self, work: PhaseContext, round: int) -> PhaseResult:
        """Put the training questions to amplification with X_round-1."""

    @abstractmethod
    def distil(self, work: PhaseContext, round: int) -> PhaseResult:
        """Make X_round from what came out; ``data`` holds ``model`` if others may call it."""

    @abstractmethod
    def evaluate(self, work: PhaseContext, round: int) -> PhaseResult:
        """Test X_round; ``data`` holds ``scores``, a list of `Score` as mappings."""
