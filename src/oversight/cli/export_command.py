"""``oversight export``: where the rows go, and what is said about those that are left out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

from oversight.cli.output import err, plain
from oversight.errors import UsageError
from oversight.reports.export import Export, ExportFilter, ExportForm, export
from oversight.store import Store

__all__ = ["write_export"]

_ROWS = {"episodes": "episodes", "sft": "chats", "preferences": "pairs of replies"}


def write_export(
    store: Store, run: str, form: ExportForm, output: Path | None, wanted: ExportFilter, *, force: bool
) -> None:
    """Write the rows to a file, as Parquet if it is called so and as JSON lines otherwise, or to stdout.

    Raises:
        UsageError: there is no such run, the filter does not fit, or the file is there already or cannot be written.
    """
    if output is not None and output.exists() and not force:
        raise UsageError(f"--output {output}: there is such a file already; --force overwrites it")
    exported = export(store, run, form, wanted)
    if output is None:
        written = _print(exported)
        if written is None:
            return
    else:
        written = _write(exported, form, output)
    _conclude(exported, form, written, output)


def _conclude(exported: Export, form: ExportForm, written: int, output: Path | None) -> None:
    if exported.withheld:
        _say(
            f"left out {exported.withheld} of {exported.episodes} episodes: "
            f"their {exported.questions} questions must not be published"
        )
    if exported.cut:
        _say(f"cut {exported.cut} solutions short at a step whose label could not be read")
    if exported.unfit:
        _say(f"left out {exported.unfit} chats of seats whose brief is not on record, or with an empty message")
    if output or not written:
        what = _ROWS.get(form, "solutions with step labels")
        _say(f"wrote {written} {what}" + (f" to {output}" if output else ""))
    if form == "preferences" and not written:
        _say("a pair is two different replies to one prompt: give a speaker 'best_of' above 1, or --repeat the run")


def _print(exported: Export) -> int | None:
    """Print the rows; None if the reader closed the pipe (`| head`)."""
    try:
        written = _lines(exported, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python must not find the pipe broken again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return None
    return written


def _write(exported: Export, form: ExportForm, output: Path) -> int:
    """Write a file, which appears under its name when it is whole."""
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        if output.suffix == ".parquet":
            from oversight.reports.parquet import schema_of, write_parquet

            written = write_parquet(partial, exported, schema_of(form))
        else:
            with partial.open("x", encoding="utf-8") as file:
                written = _lines(exported, file)
        partial.replace(output)
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return written


def _lines(exported: Export, file: TextIO) -> int:
    written = 0
    for line in exported.lines():
        file.write(line + "\n")
        written += 1
    return written


def _say(line: str) -> None:
    err.print(plain(line), soft_wrap=True)
