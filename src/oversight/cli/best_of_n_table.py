"""Printing what speaking the best of n versions does."""

from __future__ import annotations

from collections.abc import Sequence

from oversight.cli.output import Format, out, plain, print_frame
from oversight.reports.best_of_n_report import OptimisedRow

__all__ = ["print_optimised"]

_COLUMNS = ("arm", "side", "n", "KL, nats", "the judge that chose", "the judge that decided", "accuracy")


def print_optimised(rows: Sequence[OptimisedRow]) -> None:
    """Print a row for each arm and side in which speeches were the best of several versions."""
    if not rows:
        return
    cells = [
        [row.arm, row.side, row.n, f"{row.kl:.2f}", row.proxy.text(), row.judge.text(), row.accuracy.text()]
        for row in rows
    ]
    print_frame(_COLUMNS, cells, Format.TABLE, "The best of n versions: what two judges give to the speaker's side")
    names = dict.fromkeys(measured.interval for row in rows for measured in (row.proxy, row.judge, row.accuracy))
    out.print(plain(f"Intervals: {'; '.join(names)}."))
