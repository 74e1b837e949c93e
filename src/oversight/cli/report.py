"""``oversight report``: judge accuracy with its interval, and what it rests on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from oversight.cli.measures import print_measures
from oversight.cli.output import Format, out, plain, print_frame
from oversight.reports.faults import Fault, Truncation
from oversight.reports.measured import MeasuresRow
from oversight.reports.report import ReportRow

__all__ = ["print_faults", "print_report", "print_truncations"]


_WIDE = 125
_FIRST_TO_GO = ("ECE", "calls", "pending")
"""What a narrow terminal does without; every other format has it."""


def print_report(rows: Sequence[ReportRow], form: Format, measures: Sequence[MeasuresRow] | None = None) -> None:
    """Print report rows: for people a table per run, for programs every field.

    With ``measures``, every arm's other measures: for people another table per run, in JSON the field
    ``measures`` of each row that is about one arm. CSV and Markdown have them not.
    """
    if form is Format.TABLE:
        for run, those in groupby(rows, key=lambda row: row.run):
            _print_table(run, list(those))
        print_measures(measures or ())
    elif form is Format.JSON:
        print(json.dumps([_flat(row, parse=True) | _added(row, measures) for row in rows], indent=2))
    elif form is Format.CSV:
        flat = [_flat(row) | {"truncated": json.dumps(row.truncated)} for row in rows]
        # As objects, or whole numbers beside an unknown one would become fractions.
        print(pd.DataFrame(flat, dtype=object).to_csv(index=False), end="")
    elif rows:
        columns = _columns(rows)
        print("| " + " | ".join(columns) + " |")
        print("|" + "---|" * len(columns))
        for row in rows:
            cells = (plain(cell).plain.replace("|", "\\|") for cell in _cells(row, columns))
            print("| " + " | ".join(cells) + " |")


def print_faults(found: Sequence[Fault]) -> None:
    """Print which calls failed, on whose side; nothing where none did."""
    if found:
        out.print(plain("\nFailed calls, by the side of the seat that made them; most were made again."))
        print_frame(["arm", "failure", "side", "calls", "episodes failed"], [row[1:] for row in found], Format.TABLE)


def print_truncations(found: Sequence[Truncation]) -> None:
    """Print which texts were kept although a token limit cut them off, on whose side; nothing where there are none."""
    if found:
        out.print(plain("\nTexts that a token limit cut off, kept up to their last whole sentence, by side."))
        print_frame(["arm", "side", "texts", "episodes"], [row[1:] for row in found], Format.TABLE)


def _flat(row: ReportRow, *, parse: bool = False) -> dict[str, Any]:
    """All fields of a row, the grouping columns among them."""
    flat = row.model_dump(exclude={"group"}) | row.group
    if parse:
        # A row over several arms has no single set of options.
        with suppress(json.JSONDecodeError):
            flat["options"] = json.loads(row.options)
    return flat


def _added(row: ReportRow, measures: Sequence[MeasuresRow] | None) -> dict[str, Any]:
    """The measures of a report row's arm; nothing unless they were asked for."""
    if measures is None:
        return {}
    own = next((each for each in measures if (each.run, each.arm) == (row.run, row.arm)), None)
    return {"measures": own and own.model_dump(exclude={"run", "arm"})}


def _columns(rows: Sequence[ReportRow]) -> list[str]:
    columns = [*rows[0].group, "n", "accuracy [95 %]"]
    if any(row.published is not None for row in rows):
        columns.append("paper")
    if any(row.difference is not None for row in rows):
        columns.append(f"vs {next(row.baseline for row in rows if row.baseline)} [95 %]")
    columns += ["Brier", "log score", "ECE"]
    columns += [name for name in ("void", "abstained", "pending") if any(getattr(row, f"n_{name}") for row in rows)]
    columns += ["failed", "calls"]
    return [*columns, *(["cached"] if any(row.cached_share for row in rows) else []), "cost"]


def _cells(row: ReportRow, columns: Sequence[str]) -> list[str]:
    known = {
        **row.group,
        "n": str(row.n),
        "accuracy [95 %]": "" if row.low is None else f"{row.accuracy:.3f} [{row.low:.3f}, {row.high:.3f}]",
        "Brier": _number(row.brier),
        "log score": _number(row.log_score),
        "ECE": _number(row.ece),
        "paper": _number(row.published),
        "void": str(row.n_void),
        "abstained": str(row.n_abstained),
        "pending": str(row.n_pending),
        "failed": str(row.n_failed),
        "calls": f"{row.calls:,}",
        "cached": "" if row.cached_share is None else f"{row.cached_share:.0%}",
        "cost": "unknown" if row.cost_usd is None else f"${row.cost_usd:,.2f}",
    }
    if row.difference is not None:
        interval = f"[{row.difference_low:+.3f}, {row.difference_high:+.3f}]"
        known[f"vs {row.baseline} [95 %]"] = f"{row.difference:+.3f} {interval}"
    return [known.get(column, "") for column in columns]


def _print_table(run: str, rows: list[ReportRow]) -> None:
    columns = _columns(rows)
    if out.width < _WIDE:
        columns = [column for column in columns if column not in _FIRST_TO_GO]
    out.print(plain(f"\nrun {run}"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(plain(column), justify="left" if number < len(rows[0].group) else "right")
    for row in rows:
        table.add_row(*(plain(cell) for cell in _cells(row, columns)))
    out.print(table)
    for note in _notes(rows):
        out.print(plain(note))


def _notes(rows: Sequence[ReportRow]) -> list[str]:
    """What the numbers rest on."""
    methods: dict[str, list[str]] = {}
    for row in rows:
        if row.interval:
            methods.setdefault(row.interval, []).append("/".join(row.group.values()))
    found = [f"{method} ({', '.join(arms)})" if len(methods) > 1 else method for method, arms in methods.items()]
    notes = [f"Intervals: {'; '.join(found) or 'none yet'}."]
    if any(row.unit == "cluster" for row in rows):
        notes.append("n counts clusters: one is right only if each of its episodes with the same honest seat is.")
    if any(row.difference is not None for row in rows):
        counts = sorted({row.difference_n for row in rows if row.difference_n is not None})
        notes.append(
            f"Differences are paired by question (n = {', '.join(map(str, counts))}), intervals by cluster jackknife."
        )
    masses: dict[str, list[str]] = {}
    for row in rows:
        if row.label_mass is not None:
            masses.setdefault(_number(row.label_mass), []).append("/".join(row.group.values()))
    if masses:
        found = [f"{mass} ({', '.join(arms)})" if len(masses) > 1 else mass for mass, arms in masses.items()]
        notes.append(f"Token probability on the answers' labels, median: {'; '.join(found)}.")
    if any(row.n_void for row in rows):
        notes.append("Void: contests in which no side argued the right answer; they are not part of n.")
    if any(row.n_failed for row in rows):
        again = "" if rows[0].imported else "; 'oversight run' again retries just those"
        notes.append(f"Failed episodes are not part of n{again}.")
    if rows[0].imported:
        notes.append(f"Imported: {rows[0].imported}.")
    return notes


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
