"""Amplify, distil, and again: the rounds of an experiment, each phase once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from oversight.errors import RunStopped
from oversight.execution.execute import EpisodeStats, ProgressHook, RunSettings
from oversight.execution.run_status import finish_run, logged_run, start_run
from oversight.experiment.file import Experiment, Iterate
from oversight.experiment.identity import identity_data, without_limits
from oversight.plugins import nearest
from oversight.reports.rounds_report import OVERALL
from oversight.store import StoreWriter
from oversight.training.method import Method, Phase, PhaseContext
from oversight.util.digest import digest

__all__ = ["FOLDER", "Rounds", "method_of", "run_rounds"]

FOLDER = "rounds"
"""Where in a store's directory the files of its iterated runs are, a folder for each run."""

_METHODS = {
    "embedded": "oversight.training.embedded.embedded_method:EmbeddedMethod",
    "export": "oversight.training.export_method:ExportMethod",
    "openai": "oversight.training.openai_method:OpenAIMethod",
}


@dataclass
class Rounds:
    """What an execution of an iterated experiment did; see `oversight.execution.run.RunResult`."""

    run_id: str
    planned: int = 0
    already: int = 0
    driven: EpisodeStats = field(default_factory=EpisodeStats)
    waiting: str | None = None


def method_of(experiment: Experiment, limit: int | None = None) -> tuple[Method, str]:
    """The method that an experiment names, and the id of the run.

    Raises:
        UsageError: there is no such method, an option is wrong, or the experiment cannot be carried out.
    """
    iterate, source = _iterate(experiment), experiment.source
    options = {key: value for key, value in iterate.distil.items() if key != "method"}
    where = ("iterate", "distil", "method")
    name = iterate.distil.get("method")
    if name is None:
        raise source.problem(where[:-1], f"name the 'method'; the methods are {', '.join(_METHODS)}")
    if not isinstance(name, str) or name not in _METHODS:
        guess = nearest(str(name), _METHODS)
        raise source.problem(where, f"there is no such method{guess}; the methods are {', '.join(_METHODS)}")
    module, _, qualname = _METHODS[name].partition(":")
    cls: type[Method] = getattr(import_module(module), qualname)
    method = cls(experiment, limit, source.validate(cls.Options, options, where[:-1]))
    return method, f"{experiment.file.name}-{_design(experiment, method, method.check())}"


def run_rounds(
    experiment: Experiment,
    settings: RunSettings,
    limit: int | None = None,
    watch: ProgressHook | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Rounds:
    """Carry out an iterated experiment, or what of it is left.

    Args:
        experiment: the experiment, with its ``iterate``.
        settings: how to execute it.
        limit: keep that many questions of each task.
        watch: shows the progress of episodes.
        say: tells a person what goes on, in one line.

    Raises:
        UsageError: something about it cannot be used; nothing was run.
        StoreError: the store cannot be opened or written.
    """
    method, run_id = method_of(experiment, limit)
    method.check_available(settings)
    done = Rounds(run_id)
    with StoreWriter.open(settings.store) as writer:
        stored = writer.rounds(run_id)
        method.agrees(stored)
        start_run(writer, experiment, run_id, method.plugins())
        folder = settings.store.absolute() / FOLDER / run_id
        work = PhaseContext(settings, run_id, folder, writer, {}, watch, say)
        whole = False
        left = any(phase not in stored for phase in _phases(method.iterate.rounds))
        for line in method.endpoints() if left and settings.replay is None else ():
            say(line)
        with logged_run(writer, run_id):
            try:
                whole = _carry_out(method, work, done)
            except KeyboardInterrupt:
                done.driven.interrupted = True
        finish_run(writer, run_id, done.driven, whole=whole)
    return done


def _carry_out(method: Method, work: PhaseContext, done: Rounds) -> bool:
    """Do what is left, phase by phase; says whether nothing is."""
    for round, phase in _phases(method.iterate.rounds):
        stored = work.writer.rounds(work.run_id)
        if (round, phase) in stored:
            episodes = stored[round, phase].get("episodes", 0)
            done.planned += episodes
            done.already += episodes
            continue
        act = {"amplified": method.amplify, "distilled": method.distil, "evaluated": method.evaluate}[phase]
        try:
            came = act(work._replace(rounds=stored), round)
        except RunStopped as stop:
            done.driven.stopped = stop
            return False
        done.planned += came.planned
        done.already += came.already
        done.driven.include(came.driven)
        done.waiting = came.waiting
        if came.data is None:
            return False
        work.writer.round(work.run_id, round, phase, came.data)
        work.say(f"round {round} of {method.iterate.rounds}: {phase}{_told(came.data)}")
    return True


def _told(data: Mapping[str, Any]) -> str:
    """The scores of a round, where it was evaluated, in a few words."""
    whole = [score for score in data.get("scores", ()) if score["part"] == OVERALL and score["n"]]
    return "".join(f", {score['who']} {score['correct'] / score['n']:.3f}" for score in whole)


def _phases(rounds: int) -> Iterator[tuple[int, Phase]]:
    yield 0, "evaluated"
    for round in range(1, rounds + 1):
        yield round, "amplified"
        yield round, "distilled"
        yield round, "evaluated"


def _iterate(experiment: Experiment) -> Iterate:
    assert experiment.file.iterate is not None
    return experiment.file.iterate


def _design(experiment: Experiment, method: Method, determined: list[str]) -> str:
    """Tells runs of one name apart by what was asked of what code and data, but not by how many rounds, or how fast."""
    data = {key: value for key, value in experiment.data.items() if key not in ("description", "limits")}
    if "models" in data:
        data["models"] = identity_data(data["models"], experiment)
    if "protocols" in data:
        data["protocols"] = [without_limits(entry, experiment) for entry in data["protocols"]]
    iterate: Mapping[str, Any] = data["iterate"]
    distil = {key: value for key, value in iterate["distil"].items() if key not in method.NON_IDENTITY_SETTINGS}
    asked = {key: value for key, value in iterate.items() if key not in ("rounds", "max_failed")}
    return digest([{**data, "iterate": {**asked, "distil": distil}}, determined], length=8)
