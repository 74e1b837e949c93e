"""Running an arm a few times with models that call nothing, to see what it does and what it would take."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from oversight.core.assignments import assignments_of
from oversight.core.bounded_run import run_bounded
from oversight.core.conduct import conduct
from oversight.core.episode import Episode
from oversight.core.episode_limits import EpisodeLimits
from oversight.core.protocol import Protocol
from oversight.core.question import Item
from oversight.core.repeatability import global_draws, outcome_of, unlike, unrepeatable
from oversight.core.verdict import Verdict
from oversight.errors import LimitReached, UsageError
from oversight.experiment.protocol_binding import ProtocolBinding
from oversight.models.base import ModelSettings
from oversight.models.binding import Binding
from oversight.models.client import ModelCast
from oversight.models.dry_run_model import DryRunModel
from oversight.plugins import Plugin
from oversight.util.aio import run_sync
from oversight.util.describe import describe_error
from oversight.util.digest import draw

__all__ = [
    "DryRun",
    "DryRunFault",
    "ExpectedUsage",
    "Trial",
    "dry_run",
    "refuse_exits",
    "refuse_failing",
    "stand_ins",
    "try_once",
]

_CALLS = 10_000
_MESSAGES = 100_000
"""What a dry run may take of what the experiment does not limit."""

_ENOUGH_S = 20.0
"""Seconds after which an arm is tried on no further question: a slow one shows on fewer what it takes."""


class ExpectedUsage(NamedTuple):
    """What one role takes in one episode, on average, in calls and characters; ``sample`` is one prompt."""

    calls: float
    prompt_chars: float
    reply_chars: float
    sample: str


class DryRun(NamedTuple):
    """What the dry run of an arm showed.

    Attributes:
        reads_assigned: whether the protocol asks which answer was assigned, so that every answer must be.
        expected: per role.
        error: what went wrong, if something did, in one line.
        fails: whether it went wrong on every question that was tried, so that it is to be expected of all.
        exits: whether the protocol tried to end the process.
        differs: why the same episode need not come out the same again, if it need not.
    """

    reads_assigned: bool
    expected: dict[str, ExpectedUsage]
    error: str | None = None
    fails: bool = False
    exits: bool = False
    differs: str | None = None


class DryRunFault(NamedTuple):
    """What went wrong in the dry run of an arm: ``told`` says it in one line, with its place in the file.

    Attributes:
        fails: whether all its episodes are to be expected to fail.
        exits: whether the protocol tried to end the process.
    """

    told: str
    fails: bool
    exits: bool


class Trial(BaseModel):
    """What one episode of a dry run showed.

    Attributes:
        reads_assigned: see `DryRun`.
        taken: per role, the calls and characters, and one prompt.
        error: what went wrong, if something did.
        kind: of the error: a limit was reached, the protocol tried to end the process, or anything else.
        differs: see `DryRun`.
    """

    model_config = ConfigDict(frozen=True)

    reads_assigned: bool = False
    taken: dict[str, ExpectedUsage] = {}
    error: str | None = None
    kind: Literal["limit", "exit", "other"] | None = None
    differs: str | None = None


def dry_run(items: Sequence[Item], attempt: Callable[[Item], Trial]) -> DryRun:
    """Try an arm on each of ``items`` by ``attempt``; on no more once one did not end by itself, or all took long."""
    trials: list[Trial] = []
    started = time.monotonic()
    for item in items:
        trials.append(attempt(item))
        if trials[-1].kind in ("limit", "exit") or time.monotonic() - started > _ENOUGH_S:
            break
    failed = [trial for trial in trials if trial.error is not None]
    error = failed[0].error if failed else None
    if failed and len(failed) < len(trials):
        error = f"{error} (on {len(failed)} of {len(trials)} questions tried)"
    roles = {role: [trial.taken[role] for trial in trials if role in trial.taken] for role in trials[0].taken}
    return DryRun(
        any(trial.reads_assigned for trial in trials),
        {role: _mean(taken, len(trials)) for role, taken in roles.items()},
        error,
        fails=bool(failed) and len(failed) == len(trials),
        exits=any(trial.kind == "exit" for trial in trials),
        differs=next((trial.differs for trial in trials if trial.differs is not None), None),
    )


def refuse_failing(faults: Sequence[DryRunFault], *, keep_going: bool) -> None:
    """See whether any arm is to be expected to fail altogether.

    Raises:
        UsageError: one is, and its episodes are not to be run all the same.
    """
    failing = [fault.told for fault in faults if fault.fails]
    if failing and not keep_going:
        more = f" (and {len(failing) - 1} more arms fail: 'oversight plan' lists them)" if len(failing) > 1 else ""
        raise UsageError(f"{failing[0]}{more}; mend it, or give --keep-going to run it all the same")


def refuse_exits(faults: Sequence[DryRunFault]) -> None:
    """See whether any protocol tried to end the process.

    Raises:
        UsageError: one did.
    """
    for fault in faults:
        if fault.exits:
            raise UsageError(fault.told)


def stand_ins(cast: Mapping[str, Sequence[Binding]]) -> dict[str, ModelSettings]:
    """What a dry run needs to know of each role's model: its name, how it speaks and how its beliefs are elicited."""
    found = {role: bound[0].checked()[1] for role, bound in cast.items()}
    known = set(ModelSettings.model_fields)
    return {role: ModelSettings.model_validate(each.model_dump(include=known)) for role, each in found.items()}


