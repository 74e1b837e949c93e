"""The tables of ``oversight report`` on overseers that check solutions; none where there are no such overseers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from oversight.cli.output import Format, out, plain, print_frame
from oversight.reports.process_report import ProcessRow
from oversight.stats.estimate import Estimate

__all__ = ["print_process"]


def print_process(rows: Sequence[ProcessRow]) -> None:
    """Print how overseers labelled steps, and what choosing by their scores comes to, as far as that applies."""
    runs = [(run, list(those)) for run, those in groupby(rows, key=lambda row: row.run)]
    for run, those in runs:
        of = f" of run {run}" if len(runs) > 1 else ""
        _first_errors([row for row in those if row.on_erroneous or row.on_correct], of)
        _labels([row for row in those if row.step_accuracy], of)
        _choice([row for row in those if row.final_error], of)
        _best_of([row for row in those if row.best_of], of)


def _first_errors(rows: Sequence[ProcessRow], of: str) -> None:
    cells = [
        [
            _who(row),
            f"{_n(row.on_erroneous)} + {_n(row.on_correct)}",
            row.on_erroneous,
            row.on_correct,
            row.first_error_f1,
            row.first_error_unparsable,
        ]
        for row in rows
    ]
    columns = ["arm", "n", "erroneous [95 %]", "correct [95 %]", "F1 [95 %]", "unparsable"]
    note = "n: erroneous + correct solutions; unparsable ones count as wrong."
    _print(f"First wrong steps found, as in ProcessBench{of}.", columns, cells, note)


def _labels(rows: Sequence[ProcessRow], of: str) -> None:
    cells = [
        [_who(row), _n(row.step_accuracy), row.step_accuracy, row.step_f1, row.step_negative_f1, row.step_unparsable]
        for row in rows
    ]
    columns = ["arm", "steps", "labelled right [95 %]", "F1 right [95 %]", "F1 wrong [95 %]", "unparsable"]
    note = "Steps that were put to the overseer, up to the first wrong one; unparsable ones count as wrong."
    _print(f"Step labels{of}.", columns, cells, note)


def _choice(rows: Sequence[ProcessRow], of: str) -> None:
    cells = [
        [
            row.arm,
            f"{_n(row.final_error)} / {_n(row.trace_error)}",
            row.final_error,
            row.trace_error,
            f"{row.accepted_right} of {row.accepted}",
            "" if row.cost_per_correct_accept is None else f"${row.cost_per_correct_accept:,.4f}",
        ]
        for row in rows
    ]
    columns = ["arm", "n", "final error [95 %]", "trace error [95 %]", "accepts right", "cost per right one"]
    threshold = next((row.threshold for row in rows), 0.0)
    note = f"n: questions / those with a right final answer and a known trace. Accepted: scores from {threshold:g} on."
    lost = sum(row.nothing_chosen for row in rows)
    note += f" Episodes in which nothing could be chosen, which is an error: {lost}." if lost else ""
    _print(f"The best-scored solutions{of}.", columns, cells, note)


def _best_of(rows: Sequence[ProcessRow], of: str) -> None:
    cells = [
        [row.arm, each.n, _n(each.by_majority), each.by_score, each.by_majority] for row in rows for each in row.best_of
    ]
    columns = ["arm", "best of", "questions", "right by score [95 %]", "right by majority [95 %]"]
    _print(f"The best of n candidates{of}.", columns, cells, "Expectations over all subsets of the candidates.")


def _print(title: str, columns: list[str], cells: Sequence[Sequence[object]], note: str) -> None:
    if not cells:
        return
    methods = sorted({cell.interval for row in cells for cell in row if isinstance(cell, Estimate)})
    out.print(plain(f"\n{title}"))
    print_frame(columns, [[_shown(cell) for cell in row] for row in cells], Format.TABLE)
    out.print(plain(f"{note} Intervals: {'; '.join(methods)}."))


def _shown(cell: object) -> object:
    return cell.text() if isinstance(cell, Estimate) else cell


def _who(row: ProcessRow) -> str:
    return f"{row.arm}, labels of {row.labeller}" if row.labeller else row.arm


def _n(share: Estimate | None) -> int:
    return share.n if share else 0
