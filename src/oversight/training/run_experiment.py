"""Running an experiment file: its episodes, or its rounds of learning.

It stands in the highest package that carries an experiment out: rounds run episodes, and episodes know no rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from oversight.calls.call_cache import CALLS_FILE
from oversight.errors import UsageError
from oversight.execution.execute import ProgressHook, RunSettings
from oversight.execution.ray_cluster import probe
from oversight.execution.run import RunResult, run_episodes
from oversight.experiment.file import load_experiment

__all__ = ["run_experiment"]


def run_experiment(
    path: Path | str,
    settings: RunSettings = RunSettings(),
    *,
    overrides: Iterable[str] = (),
    limit: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    watch: ProgressHook | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> RunResult:
    """Run an experiment file, or what of it has not been run yet.

    Args:
        path: the experiment file.
        settings: how to execute it.
        overrides: ``key=value`` changes to the file.
        limit: keep that many questions of each task.
        repeats: how often each episode is run, instead of what the file says.
        seed: instead of the file's.
        watch: shows the progress of episodes.
        say: tells a person in one line what else goes on.

    Raises:
        UsageError: the file, a setting, a plugin or a model cannot be used, or an arm fails in its dry run; nothing
            was run.
        StoreError: the store cannot be opened or written.
    """
    experiment = load_experiment(Path(path), overrides, repeats=repeats, seed=seed)
    if settings.address is not None:
        probe(settings.address)
    if settings.replay is not None and not (settings.replay / CALLS_FILE).is_file():
        raise UsageError(f"--replay {settings.replay}: no calls were kept there: give the directory of a store")
    if experiment.file.iterate is not None:
        from oversight.training.rounds import run_rounds  # what only rounds need takes long to import

        done = run_rounds(experiment, settings, limit, watch, say)
        return RunResult(done.run_id, done.planned, done.already, done.driven, done.waiting)
    return run_episodes(experiment, settings, limit=limit, watch=watch, say=say)
