"""``oversight export``: where the lines go, and what is said about those that are left out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from oversight.analysis.export import ExportForm, export
from oversight.cli.output import err, plain
from oversight.errors import UsageError
from oversight.store import Store

__all__ = ["write_export"]


def write_export(
    store: Store, run: str, form: ExportForm, output: Path | None, *, force: bool, by: str | None = None
) -> None:
    """Write one line of JSON for each row, to a file or to stdout; ``by`` names the person whose labels are wanted.

    Raises:
        UsageError: there is no such run, or the file is there already or cannot be written.
    """
    if output is not None and output.exists() and not force:
        raise UsageError(f"--output {output}: there is such a file already; --force overwrites it")
    exported = export(store, run, form, by)
    written = 0
    try:
        with _opened(output) as target:
            if exported.withheld:
                _say(
                    f"left out {exported.withheld} of {exported.episodes} episodes: "
                    f"their {exported.questions} questions must not be published"
                )
            for row in exported:
                # Only ASCII: any reader takes it, and none of it can steer a terminal.
                target.write(json.dumps(row, allow_nan=False) + "\n")
                written += 1
    except BrokenPipeError:
        # Whoever reads has enough (`| head`); Python must not find the pipe broken again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if exported.cut:
        _say(f"cut {exported.cut} solutions short at a step whose label could not be read")
    if output or not written:
        what = "episodes" if form == "episodes" else "solutions with step labels"
        _say(f"wrote {written} {what}" + (f" to {output}" if output else ""))


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """The file to write, which appears under its name when it is whole; without one, stdout."""
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        with partial.open("x", encoding="utf-8") as target:
            yield target
        partial.replace(output)
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def _say(line: str) -> None:
    err.print(plain(line), soft_wrap=True)
