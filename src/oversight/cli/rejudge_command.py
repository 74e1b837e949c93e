"""Judges of stored transcripts: reading a model's settings, and printing what models and people made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from oversight.cli.output import Format, out, plain, print_frame, ranged
from oversight.errors import UsageError, YamlError
from oversight.experiment.plain_yaml import read_yaml
from oversight.reports.ladder import Flips, LadderRow
from oversight.reports.rejudge_report import RejudgedRow

__all__ = ["print_ladder", "print_people", "print_rejudged", "settings_of"]

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
            settings[key.strip()] = read_yaml(text).data
        except YamlError as error:
            raise UsageError(f"--set {key}: the value cannot be read: {error}") from None
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
    cells = [_cells(row) for row in rows]
    if any(row.asked for row in rows):
        columns.insert(2, "asked")
        cells = [[*own[:2], row.asked, *own[2:]] for row, own in zip(rows, cells, strict=True)]
    apart, counts = _apart(rows)
    print_frame([*columns, *apart], [[*own, *more] for own, more in zip(cells, counts, strict=True)], form)
    if form is Format.TABLE and rows:
        methods = sorted({row.interval for row in rows if row.interval})
        out.print(plain(f"Intervals: {'; '.join(methods) or 'none'}. Differences are paired by transcript."))


def print_ladder(rows: Sequence[LadderRow], form: Format) -> None:
    """Print a row for each arm and prompt: for people a table, for programs every field."""
    if form is Format.JSON:
        print(json.dumps([row.model_dump() for row in rows], indent=2))
        return
    if form is Format.CSV:
        frame = pd.json_normalize([row.model_dump() for row in rows])
        # Where a row has no comparison its name becomes a column of its own beside those of its fields.
        print(frame.drop(columns=["to_first_judge", "to_first_prompt"], errors="ignore").to_csv(index=False), end="")
        return
    columns = ["arm", "prompt", "n", "accuracy [95 %]", *_flip_columns("first judge"), *_flip_columns("first prompt")]
    cells = [
        [
            row.arm,
            row.prompt or "as stored",
            str(row.n),
            ranged(row.accuracy, row.low, row.high),
            *_flip_cells(row.to_first_judge),
            *_flip_cells(row.to_first_prompt),
            str(row.n_failed),
        ]
        for row in rows
    ]
    print_frame([*columns, "failed"], cells, form)
    if form is not Format.TABLE or not rows:
        return
    found = [each for row in rows for each in (row.to_first_judge, row.to_first_prompt) if each]
    tests = sorted({each.test for each in found})
    out.print(plain("Changed: verdicts that became right (+) and wrong (-). Differences are paired by transcript."))
    out.print(plain(f"p: {'; '.join(tests) or 'none'}; adjusted for all rows (Holm 1979)."), soft_wrap=True)
    if any(not test.startswith("McNemar") for test in tests):
        text = (
            "Where a question or a cluster has several transcripts McNemar's test does not hold: p is that by clusters."
        )
        out.print(plain(text), soft_wrap=True)


def _flip_columns(other: str) -> list[str]:
    return [f"less {other} [95 %]", "changed", "p"]


def _flip_cells(flips: Flips | None) -> list[str]:
    if flips is None:
        return ["", "", ""]
    return [
        ranged(flips.difference, flips.low, flips.high, "+.3f"),
        f"+{flips.wrong_to_right} -{flips.right_to_wrong}",
        "" if flips.p_holm is None else f"{flips.p_holm:.3g}",
    ]


def print_people(rows: Sequence[RejudgedRow]) -> None:
    """Print how people judged beside the judges who decided first; nothing where no person judged.

    Where very many judged an arm only the rows on all of them are printed.
    """
    for run, those in groupby(rows, key=lambda row: row.run):
        out.print(plain(f"\nPeople who judged transcripts of run {run}, beside the judge who decided first."))
        columns = ["arm", "judge", "asked", "n", "accuracy [95 %]", "first judge", "difference [95 %]", "agree"]
        every = list(those)
        crowded = {row.arm for row in every if row.people > _MOST_LISTED}
        listed = [row for row in every if row.people > 1 or row.arm not in crowded]
        apart, counts = _apart(listed)
        print_frame(
            [*columns, *apart],
            [
                [*(cells := _cells(row))[:2], row.asked, *cells[2:7], *more]
                for row, more in zip(listed, counts, strict=True)
            ],
            Format.TABLE,
        )
        methods = sorted({row.interval for row in listed if row.interval})
        out.print(plain(f"Agree: both right, or both not. Intervals: {'; '.join(methods) or 'none'}."))
        if crowded:
            out.print(plain("One by one: oversight sql \"SELECT * FROM rejudged WHERE kind = 'human'\""))


def _apart(rows: Sequence[RejudgedRow]) -> tuple[list[str], list[list[int]]]:
    """What is told apart from right and wrong, where there is any: its columns, and its counts for each row."""
    names = [name for name in ("ties", "abstained") if any(getattr(row, f"n_{name}") for row in rows)]
    return names, [[getattr(row, f"n_{name}") for name in names] for row in rows]


def _cells(row: RejudgedRow) -> list[str]:
    return [
        row.arm,
        row.judge,
        str(row.n),
        ranged(row.accuracy, row.low, row.high),
        "" if row.first_accuracy is None else f"{row.first_accuracy:.3f}",
        ranged(row.difference, row.difference_low, row.difference_high, "+.3f"),
        "" if row.agreement is None else f"{row.agreement:.3f}",
        str(row.n_failed),
        "" if row.people else "unknown" if row.cost_usd is None else f"${row.cost_usd:,.2f}",
    ]
