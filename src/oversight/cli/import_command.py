"""``oversight import``: which importer, with which settings, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from oversight.cli.output import Format, err, out, plain
from oversight.cli.rejudge_command import settings_of
from oversight.cli.report_command import print_report
from oversight.errors import UsageError
from oversight.importers.import_run import ImportResult, import_transcripts
from oversight.importers.importer import Importer
from oversight.plugins import find_plugin, nearest
from oversight.reports.report import report
from oversight.store import open_store

__all__ = ["import_and_report"]


def import_and_report(
    source: str, path: Path, store: Path, overrides: Sequence[str], form: Format, *, everything: bool
) -> None:
    """Import, print the run's report, and say what was new.

    Raises:
        UsageError: there is no such source or setting, or something in the file cannot be read.
        StoreError: the store cannot be opened or written.
    """
    importer = find_plugin(Importer, source).load(Importer)
    options = _options(importer.Options, settings_of(overrides))
    done = import_transcripts(importer(options), path, store, everything=everything)
    opened = open_store(store)
    if opened.arrow("SELECT 1 FROM plan WHERE run_id = ? LIMIT 1", [done.run_id]).num_rows:
        print_report(report(opened, [done.run_id]), form)
        if form is Format.TABLE:
            print_report(report(opened, [done.run_id], detail=True), form)
    for line in [*_summary(done, store), *(f"Note: {warning}." for warning in done.warnings)]:
        (out if form is Format.TABLE else err).print(plain(line), soft_wrap=True)


def _summary(done: ImportResult, store: Path) -> list[str]:
    kept = done.read - done.left_out
    if done.done_before:
        lines = [f"Nothing new: run {done.run_id} had been imported before. Store: {store}"]
    else:
        had = f"; {kept - done.new} of them were in the store already" if done.new < kept else ""
        lines = [f"Imported {kept} of {done.read} transcripts as run {done.run_id}{had}. Store: {store}"]
    if done.left_out:
        lines.append(f"Left out {done.left_out} by the filter: {done.filter}. --all imports every one, as another run.")
    if done.unjudged:
        lines.append(
            f"{done.unjudged} were not judged: they are stored (episodes.failure = 'unjudged') and count nowhere."
        )
    return lines


def _options(schema: type[BaseModel], settings: dict[str, Any]) -> BaseModel:
    try:
        return schema.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(schema.model_fields) or "none"
            hint = nearest(name, schema.model_fields)
            raise UsageError(f"--set {name}: there is no such setting{hint}; settings: {known}") from None
        raise UsageError(f"--set {name}: {first['msg'].removeprefix('Value error, ')}") from None
