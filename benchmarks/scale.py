"""What large experiments take: to plan, until the first verdict of a run, and to export.

    .venv/bin/python benchmarks/scale.py plan [QUESTIONS]
    .venv/bin/python benchmarks/scale.py start [EPISODES]
    .venv/bin/python benchmarks/scale.py export [EPISODES]

Each is measured on a process of its own, as a user starts it: seconds by the clock and of the processor, and the most
memory that it held. ``plan`` asks about a table of that many questions; ``start`` runs the quickstart as often as makes
that many episodes, on the local engine, until a verdict is stored; ``export`` writes runs of a quarter of the episodes
and of all of them, as `big_store` does, and exports both in every form, so that memory can be compared.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, get_args

import big_store

from oversight.errors import StoreError
from oversight.reports.export import ExportForm
from oversight.store import open_store

OVERSIGHT = Path(sys.executable).with_name("oversight")
_QUICKSTART = 500
"""Episodes of the quickstart."""

_PLANNED = """\
name: scale
task: {name: table, path: questions.jsonl}
models: {judge: embedded/pixel-judge, strong: embedded/pixel-debater}
protocols: [direct]
"""


class Taken(NamedTuple):
    """What one process took."""

    seconds: float
    processor_s: float
    peak_mb: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.processor_s:.1f} s of processor, {self.peak_mb:.0f} MB at most"


def measured(*arguments: object) -> Taken:
    """Run ``oversight`` to its end."""
    started = time.perf_counter()
    process = subprocess.Popen([OVERSIGHT, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"oversight {' '.join(map(str, arguments))}: exit code {process.returncode}")
    return Taken(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def plan(folder: Path, questions: int = 200_000) -> None:
    """Plan an experiment on a large table."""
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as file:
        for number in range(questions):
            answers = [f"At low tide, by mark {number}", f"At high tide, by mark {number}"]
            row = {"id": f"q{number}", "prompt": f"When does ferry {number} not run?", "answers": answers, "gold": 0}
            file.write(json.dumps({**row, "cluster": f"harbour {number // 4}"}) + "\n")
    (folder / "e.yaml").write_text(_PLANNED, encoding="utf-8")
    print(f"plan of {questions:,} questions: {measured('plan', folder / 'e.yaml')}")


def start(folder: Path, episodes: int = 100_000) -> None:
    """Run the quickstart until its first verdict is stored."""
    store = folder / "store"
    command = ["run", "quickstart", "--engine", "local", "--repeat", episodes // _QUICKSTART, "--store", store]
    started = time.perf_counter()
    process = subprocess.Popen(
        [OVERSIGHT, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while not _judged(store):
            if process.poll() is not None:
                raise SystemExit(f"the run ended with exit code {process.returncode}, without a verdict")
            time.sleep(0.1)
        print(f"first verdict of {episodes:,} episodes: {time.perf_counter() - started:.1f} s")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _judged(store: Path) -> bool:
    try:
        found = open_store(store).arrow("SELECT count(*) > 0 AS some FROM episodes")
    except StoreError:  # it is not there yet, or not answering yet
        return False
    return bool(found["some"][0].as_py())


def export(folder: Path, episodes: int = 40_000) -> None:
    """Export a run and one of a quarter of its episodes, in every form."""
    for size in (episodes // 4, episodes):
        store = folder / f"store-{size}"
        big_store.write(store, size, runs=1)
        (run,) = open_store(store).arrow("SELECT run_id FROM runs")["run_id"].to_pylist()
        for form in get_args(ExportForm):
            for suffix in ("jsonl", "parquet") if form != "prm800k" else ("jsonl",):
                target = folder / f"{size}-{form}.{suffix}"
                taken = measured("export", run, "--format", form, "--store", store, "--output", target)
                print(f"{size:,} episodes as {form} in {suffix}: {taken}, {size / taken.seconds:,.0f} episodes/s")
                target.unlink()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="oversight-scale-") as made:
        {"plan": plan, "start": start, "export": export}[sys.argv[1]](Path(made), *map(int, sys.argv[2:3]))
