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

from oversight.cli.measures_table import generality, print_measures
from oversight.cli.output import Format, out, plain, print_frame, ranged
from oversight.reports.failure_sides import SideFailures, Truncation
from oversight.reports.report import ReportRow
from oversight.reports.report_measures import MeasuresRow

__all__ = ["print_faults", "print_report", "print_truncations"]


_WIDE = 125
_FIRST_TO_GO = ("ECE", "calls", "pending")
"""What a narrow terminal does without; every other format has it."""


def print_report(rows: Sequence[ReportRow], form: Format, measures: Sequence[MeasuresRow] | None = None) -> None:
    """Print report rows: for people a table per run, for programs every field.

    With ``measures``, every row's other measures: for people another table per run, in JSON the field ``measures``
    of each row. CSV and Markdown omit them.
    """
    if form is Format.TABLE:
        for run, those in groupby(rows, key=lambda row: row.run):
            _print_table(run, list(those))
        print_measures(measures or ())
    elif form is Format.JSON:
        print(json.dumps([_flat(row, parse=True) | _added(row, measures) for row in rows], indent=2))
    elif form is Format.CSV:
        nested = ("truncated", "by_honest", "over", "notes")
        dumped = [row.model_dump(mode="json") for row in rows]
        flat = [
            _flat(row) | {name: json.dumps(each[name]) for name in nested}
            for row, each in zip(rows, dumped, strict=True)
        ]
        # As objects, or whole numbers beside an unknown one would become fractions.
        print(pd.DataFrame(flat, dtype=object).to_csv(index=False), end="")
    elif rows:
        columns = _columns(rows)
        print("| " + " | ".join(columns) + " |")
        print("|" + "---|" * len(columns))
        for row in rows:
            cells = (plain(cell).plain.replace("|", "\\|") for cell in _cells(row, columns))
            print("| " + " | ".join(cells) + " |")


def print_faults(found: Sequence[SideFailures]) -> None:
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
    flat = row.model_dump(mode="json", exclude={"group"}) | row.group
    if parse:
        # A row over several arms has no single set of options.
        with suppress(json.JSONDecodeError):
            flat["options"] = json.loads(row.options)
    return flat


def _added(row: ReportRow, measures: Sequence[MeasuresRow] | None) -> dict[str, Any]:
    """The measures of a report row; nothing unless they were asked for."""
    if measures is None:
        return {}
    own = next((each for each in measures if (each.run, each.group) == (row.run, row.group)), None)
    return {"measures": own and own.model_dump(exclude={"run", "group"})}


_FAILED = "failed as wrong..right"


def _against(rows: Sequence[ReportRow]) -> str:
    """The heading of the differences: what rows are compared with, if that is one arm."""
    names = {row.baseline for row in rows if row.baseline}
    return f"vs {names.pop() if len(names) == 1 else 'baseline'} [95 %]"


def _columns(rows: Sequence[ReportRow]) -> list[str]:
    columns = [*rows[0].group, "n", "accuracy [95 %]"]
    columns += [_FAILED] if any(row.failures_wrong is not None for row in rows) else []
    columns += ["paper"] if any(row.published is not None for row in rows) else []
    if any(row.difference is not None for row in rows):
        columns.append(_against(rows))
        columns += ["p (Holm)"] if any(row.difference_p_holm is not None for row in rows) else []
        columns += ["p equivalent", "p not worse"] if any(row.margin is not None for row in rows) else []
    columns += ["Brier", "log score", "ECE"] if any(row.brier is not None for row in rows) else []
    told = ("ties", "void", "abstained", "pending")
    columns += [name for name in told if any(getattr(row, f"n_{name}") for row in rows)]
    columns += ["failed", "calls"]
    return [*columns, *(["cached"] if any(row.cached_share for row in rows) else []), "cost"]


