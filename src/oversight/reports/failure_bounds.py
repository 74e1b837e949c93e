"""What failed episodes leave open: a failure is not an error of the judge, and not a chance sample either."""

from __future__ import annotations

from typing import Any

import pandas as pd

from oversight.experiment.file import ReportSettings
from oversight.reports.report_row import HonestPart, ReportRow
from oversight.stats.failures import accuracy_with_failures, failure_test

__all__ = ["failure_fields", "failure_notes"]

_SURE = 0.05


def failure_fields(part: pd.DataFrame) -> dict[str, Any]:
    """Return the fields of a report row on its failed episodes; nothing where none failed."""
    if not (part["status"] == "failed").any():
        return {}
    sides = [(str(honest), own) for honest, own in part.groupby("honest", sort=True)]
    whole = _part("", part)
    return {
        "failures_wrong": whole.failures_wrong,
        "failures_right": whole.failures_right,
        "by_honest": tuple(_part(honest, own) for honest, own in sides) if len(sides) > 1 else (),
    }


def failure_notes(rows: list[ReportRow], tally: pd.DataFrame, asked: ReportSettings) -> list[ReportRow]:
    """Add a note to the rows of one table whose failures fall on some sides, or that fail more often than others."""
    if not any(row.n_failed for row in rows):
        return rows
    ended = tally[tally["status"] != "pending"]
    found = []
    between = failure_test(_failed(ended), ended[list(asked.by)].astype(str).agg("/".join, axis=1).tolist())
    for row, (_, part) in zip(rows, tally.groupby(list(asked.by), sort=False, dropna=False), strict=True):
        own = part[part["status"] != "pending"]
        notes = list(row.notes)
        sides = failure_test(_failed(own), own["honest"].tolist())
        if sides.p < _SURE:
            notes.append(f"the share of failures differs by honest seat ({sides.test}, p = {sides.p:.2g})")
        if between.p < _SURE and row.n_failed:
            notes.append(f"the share of failures differs between rows ({between.test}, p = {between.p:.2g})")
        found.append(row.model_copy(update={"notes": tuple(notes)}))
    return found


def _failed(part: pd.DataFrame) -> list[bool]:
    return (part["status"] == "failed").tolist()


def _part(honest: str, part: pd.DataFrame) -> HonestPart:
    failed = (part["status"] == "failed").to_numpy(bool)
    correct = part["correct"].astype(object).where(part["counts"], None).tolist()
    found = accuracy_with_failures(correct, failed.tolist(), part["cluster"].tolist())
    return HonestPart(
        honest=honest,
        n_asked=len(part),
        n_failed=int(failed.sum()),
        accuracy=found.answered.value if found and found.answered else None,
        failures_wrong=found.worst.value if found else None,
        failures_right=found.best.value if found else None,
    )
