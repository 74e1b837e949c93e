"""What a person sees while a run goes on: a bar per arm, or plain lines where there is no terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from oversight.cli.output import err, plain
from oversight.errors import StoreError
from oversight.execution.execute import RunView
from oversight.store import Store

__all__ = ["say", "watch"]

_QUERY = "SELECT arm, n_asked, n_judged, n_failed, accuracy, cost_usd FROM accuracy WHERE run_id = ? ORDER BY arm_no"
_BARS_EVERY_S = 0.5
_LINES_AFTER_S = (5.0, 5.0, 10.0, 10.0, 30.0)
"""Pauses between plain lines; the last one repeats."""


class _Standing(NamedTuple):
    """How far one arm is."""

    arm: str
    asked: int
    judged: int
    failed: int
    accuracy: float | None
    cost_usd: float | None

    @property
    def done(self) -> int:
        return self.judged + self.failed


def watch(run: RunView) -> Iterator[None]:
    """Show a run's progress while the caller works; for `run_experiment`."""
    err.print(plain(f"run {run.run_id}: {run.pending} episodes to run, {run.planned - run.pending} already judged"))
    ended = threading.Event()
    before = {arm.arm: arm.done for arm in _standings(run.store, run.run_id)}
    shower = _bars if err.is_terminal else _lines
    thread = threading.Thread(target=shower, args=(run, before, ended), name="progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def say(line: str) -> None:
    """Tell what goes on between episodes; for `run_experiment`."""
    err.print(plain(line), soft_wrap=True)


def _standings(store: Store, run_id: str) -> list[_Standing]:
    rows = store.arrow(_QUERY, [run_id]).to_pylist()
    return [_Standing(r["arm"], r["n_asked"], r["n_judged"], r["n_failed"], r["accuracy"], r["cost_usd"]) for r in rows]


def _poll(
    run: RunView, ended: threading.Event, pauses_s: Sequence[float], show: Callable[[list[_Standing], float], None]
) -> None:
    started = time.monotonic()
    pauses = chain(pauses_s, repeat(pauses_s[-1]))
    last = False
    while not last:
        last = ended.wait(next(pauses))
        # A store too busy to answer costs one update of the display, never the run.
        with suppress(StoreError):
            show(_standings(run.store, run.run_id), time.monotonic() - started)


def _bars(run: RunView, before: dict[str, int], ended: threading.Event) -> None:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[standing]}", markup=False), console=err) as progress:
        tasks: dict[str, TaskID] = {}

        def show(standings: list[_Standing], elapsed_s: float) -> None:
            for arm in standings:
                if arm.arm not in tasks:
                    tasks[arm.arm] = progress.add_task(plain(arm.arm).plain, total=arm.asked, standing="")
                text = _words(arm, arm.done - before[arm.arm], elapsed_s)
                progress.update(tasks[arm.arm], completed=arm.done, standing=text)

        _poll(run, ended, (_BARS_EVERY_S,), show)


def _lines(run: RunView, before: dict[str, int], ended: threading.Event) -> None:
    said = dict(before)

    def show(standings: list[_Standing], elapsed_s: float) -> None:
        for arm in standings:
            if said[arm.arm] != arm.done:
                words = _words(arm, arm.done - before[arm.arm], elapsed_s)
                err.print(plain(f"{elapsed_s:5.0f} s  {arm.arm}: {arm.done}/{arm.asked}  {words}"), soft_wrap=True)
            said[arm.arm] = arm.done

    _poll(run, ended, _LINES_AFTER_S, show)


def _words(arm: _Standing, since: int, elapsed_s: float) -> str:
    """Accuracy so far, spend, rate and the time still to go."""
    rate = since / elapsed_s if elapsed_s > 0 else 0.0
    left = arm.asked - arm.done
    parts = [
        "accuracy -----" if arm.accuracy is None else f"accuracy {arm.accuracy:.3f}",
        "cost unknown" if arm.cost_usd is None else f"${arm.cost_usd:,.2f}",
        f"{rate:,.1f}/s",
        f"ETA {left / rate:,.0f} s" if left and rate else ("done" if not left else "waiting"),
    ]
    return "  ".join(parts) + (f"  {arm.failed} failed" if arm.failed else "")
