"""What a run leaves in the store besides its episodes: its row, its plan, and what happened to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from oversight.execution.execute import EpisodeStats
from oversight.experiment.arm import Arm, PlannedEpisode, Seating
from oversight.experiment.file import Experiment
from oversight.experiment.plan import Plan
from oversight.store import ArmRow, PlanRow, RunRow, StoreWriter
from oversight.util.digest import digest

__all__ = ["add_plan", "arm_row", "finish_run", "logged_run", "start_run"]


def start_run(writer: StoreWriter, experiment: Experiment, run_id: str, plugins: Mapping[str, str]) -> None:
    """Store the run, unless it is there; ``plugins`` says which version of its protocol each arm runs."""
    writer.begin(
        RunRow(
            run_id=run_id,
            name=experiment.file.name,
            experiment=experiment.data,
            plugins=plugins,
            seed=experiment.file.seed,
            created_at=datetime.now(UTC),
            oversight_version=version("oversight"),
        )
    )


def add_plan(writer: StoreWriter, plan: Plan, first_arm: int = 0) -> None:
    """Store what a run asks for; its arms are counted from ``first_arm``."""
    writer.plan(
        plan.run_id,
        ((first_arm + place, row) for place, row in _plan_rows(plan.episodes)),
        plan.items.values(),
        plan.restricted,
        [arm_row(first_arm + place, arm) for place, arm in enumerate(plan.arms)],
    )


def _plan_rows(episodes: Iterable[PlannedEpisode]) -> Iterator[tuple[int, PlanRow]]:
    """Yield what the store keeps of each episode, and the place of its arm, without unpacking a question."""
    shared: dict[int, dict[str, Any]] = {}  # by seating: most of a row is the same for very many episodes
    for planned in episodes:
        if (same := shared.get(id(planned.seating))) is None:
            same = shared[id(planned.seating)] = _shared(planned.seating)
        row = PlanRow(
            episode_id=planned.episode_id, question_key=planned.question.key, assignment=planned.assignment, **same
        )
        yield planned.arm, row


def _shared(seating: Seating) -> dict[str, Any]:
    """Return what is the same in the rows of all episodes of a seating."""
    arm = seating.arm
    return {
        "arm": arm.label,
        "task": arm.task,
        "protocol": seating.protocol,
        "options": arm.protocol.options,
        "judge": arm.model_name("judge", "overseer"),
        "strong": arm.model_name("strong"),
        "seed": seating.seed,
        "repeat": seating.repeat,
    }


def arm_row(arm_no: int, arm: Arm) -> ArmRow:
    """Return what the store and reports know of an arm."""
    protocol = arm.protocol.create()
    return ArmRow(
        arm_no=arm_no,
        arm=arm.label,
        entry=arm.entry,
        protocol=protocol.name,
        origin=arm.protocol.plugin.origin,
        version=arm.protocol.version,
        baseline=protocol.baseline,
        ceiling=protocol.ceiling,
        models={role: sorted(digest(each.identity) for each in bound) for role, bound in arm.cast.items()},
    )


@contextmanager
def logged_run(writer: StoreWriter, run_id: str) -> Iterator[None]:
    """The run's log says when it started, and that it failed if the machinery did."""
    writer.event(run_id, "started")
    try:
        yield
    except BaseException as error:
        writer.event(run_id, "failed", {"error": type(error).__name__})
        raise


def finish_run(writer: StoreWriter, run_id: str, driven: EpisodeStats, *, whole: bool = True) -> None:
    """Write down how the run ended; ``whole`` is whether nothing is left but what failed."""
    stopped = driven.stopped.reason.value if driven.stopped else None
    detail = {"judged": driven.judged, "failed": len(driven.failed), "stopped": stopped}
    finished = whole and not driven.interrupted and not stopped
    writer.event(run_id, "finished" if finished else "interrupted", detail)
