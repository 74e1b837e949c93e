"""Give `oversight` experiments and data with faults in them, each in a process that is watched.

    .venv/bin/python benchmarks/fuzz.py [CASES] [--seed SEED]

The cases are those of `oversight.testing.fuzzing`, by seed. Wrong are: a traceback, an exit code that is none of
0, 1 and 2, an exit code 2 with more than three lines or with a store written, and no end within 60 seconds of
processor, five minutes by the clock, or 6 GB.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from oversight.cli import main as oversight
from oversight.testing.fuzzing import fuzz_case

_MOST_PROCESSOR_S = 60
_MOST_S = 300
_MOST_BYTES = 6 << 30
_MOST_LINES = 3
_REFUSED = 2


def answered(seed: int) -> tuple[int, str]:
    """Run one case in this process; returns its seed, and what was wrong or ``exit N``."""
    case = fuzz_case(seed)
    said = io.StringIO()
    for late in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(late, signal.default_int_handler)
    signal.alarm(_MOST_S)
    signal.setitimer(signal.ITIMER_PROF, _MOST_PROCESSOR_S)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for path, text in case.files.items():
            Path(path).write_text(text, encoding="utf-8")
        sys.argv = ["oversight", *case.arguments]
        code: object = None
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
                oversight()
        except SystemExit as end:
            code = end.code
        except BaseException:
            return seed, f"traceback: {traceback.format_exc().splitlines()[-1]}"
        finally:
            signal.alarm(0)
            signal.setitimer(signal.ITIMER_PROF, 0)
        if code == 130:
            return seed, "no end in time"
        lines = said.getvalue().splitlines()
        if code == _REFUSED and (len(lines) > _MOST_LINES or Path("s").exists()):
            return seed, f"refused in {len(lines)} lines{', with a store' if Path('s').exists() else ''}: {lines[-1:]}"
        return seed, f"exit {code}" if code in (0, 1, _REFUSED) else f"odd exit: {code}"


def _prepared() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))


def main() -> None:
    """Run the cases on two processes, and print how many were answered how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    context = multiprocessing.get_context("spawn")
    with context.Pool(2, _prepared, maxtasksperchild=100) as pool:
        for seed, answer in pool.imap_unordered(answered, range(given.seed, given.seed + given.cases), chunksize=5):
            wrong = not answer.startswith("exit ")
            counts["wrong" if wrong else answer] += 1
            if wrong:
                print(f"seed {seed}: {answer}", flush=True)
    print(f"{given.cases} cases from seed {given.seed}: {dict(sorted(counts.items()))}")
    sys.exit(bool(counts["wrong"]))


if __name__ == "__main__":
    main()