def try_once(
    protocol: ProtocolBinding,
    models: Mapping[str, ModelSettings],
    item: Item,
    seed: int,
    limits: EpisodeLimits,
    seconds: float,
    *,
    twice: bool = False,
) -> Trial:
    """Run one episode in this process with models that call nothing.

    Args:
        protocol: the protocol with its options.
        models: per role, what to imitate.
        item: the question.
        seed: of the assignment, if the protocol draws it.
        limits: the arm's.
        seconds: after which it is ended, if the protocol ever waits for anything.
        twice: run it again if it went well, and see whether it comes out the same.
    """
    cast = {role: DryRunModel(settings) for role, settings in models.items()}
    episode: Episode | None = None
    error: BaseException | None = None
    differs: str | None = None
    try:
        with global_draws() as drawn:
            instance, episode = _staged(protocol, cast, item, seed, limits)
            verdict = _conducted(instance, episode, seconds)
        if twice:
            fresh = {role: DryRunModel(settings) for role, settings in models.items()}
            again = _staged(protocol, fresh, item, seed, limits)
            second = outcome_of(again[1], _conducted(*again, seconds))
            differs = unrepeatable(drawn, unlike(outcome_of(episode, verdict), second))
    except (Exception, SystemExit, asyncio.CancelledError) as raised:
        error = raised
    return Trial(
        reads_assigned=episode is not None and episode.reads_assigned,
        taken={
            role: ExpectedUsage(model.calls, model.prompt_chars, model.reply_chars, model.sample)
            for role, model in cast.items()
        },
        error=None if error is None else _told(error, protocol.plugin),
        kind=None if error is None else _kind(error),
        differs=differs,
    )


def _staged(
    protocol: ProtocolBinding, cast: Mapping[str, DryRunModel], item: Item, seed: int, limits: EpisodeLimits
) -> tuple[Protocol, Episode]:
    """A protocol, and the episode that it is to be tried on."""
    instance = protocol.create()
    asked = assignments_of(instance, item.question, draw(seed, item.question.id, "dry run"))
    episode = Episode(
        item.question,
        templates=protocol.templates(),
        cast=ModelCast({role: (model,) for role, model in cast.items()}),
        options=instance.options,
        assignment=asked[0] if asked else (0,),
        limits=EpisodeLimits(calls=limits.calls or _CALLS, messages=limits.messages or _MESSAGES),
        dry_run=True,
    )
    return instance, episode


def _conducted(protocol: Protocol, episode: Episode, seconds: float) -> Verdict:
    return run_sync(_in_time(run_bounded(episode.usage, conduct(protocol, episode)), seconds))


async def _in_time(work: Coroutine[Any, Any, Verdict], seconds: float) -> Verdict:
    """Await ``work`` for so long, also where it never waits but for its models."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise LimitReached(f"it did not end within {seconds:g} s") from None


def _kind(error: BaseException) -> Literal["limit", "exit", "other"]:
    """Classify an error by what it is or comes from."""
    if isinstance(error, LimitReached):
        return "limit"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SystemExit | KeyboardInterrupt):
            return "exit"
        cause = cause.__cause__
    return "other"


def _told(error: BaseException, plugin: Plugin) -> str:
    """An error in one line, with the last line of the plugin's own file that led to it."""
    file = plugin.path or getattr(sys.modules.get(plugin.module), "__file__", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{describe_error(error)}{place}"


def _mean(taken: Sequence[ExpectedUsage], count: int) -> ExpectedUsage:
    return ExpectedUsage(
        sum(each.calls for each in taken) / count,
        sum(each.prompt_chars for each in taken) / count,
        sum(each.reply_chars for each in taken) / count,
        max((each.sample for each in taken), key=len, default=""),
    )
