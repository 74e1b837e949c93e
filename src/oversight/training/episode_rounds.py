"""Rounds whose amplification and evaluation are episodes, whatever model X is; how X is trained is left open."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from oversight.core.question import Item
from oversight.execution.execute import RunSettings, find_pending, run_pending
from oversight.execution.run_status import add_plan
from oversight.experiment.bind import bind
from oversight.experiment.cost_estimate import CostEstimate, estimate, times, total
from oversight.experiment.dry_run import refuse_exits, refuse_failing
from oversight.experiment.endpoints import endpoint_lines
from oversight.experiment.file import Experiment
from oversight.experiment.plan import Plan
from oversight.models.base import ModelSettings
from oversight.models.chat_rows import write_rows
from oversight.reports.transcripts import transcripts
from oversight.store import open_store
from oversight.training.distillation import DistillationDataset, ceiling_rows, held_out, lessons
from oversight.training.method import Method, PhaseContext, PhaseResult
from oversight.training.phases import ALONE, AMPLIFIED, CEILING, TRAINING, Phases

__all__ = ["EpisodeRounds"]

_ARMS_A_ROUND = 10


class EpisodeRounds(Method):
    """Rounds that are made of episodes.

    The experiment binds X_0 to the role ``strong``, names one protocol that can be distilled, and may bind a model to
    ``ceiling``, which is then evaluated by itself once.
    """

    tunes_ceiling = False
    """Whether the ceiling is X_0, tuned on true answers by the method, and not a model that the experiment binds."""

    def __init__(self, experiment: Experiment, limit: int | None, options: BaseModel) -> None:
        super().__init__(experiment, limit, options)
        self.phases = Phases(experiment, limit)

    def check(self) -> list[str]:
        """Plan the training and the evaluation with X_0, and see that they share no question."""
        return self.phases.check()

    def check_available(self, settings: RunSettings) -> None:
        """See whether every model can be called from here, and whether no arm fails in its dry run."""
        for plan in self._first_plans():
            refuse_failing(plan.faults, keep_going=settings.keep_going)
        if settings.replay is None:
            for plan in self._first_plans():
                for binding in plan.models.values():
                    binding.check()

    def estimated(self) -> tuple[list[CostEstimate], list[str]]:
        """Episodes with X_0 in the place of every X_k; fine-tuning itself is not in it."""
        train, held = self._first_plans()
        refuse_exits([*train.faults, *held.faults])
        rounds = self.iterate.rounds
        rows = [times(row, rounds, "training, X_0 and on") for row in estimate(train)[:-1]]
        for row in estimate(held)[:-1]:
            rows.append(row if row.arm == CEILING else times(row, rounds + 1, f"{row.arm} and on"))
            if self.tunes_ceiling and row.arm == ALONE.format(0):
                rows.append(row._replace(arm=CEILING))
        warnings = [fault.told for plan in (train, held) for fault in plan.faults]
        return [*rows, total(rows, len(held.items) + len(train.items))], warnings

    def endpoints(self) -> list[str]:
        """Return the addresses of round 0; X is called where it was tuned afterwards."""
        return endpoint_lines(arm for plan in self._first_plans() for arm in plan.arms)

    def plugins(self) -> dict[str, str]:
        """The versions of the protocols, by the arms of round 0."""
        return {arm.label: arm.protocol.version for plan in self._first_plans() for arm in plan.arms}

    def amplify(self, work: PhaseContext, round: int) -> PhaseResult:
        """Put the training questions to amplification with X_round-1."""
        model = self.model(work, round - 1)
        ended = self._run(work, round * _ARMS_A_ROUND, self.phases.training(round - 1, model))
        return ended._replace(data=None if ended.data is None else {"model": model, **ended.data})

    def distil(self, work: PhaseContext, round: int) -> PhaseResult:
        """Write what came out as rows, and have X trained on them."""
        _, held = self._first_plans()
        kept = held_out(item.question for _, item in held.items.values())
        settings = self._settings(self.model(work, round - 1))
        found = DistillationDataset(self.phases.amplification, self.phases.alone, settings, kept)
        store = open_store(work.settings.store)
        judged = store.arrow(_JUDGED, [work.run_id, TRAINING.format(round - 1)]).to_pylist()
        stored = transcripts(store, [(row["episode_id"], row["attempt"]) for row in judged])
        own, overseer = lessons(found, stored)
        rows = work.folder / f"round-{round:03}.jsonl"
        sha256 = write_rows(rows, own)
        write_rows(rows.with_suffix(".overseer.jsonl"), overseer)
        data = {"rows": len(own), "rows_sha256": sha256, "overseer_rows": len(overseer), "left_out": found.left_out}
        return self.train(work, round, rows, data)

    def evaluate(self, work: PhaseContext, round: int) -> PhaseResult:
        """Test X_round alone and amplified, and once the ceiling."""
        plan = self.phases.evaluation(round, self.model(work, round), self.ceiling(work) if round == 0 else None)
        ended = self._run(work, round * _ARMS_A_ROUND + 1, plan)
        if ended.data is None:
            return ended
        arms = {ALONE.format(round): "alone", AMPLIFIED.format(round): "amplified", CEILING: "ceiling"}
        tallied = open_store(work.settings.store).arrow(_SCORES, [work.run_id, [arm.label for arm in plan.arms]])
        scores = [
            {"who": arms[row["arm"]], "part": "overall", "correct": row["correct"], "n": row["n"]}
            for row in tallied.to_pylist()
        ]
        return ended._replace(data={**ended.data, "scores": scores})

    @abstractmethod
    def train(self, work: PhaseContext, round: int, rows: Path, data: dict[str, Any]) -> PhaseResult:
        """Make X_round from a file of rows; ``data`` is what is to be kept, to which ``model`` is added."""

    def ceiling(self, work: PhaseContext) -> Any:
        """The model that X is held against: one that knows the true answers to the training questions, if any."""
        return self.phases.ceiling

    def model(self, work: PhaseContext, round: int) -> dict[str, Any]:
        """X_round as an experiment binds it."""
        first = self.phases.first
        return first if round == 0 else {**first, "model": work.rounds[round, "distilled"]["model"]}

    def write_ceiling(self, path: Path) -> str:
        """Write the training questions, as X is asked them, with their true answers to a file; returns its SHA-256."""
        train, _ = self._first_plans()
        # With the answers in the order drawn: a task may put the right one first everywhere.
        items = (
            Item(question=spec.question, gold=spec.answer_order.index(train.items[spec.question_key][1].gold))
            for spec in (planned.spec for planned in train.episodes)
        )
        rows = ceiling_rows(items, self.phases.alone, self._settings(self.phases.first))
        return write_rows(path, dict.fromkeys(rows))

    def _first_plans(self) -> tuple[Plan, Plan]:
        """Training and evaluation with X_0."""
        first = self.phases.first
        return self.phases.training(0, first), self.phases.evaluation(0, first, self.phases.ceiling)

    def _settings(self, model: dict[str, Any]) -> ModelSettings:
        return bind(model, 0, self.experiment.source).checked()[1]

    def _run(self, work: PhaseContext, first_arm: int, plan: Plan) -> PhaseResult:
        """Run the episodes of one phase."""
        plan.run_id = work.run_id
        pending = find_pending(work.writer, plan, work.settings)
        add_plan(work.writer, plan, first_arm)
        driven = run_pending(work.writer, plan, pending, work.settings, work.watch)
        planned, failed = len(plan.episodes), len(driven.failed)
        whole = not driven.interrupted and driven.stopped is None and failed <= self.iterate.max_failed * planned
        data = {"episodes": planned, "failed": failed} if whole else None
        return PhaseResult(data, driven, planned=planned, already=pending.already)


# In an order in which neither answers nor addresses have a part.
_JUDGED = """
SELECT outcomes.episode_id, outcomes.attempt
FROM outcomes JOIN questions ON questions.question_key = outcomes.question_key
WHERE outcomes.run_id = ? AND outcomes.arm = ? AND outcomes.status = 'judged'
ORDER BY questions.id, outcomes.repeat, outcomes.assignment
"""

_SCORES = """
SELECT arm, count(*) FILTER (counts AND correct) AS correct, count(*) FILTER (counts) AS n
FROM tally WHERE run_id = ? AND list_contains(?::VARCHAR[], arm) GROUP BY arm, arm_no ORDER BY arm_no
"""
