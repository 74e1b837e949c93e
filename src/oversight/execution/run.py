"""One execution of an experiment's episodes, from the plan to the rows in the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from oversight.execution.execute import EpisodeStats, ProgressHook, RunSettings, bundle_for, find_pending, run_pending
from oversight.execution.run_status import add_plan, finish_run, logged_run, start_run
from oversight.experiment.dry_run import refuse_failing
from oversight.experiment.endpoints import endpoint_lines
from oversight.experiment.file import Experiment
from oversight.experiment.plan import build_plan
from oversight.store import StoreWriter

__all__ = ["RunResult", "RunSettings", "run_episodes"]


class RunResult(NamedTuple):
    """What an execution did.

    Attributes:
        run_id: the same for every execution of the same experiment.
        planned: episodes the experiment asks for.
        already: how many of them were judged before.
        driven: what became of the others.
        waiting: what a person has to do before it can go on; None if nothing.
    """

    run_id: str
    planned: int
    already: int
    driven: EpisodeStats
    waiting: str | None = None


def run_episodes(
    experiment: Experiment,
    settings: RunSettings,
    *,
    limit: int | None = None,
    watch: ProgressHook | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> RunResult:
    """Run the episodes of an experiment that has no rounds, or those that have not been judged yet.

    Args:
        experiment: the experiment, checked.
        settings: how to execute it.
        limit: keep that many questions of each task.
        watch: shows the progress of episodes.
        say: tells a person in one line what else goes on.

    Raises:
        UsageError: a setting, a plugin or a model cannot be used, or an arm fails in its dry run; nothing was run.
        StoreError: the store cannot be opened or written.
    """
    plan = build_plan(experiment, limit)
    refuse_failing(plan.faults, keep_going=settings.keep_going)
    # Into a new store nothing is written before its models are ready; an old one first says which are needed.
    bundle = None if settings.store.exists() else bundle_for(plan, plan.episodes, settings)
    with StoreWriter.open(settings.store) as writer:
        pending = find_pending(writer, plan, settings, bundle)
        start_run(writer, experiment, plan.run_id, {arm.label: arm.protocol.version for arm in plan.arms})
        add_plan(writer, plan)
        for line in endpoint_lines(plan.arms) if pending.episodes and settings.replay is None else ():
            say(line)
        for fault in plan.faults:
            say(f"warning: {fault.told}")
        with logged_run(writer, plan.run_id):
            driven = run_pending(writer, plan, pending, settings, watch)
        finish_run(writer, plan.run_id, driven)
        return RunResult(plan.run_id, len(plan.episodes), pending.already, driven)
