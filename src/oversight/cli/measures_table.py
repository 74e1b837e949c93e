"""The second table of ``oversight report --measures``: a row for each measure, a column for each row of the first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from oversight.cli.output import Format, out, plain, print_frame
from oversight.experiment.file import FACTORS
from oversight.reports.report_measures import MeasuresRow
from oversight.stats.crossed import generalises_to
from oversight.stats.estimate import Estimate

__all__ = ["generality", "print_measures"]

_NAMES = {
    "n": "verdicts that count",
    "ties": "of these, ties",
    "brier": "Brier score",
    "reliability": "- reliability, 0 best",
    "resolution": "- resolution",
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
    "position_p": "- p",
    "longer_wins": "longer side wins",
    "verbosity_slope": "- log-odds a doubling",
    "adherence": "seats name their own side",
    "adherence_silent": "- seats that name none",
    "pgr": "performance gap recovered",
    "balanced_accuracy": "balanced accuracy, by place",
    "repeats_agree": "repeats agree",
    "repeats_alpha": "- Krippendorff's alpha",
    "matched_cost": "less a mixture at its cost",
    "cost_unit": "- cost in",
}


_MOST_COLUMNS = 8
"""With more rows of the report than these, each stays a row."""
_MEASURES_AT_ONCE = 5


def print_measures(rows: Sequence[MeasuresRow]) -> None:
    """Print every measure that some row has, run by run; with many rows, a row for each instead of a column."""
    for run, those in groupby(rows, key=lambda row: row.run):
        groups = list(those)
        names = ["/".join(row.group.values()) for row in groups]
        cells = [[label, *(_shown(getattr(row, name)) for row in groups)] for name, label in _NAMES.items()]
        cells = [row for row in cells if any(row[1:])]
        out.print(plain(f"\nMeasures of run {run}, with 95 % intervals (docs/measures.md)."))
        if len(groups) <= _MOST_COLUMNS:
            print_frame(["measure", *names], cells, Format.TABLE)
        else:
            for start in range(0, len(cells), _MEASURES_AT_ONCE):
                some = cells[start : start + _MEASURES_AT_ONCE]
                turned = [[name, *(row[at + 1] for row in some)] for at, name in enumerate(names)]
                print_frame(["/".join(groups[0].group), *(row[0] for row in some)], turned, Format.TABLE)
        found = [getattr(row, name) for row in groups for name in _NAMES]
        methods = sorted({each.interval for each in found if isinstance(each, Estimate)})
        out.print(plain(f"Intervals: {'; '.join(methods)}."))
        out.print(plain(generality()))


def _shown(value: Estimate | float | str | None) -> str:
    if isinstance(value, Estimate):
        return value.text()
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}" if value else ""
    return "" if value is None else f"{value:.3f}"


_FACTORS = {"strong": "model"}
"""What a factor is called, where not by its column."""


def generality(over: Sequence[str] = ()) -> str:
    """Say what the intervals of a table generalise to; ``over`` are the factors that are crossed random effects."""
    fixed = [name for name in FACTORS if name not in (over or ("question",))]
    told = generalises_to(*([_FACTORS.get(name, name) for name in names] for names in (over or ("question",), fixed)))
    return f"They generalise {told}{', as crossed random effects' if over else ''}."
