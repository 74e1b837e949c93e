"""How much more often a judge is right than its baseline's: paired within all that the arms share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from oversight.experiment.file import ReportSettings
from oversight.reports.references import MatchedVerdicts
from oversight.reports.report_row import ReportRow
from oversight.stats.compare import Test, difference_test
from oversight.stats.crossed import crossed_difference, crossed_test
from oversight.stats.equivalence import Equivalence, crossed_equivalence, equivalence
from oversight.stats.intervals import Floats, Interval, mean_difference
from oversight.stats.multiplicity import holm
from oversight.stats.verdict_columns import accuracy_by_question

__all__ = ["SEVERAL", "adjusted", "difference", "levels"]

_OTHER_JUDGE = "baseline judge"

SEVERAL = 2
"""With more differences than these in one table, their p are adjusted."""


def difference(matched: MatchedVerdicts, asked: ReportSettings) -> dict[str, Any]:
    """Return the fields of a report row on the difference to its baseline; nothing for the baseline itself."""
    if matched.baseline.empty:
        return {"no_difference": matched.missing}
    both = accuracy_by_question(matched.own, matched.baseline)
    if both.empty:
        return {"no_difference": "no question has verdicts of both that count"}
    values = (both[0] - both[1]).to_numpy(np.float64)
    fields = {"baseline": ", ".join(matched.names), "difference_n": len(both)}
    if asked.crossed:
        return fields | _crossed_fields(*_crossed(matched, asked.crossed), asked.margin)
    clusters = both.index.get_level_values("cluster").tolist()
    same = None if asked.margin is None else equivalence(values, clusters, asked.margin)
    found, test = mean_difference(values, clusters), difference_test(values, clusters)
    return fields | _fields(float(values.mean()), found, test, same)


def _crossed_fields(values: Floats, factors: dict[str, list[object]], margin: float | None) -> dict[str, Any]:
    value = float(values.mean())
    try:
        found, test = crossed_difference(values, factors), crossed_test(values, factors)
        same = None if margin is None else crossed_equivalence(values, factors, margin)
    except ValueError as error:  # one level of a factor says nothing of others
        return _fields(value, None, None, None) | {"notes": (f"no interval of the difference: {error}",)}
    return _fields(value, found, test, same)


def _fields(value: float, found: Interval | None, test: Test | None, same: Equivalence | None) -> dict[str, Any]:
    return {
        "difference": value,
        "difference_low": found and found.low,
        "difference_high": found and found.high,
        "difference_interval": found and found.method,
        "difference_p": None if test is None or np.isnan(test.p) else test.p,
        "margin": same and same.margin,
        "equivalence_p": same and same.p,
        "noninferiority_p": same and same.p_noninferior,
    }


def adjusted(rows: Sequence[ReportRow]) -> list[ReportRow]:
    """Return the rows of one table with how many differences it holds and, if they are several, adjusted p."""
    count = sum(row.difference is not None for row in rows)
    ps = holm([row.difference_p for row in rows]) if count > SEVERAL else [None] * len(rows)
    return [
        row if row.difference is None else row.model_copy(update={"differences": count, "difference_p_holm": p})
        for row, p in zip(rows, ps, strict=True)
    ]


def _crossed(matched: MatchedVerdicts, over: Sequence[str]) -> tuple[Floats, dict[str, list[object]]]:
    """A difference for each question, context and level of the factors, and which levels these are.

    Where other judges decided alone, they are a factor of their own; where it is the same judge it adds nothing.
    """
    pair = ["context", "question", "cluster"]
    factors = [name for name in over if name != "question"]
    others = ["judge"] if "judge" in over else []
    means = [
        side.assign(correct=side["correct"].astype(float))
        .groupby([*pair, *names], dropna=False)["correct"]
        .mean()
        .reset_index()
        for side, names in ((matched.own, factors), (matched.baseline, others))
    ]
    both = means[0].merge(means[1].rename(columns={"judge": _OTHER_JUDGE}), on=pair, suffixes=("", "_alone"))
    found = levels(both, [*over, *([_OTHER_JUDGE] if others else [])])
    return (both["correct"] - both["correct_alone"]).to_numpy(np.float64), found


def levels(frame: pd.DataFrame, over: Sequence[str]) -> dict[str, list[object]]:
    """Return the level of each factor in each row; questions go by what they share, their cluster."""
    return {name: frame["cluster" if name == "question" else name].tolist() for name in over}
