"""Judges of stored transcripts: reading a model's settings, and printing what models and people made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pandas as pd
import yaml

from oversight.cli.output import Format, out, plain, print_frame
from oversight.errors import UsageError
from oversight.reports.rejudged import RejudgedRow

__all__ = ["print_people", "print_rejudged", "settings_of"]

_MOST_LISTED = 12
"""So many people of one arm are listed one by one."""


def settings_of(pairs: Sequence[str]) -> dict[str, Any]:
    """A model's settings from ``key=value`` pairs, whose values are YAML."""
    settings = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign or key.strip() == "model":
            raise UsageError(f"--set {pair}: write it as key=value, for example --set belief=stated")
        try:
            settings[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(f"--set {key}: the value is not valid YAML") from None
    return settings


def print_rejudged(rows: Sequence[RejudgedRow], form: Format) -> None:
    """Print rows: for people a table, for programs every field."""
    if form is Format.JSON:
        print(json.dumps([row.model_dump() for row in rows], indent=2))
        return
    if form is Format.CSV:
        print(pd.DataFrame([row.model_dump() for row in rows]).to_csv(index=False), end="")
        return
    columns = ["arm", "judge", "n", "accuracy [95 %]", "first judge", "difference [95 %]", "agree", "failed", "cost"]
    print_frame(columns, [_cells(row) for row in rows], form)
    if form is Format.TABLE and rows:
        methods = sorted({row.interval for row in rows if row.interval})
        out.print(plain(f"Intervals: {'; '.join(methods) or 'none'}. Differences are paired by transcript."))


def print_people(rows: Sequence[RejudgedRow]) -> None:
    """Print how people judged beside the judges who heard the transcripts first; nothing where nobody did.

    Where very many judged an arm only the rows on all of them are printed.
    """
    for run, those in groupby(rows, key=lambda row: row.run):
        out.print(plain(f"\nPeople who judged transcripts of run {run}, beside the judge who heard them first."))
        columns = ["arm", "judge", "asked", "n", "accuracy [95 %]", "first judge", "difference [95 %]", "agree"]
        every = list(those)
        crowded = {row.arm for row in every if row.people > _MOST_LISTED}
        listed = [row for row in every if row.people > 1 or row.arm not in crowded]
        abstained = any(row.n_abstained for row in listed)
        print_frame(
            [*columns, *(["abstained"] if abstained else [])],
            [
                [*(cells := _cells(row))[:2], row.asked, *cells[2:7], *([row.n_abstained] if abstained else [])]
                for row in listed
            ],
            Format.TABLE,
        )
        methods = sorted({row.interval for row in listed if row.interval})
        out.print(plain(f"Agree: both right, or both not. Intervals: {'; '.join(methods) or 'none'}."))
        if crowded:
            out.print(plain("One by one: oversight sql \"SELECT * FROM rejudged WHERE kind = 'human'\""))


def _cells(row: RejudgedRow) -> list[str]:
    return [
        row.arm,
        row.judge,
        str(row.n),
        "" if row.accuracy is None else f"{row.accuracy:.3f} [{row.low:.3f}, {row.high:.3f}]",
        "" if row.first_accuracy is None else f"{row.first_accuracy:.3f}",
        ""
        if row.difference is None
        else f"{row.difference:+.3f} [{row.difference_low:+.3f}, {row.difference_high:+.3f}]",
        "" if row.agreement is None else f"{row.agreement:.3f}",
        str(row.n_failed),
        "" if row.people else "unknown" if row.cost_usd is None else f"${row.cost_usd:,.2f}",
    ]
