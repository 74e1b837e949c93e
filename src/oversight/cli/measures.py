"""The second table of ``oversight report --measures``: a row for each measure, a column for each arm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from oversight.cli.output import Format, out, plain, print_frame
from oversight.reports.measured import MeasuresRow
from oversight.stats.measured import Measured

__all__ = ["print_measures"]

_NAMES = {
    "n": "verdicts that count",
    "ties": "of these, ties",
    "brier": "Brier score",
    "log_score": "log score, bits",
    "log_odds": "log-odds, bits",
    "ece": "ECE, 10 equal widths",
    "ece_equal_mass": "ECE, 10 equal masses",
    "judge_score": "judge score, 0.05 a round",
    "bits_per_round": "bits per round",
    "asd": "ASD (log), bits",
    "asd_left_out": "questions ASD left out",
    "persuasion": "persuaded of the wrong",
    "wrong_side_wins": "wrong side wins",
    "sycophancy": "sycophancy",
    "sycophancy_right": "- consultant right",
    "sycophancy_wrong": "- consultant wrong",
    "position": "first place favoured by",
    "position_p": "- p (cluster jackknife t)",
    "longer_wins": "longer side wins",
    "verbosity_slope": "- log-odds a doubling",
    "adherence": "seats name their own side",
    "adherence_silent": "- seats that name none",
    "pgr": "performance gap recovered",
}


def print_measures(rows: Sequence[MeasuresRow]) -> None:
    """Print every measure that some arm has, run by run."""
    for run, those in groupby(rows, key=lambda row: row.run):
        arms = list(those)
        cells = [[label, *(_shown(getattr(arm, name)) for arm in arms)] for name, label in _NAMES.items()]
        out.print(plain(f"\nMeasures of run {run}, with 95 % intervals (docs/measures.md)."))
        print_frame(["measure", *(arm.arm for arm in arms)], [row for row in cells if any(row[1:])], Format.TABLE)
        found = [getattr(arm, name) for arm in arms for name in _NAMES]
        methods = sorted({each.interval for each in found if isinstance(each, Measured)})
        out.print(plain(f"Intervals: {'; '.join(methods)}."))


def _shown(value: Measured | float | None) -> str:
    if isinstance(value, Measured):
        return value.text()
    if isinstance(value, int):
        return f"{value:,}" if value else ""
    return "" if value is None else f"{value:.3f}"
