"""Running ``oversight`` as its users do: as a process of its own, or in this one where a process costs too much."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from oversight.cli import main

OVERSIGHT = Path(sys.executable).parent / "oversight"


class Ran(NamedTuple):
    """What one command left on the terminal, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What ``--format json`` printed."""
        found: list[dict[str, Any]] = json.loads(self.out, parse_constant=_refuse)
        return found

    def complaint(self) -> str:
        """The one line that says what was wrong, after checking that it is all there is."""
        assert (self.code, self.out) == (2, ""), self
        assert self.err.startswith("error: "), self.err
        assert self.err.endswith("\n"), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("error: ").rstrip("\n")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anybody's keys or default store."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    kept.pop("OVERSIGHT_STORE", None)
    return kept | more


def start(*arguments: object, cwd: Path, **more: str) -> subprocess.Popen[str]:
    """Start ``oversight`` and do not wait; it is the leader of its own process group."""
    return subprocess.Popen(
        [OVERSIGHT, *map(str, arguments)],
        cwd=cwd,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str], seconds: float = 60) -> Ran:
    """Wait for a command to end."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {seconds} s: {out} {err}") from None
    return Ran(process.returncode, out, err)


def oversight(*arguments: object, cwd: Path, **more: str) -> Ran:
    """Run ``oversight`` as a process."""
    return ended(start(*arguments, cwd=cwd, **more))


def here(*arguments: object) -> Ran:
    """Run ``oversight`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["oversight", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as done:
        return Ran(int(done.code or 0), out.getvalue(), err.getvalue())
    finally:
        sys.argv = before
    raise AssertionError("main returned instead of exiting")


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Meanwhile no file of this process grows past so many bytes."""
    was_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    was_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, was_limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was_limit)
        signal.signal(signal.SIGXFSZ, was_handler)
