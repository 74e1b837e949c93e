"""Printing how the model of an iterated experiment did after each round."""

from __future__ import annotations

from collections.abc import Sequence

from oversight.cli.output import Format, print_frame
from oversight.reports.rounds_report import OVERALL, RoundAccuracy, RoundRow

__all__ = ["print_rounds"]


def print_rounds(rows: Sequence[RoundRow], scores: Sequence[RoundAccuracy]) -> None:
    """Print every round, then the last one by difficulty, for each run."""
    for run in dict.fromkeys(row.run for row in rows):
        own = [row for row in rows if row.run == run]
        columns = [name for name in RoundRow._fields[1:] if any(getattr(row, name) is not None for row in own)]
        table = [[_cell(getattr(row, name)) for name in columns] for row in own]
        print_frame(columns, table, Format.TABLE, f"{run}: X_k on held-out questions, before (0) and after each round")
        last = own[-1].round
        parts = [each for each in scores if (each.run, each.round) == (run, last) and each.part != OVERALL]
        if parts:
            cells = [[each.who, each.part, _cell(each.accuracy), _interval(each), each.n] for each in parts]
            title = f"{run}: round {last} by difficulty"
            print_frame(["who", "difficulty", "accuracy", "95 % interval", "n"], cells, Format.TABLE, title)


def _cell(value: float | int | None) -> object:
    return f"{value:.3f}" if isinstance(value, float) else value


def _interval(score: RoundAccuracy) -> str:
    return "" if score.low is None or score.high is None else f"[{score.low:.3f}, {score.high:.3f}]"
