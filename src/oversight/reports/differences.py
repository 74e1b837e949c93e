"""How much more often a judge is right than its baseline's: paired within all that the arms share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from oversight.experiment.file import ReportSettings
from oversight.reports.references import Matched
from oversight.reports.report_row import ReportRow
from oversight.stats.compare import Test, difference_test
from oversight.stats.crossed import crossed_difference, crossed_test
from oversight.stats.equivalence import equivalence
from oversight.stats.intervals import Interval, mean_difference
from oversight.stats.multiplicity import holm
from oversight.stats.table import accuracy_by_question

__all__ = ["SEVERAL", "adjusted", "difference", "levels"]

SEVERAL = 2
"""With more differences than these in one table, their p are adjusted."""


def difference(matched: Matched, asked: ReportSettings) -> dict[str, Any]:
    """Return the fields of a report row on the difference to its baseline; nothing for the baseline itself."""
    if matched.baseline.empty:
        return {"no_difference": matched.missing}
    both = accuracy_by_question(matched.own, matched.baseline)
    if both.empty:
        return {"no_difference": "no question has verdicts of both that count"}
    values = (both[0] - both[1]).to_numpy(np.float64)
    clusters = both.index.get_level_values("cluster").tolist()
    found: Interval | None
    test: Test | None
    if asked.over:
        try:
            held = _crossed(matched, asked.over)
            found, test = crossed_difference(*held), crossed_test(*held)
        except ValueError:  # one level of a factor; the row's own interval says which
            found, test = None, None
    else:
        found, test = mean_difference(values, clusters), difference_test(values, clusters)
    fields: dict[str, Any] = {
        "baseline": ", ".join(matched.names),
        "difference": float(values.mean()),
        "difference_low": found and found.low,
        "difference_high": found and found.high,
        "difference_interval": found and found.method,
        "difference_n": len(both),
        "difference_p": None if test is None or np.isnan(test.p) else test.p,
    }
    if asked.margin is not None and (same := equivalence(values, clusters, asked.margin)) is not None:
        fields |= {"margin": asked.margin, "equivalence_p": same.p, "noninferiority_p": same.p_noninferior}
    return fields


def adjusted(rows: Sequence[ReportRow]) -> list[ReportRow]:
    """Return the rows of one table with how many differences it holds and, if they are several, adjusted p."""
    count = sum(row.difference is not None for row in rows)
    ps = holm([row.difference_p for row in rows]) if count > SEVERAL else [None] * len(rows)
    return [
        row if row.difference is None else row.model_copy(update={"differences": count, "difference_p_holm": p})
        for row, p in zip(rows, ps, strict=True)
    ]


def _crossed(matched: Matched, over: Sequence[str]) -> tuple[np.ndarray[Any, Any], dict[str, list[object]]]:
    """A difference for each question, context and level of the factors, and which levels these are."""
    pair = ["context", "question", "cluster"]
    factors = [name for name in over if name != "question"]
    own = matched.own.assign(correct=matched.own["correct"].astype(float))
    other = matched.baseline.assign(correct=matched.baseline["correct"].astype(float))
    held = own.groupby([*pair, *factors], dropna=False)["correct"].mean().reset_index()
    alone = other.groupby(pair)["correct"].mean().rename("alone").reset_index()
    both = held.merge(alone, on=pair)
    return (both["correct"] - both["alone"]).to_numpy(np.float64), levels(both, over)


def levels(frame: pd.DataFrame, over: Sequence[str]) -> dict[str, list[object]]:
    """Return the level of each factor in each row; questions go by what they share, their cluster."""
    return {name: frame["cluster" if name == "question" else name].tolist() for name in over}