def _cells(row: ReportRow, columns: Sequence[str]) -> list[str]:
    known = {
        **row.group,
        "n": str(row.n),
        "accuracy [95 %]": ranged(row.accuracy, row.low, row.high),
        _FAILED: "" if row.failures_wrong is None else f"{row.failures_wrong:.3f}..{row.failures_right:.3f}",
        "Brier": _number(row.brier),
        "log score": _number(row.log_score),
        "ECE": _number(row.ece),
        "paper": _number(row.published),
        "p (Holm)": _p(row.difference_p_holm),
        "p equivalent": _p(row.equivalence_p),
        "p not worse": _p(row.noninferiority_p),
        "ties": str(row.n_ties),
        "void": str(row.n_void),
        "abstained": str(row.n_abstained),
        "pending": str(row.n_pending),
        "failed": str(row.n_failed),
        "calls": f"{row.calls:,}",
        "cached": "" if row.cached_share is None else f"{row.cached_share:.0%}",
        "cost": "unknown" if row.cost_usd is None else f"${row.cost_usd:,.2f}",
    }
    difference = ranged(row.difference, row.difference_low, row.difference_high, "+.3f")
    return [difference if column.startswith("vs ") else known.get(column, "") for column in columns]


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
    notes = [f"Intervals: {_by_row(rows, 'interval') or 'none yet'}.", generality(rows[0].over)]
    if any(row.unit == "cluster" for row in rows):
        notes.append("n counts clusters: one is right only if each of its episodes with the same honest seat is.")
    notes += _difference_notes(rows)
    masses = _by_row(rows, "label_mass")
    if masses:
        notes.append(f"Token probability on the answers' labels, median: {masses}.")
    if any(row.n_ties for row in rows):
        notes.append("Ties: the right answer shared the highest probability; they are part of n, and not right.")
    if any(row.n_void for row in rows):
        notes.append("Void: contests in which no side argued the right answer; they are not part of n.")
    if any(row.n_failed for row in rows):
        again = "" if rows[0].imported else "; 'oversight run' again retries just those"
        notes.append(f"Failed episodes are not part of n{again}. {_FAILED}: accuracy if all of them were the one.")
    notes += [f"{_name(row)}: {note}." for row in rows for note in row.notes]
    notes += [_sides(row) for row in rows if row.by_honest]
    if rows[0].imported:
        notes.append(f"Imported: {rows[0].imported}.")
    return notes


def _difference_notes(rows: Sequence[ReportRow]) -> list[str]:
    held = [row for row in rows if row.difference is not None]
    missing = {row.no_difference for row in rows if row.no_difference}
    if not held:
        return [f"No differences: {'; '.join(sorted(missing))}."] if missing else []
    counts = sorted({row.difference_n for row in held if row.difference_n is not None})
    notes = [
        f"Differences are paired by question within judge, models and seed (n = {', '.join(map(str, counts))}). "
        f"Intervals: {_by_row(held, 'difference_interval') or 'none'}."
    ]
    names = {row.baseline for row in held}
    if len(names) > 1:
        notes.append(f"Baselines: {_by_row(held, 'baseline')}.")
    if any(row.difference_p_holm is not None for row in held):
        notes.append(
            f"{len(held)} differences against {'one baseline' if len(names) == 1 else f'{len(names)} baselines'}: "
            "p is adjusted for them (Holm), intervals are not."
        )
    if any(row.margin is not None for row in held):
        notes.append(
            f"Within {held[0].margin:g}: p equivalent is that of two one-sided tests, p not worse of the lower one."
        )
    notes += [f"No difference for {_name(row)}: {row.no_difference}." for row in rows if row.no_difference]
    return notes


def _by_row(rows: Sequence[ReportRow], field: str) -> str:
    """The values of a field, with the rows that have each if they differ."""
    found: dict[str, list[str]] = {}
    for row in rows:
        value = getattr(row, field)
        if value is not None:
            found.setdefault(value if isinstance(value, str) else _number(value), []).append(_name(row))
    return "; ".join(f"{value} ({', '.join(those)})" if len(found) > 1 else value for value, those in found.items())


def _sides(row: ReportRow) -> str:
    parts = [
        f"{part.honest}: {part.n_failed} of {part.n_asked} failed, accuracy {_number(part.accuracy) or '-'} "
        f"({_number(part.failures_wrong)}..{_number(part.failures_right)})"
        for part in row.by_honest
    ]
    return f"{_name(row)}, by honest seat: {'; '.join(parts)}."


def _name(row: ReportRow) -> str:
    return "/".join(row.group.values())


def _p(value: float | None) -> str:
    return "" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004 - as papers write it


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
