"""Everything that people are told about runs, and how a command ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from oversight.cli.best_of_n_table import print_optimised
from oversight.cli.output import Format, err, plain
from oversight.cli.process_tables import print_process
from oversight.cli.rejudge_command import print_people
from oversight.cli.report_command import print_faults, print_report, print_truncations
from oversight.cli.rounds_table import print_rounds
from oversight.errors import RunStopped, StopReason
from oversight.execution.scheduler import RunStats
from oversight.reports.best_of_n_report import optimised
from oversight.reports.failure_sides import faults, truncations
from oversight.reports.process_report import process
from oversight.reports.rejudge_report import rejudged_by_people
from oversight.reports.report import ReportChoices, report
from oversight.reports.report_measures import measured
from oversight.reports.rounds_report import accuracies, rounds
from oversight.store import Store

__all__ = ["ended", "print_runs"]

DONE, SOME_FAILED, REFUSED, OVER_BUDGET, INTERRUPTED = 0, 1, 2, 3, 130

_STOPPED = {
    StopReason.BUDGET: OVER_BUDGET,
    StopReason.UNPRICED: OVER_BUDGET,
    StopReason.REFUSED: REFUSED,
    StopReason.UNREACHABLE: SOME_FAILED,
    StopReason.STORE: SOME_FAILED,
}

_LISTED_FAILURES = 5


def print_runs(
    store: Store,
    runs: Sequence[str] = (),
    form: Format = Format.TABLE,
    *,
    measures: bool = False,
    **asked: Unpack[ReportChoices],
) -> None:
    """Print the report on some runs, by default all; for people who chose no columns, all that goes with it.

    ``asked`` is that of `oversight.reports.report.report`.
    """
    rows, per_round = report(store, runs, **asked), rounds(store, runs)
    found = measured(store, runs, **asked) if measures else None
    print_report(rows, form, found)
    if not rows and not per_round:
        err.print(plain("nothing to report: no transcript of these runs has a verdict, or is to get one"))
    if form is Format.TABLE and not asked.get("by"):
        print_report(report(store, runs, detail=True, **asked), form)
        print_faults(faults(store, runs))
        print_truncations(truncations(store, runs))
        print_process(process(store, runs))
        print_people(rejudged_by_people(store, runs))
        print_optimised(optimised(store, runs))
        print_rounds(per_round, accuracies(store, runs))


def ended(driven: RunStats[Any, Any], failed: Sequence[tuple[str, str, Any]]) -> int:
    """Say what went wrong, a few failures of many, and give the exit code."""
    for notice in driven.notices.values():
        err.print(plain(f"note: {notice}"), soft_wrap=True)
    for episode, where, outcome in failed[:_LISTED_FAILURES]:
        reason = (outcome.detail or "").strip().splitlines()
        err.print(
            plain(f"failed: {episode} ({where}): {outcome.failure}: {reason[-1] if reason else ''}"), soft_wrap=True
        )
    if len(failed) > _LISTED_FAILURES:
        err.print(plain(f"and {len(failed) - _LISTED_FAILURES} more: the store's view 'outcomes' lists them"))
    if driven.interrupted:
        err.print(plain("interrupted: what finished is kept; the same command goes on from here"))
        return INTERRUPTED
    if driven.stopped:
        err.print(plain(f"stopped: {driven.stopped}; {_kept(driven.stopped)}"), soft_wrap=True)
        return _STOPPED[driven.stopped.reason]
    return SOME_FAILED if failed else DONE


def _kept(stopped: RunStopped) -> str:
    """Say what became of the calls that had been completed."""
    if stopped.reason is not StopReason.STORE:
        return "every completed call is kept"
    if not stopped.lost:
        return "every call completed before is kept"
    calls = "1 completed call is" if stopped.lost == 1 else f"{stopped.lost} completed calls are"
    return f"{calls} lost and paid again; every one before is kept"
