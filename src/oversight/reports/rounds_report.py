"""How the model of an iterated experiment did after each round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from oversight.stats.intervals import proportion
from oversight.store import Store

__all__ = ["OVERALL", "RoundAccuracy", "RoundRow", "accuracies", "rounds"]

OVERALL = "overall"


class RoundAccuracy(NamedTuple):
    """One model on the held-out questions of one difficulty.

    Attributes:
        run, round: where; round 0 is before any distillation.
        who: ``alone`` (X_k by itself), ``amplified`` (what amplification makes of X_k) or ``ceiling`` (a model that
            was trained on true answers).
        part: a level of difficulty, or ``overall``.
        correct, n: how many it got right, of how many. With real models questions may share a cluster, and
            `oversight.reports.report` has the interval for that; here each question counts by itself.
        accuracy: ``correct`` / ``n``; None if nothing counts.
        low, high: its 95 % interval (Wilson).
    """

    run: str
    round: int
    who: str
    part: str
    correct: int
    n: int
    accuracy: float | None
    low: float | None
    high: float | None


class RoundRow(NamedTuple):
    """One round on all held-out questions.

    Attributes:
        run, round: see `RoundAccuracy`.
        n: held-out questions that X_k was asked.
        alone, amplified, ceiling: accuracies. The ceiling is the one evaluated in this round, else the latest before.
        pgr: performance gap recovered (Burns et al. 2023), (alone - X_0 alone) / (ceiling - X_0 alone); None
            where the ceiling is not above X_0.
        difficulty, agreement: how hard the questions are that X_k was trained on, and how often X_k-1 agreed with the
            amplified answers of that difficulty, where a method says so.
        rows: rows that X_k was trained on.
    """

    run: str
    round: int
    n: int
    alone: float | None
    amplified: float | None
    ceiling: float | None
    pgr: float | None
    difficulty: int | None
    agreement: float | None
    rows: int | None


def accuracies(store: Store, runs: Sequence[str] = ()) -> list[RoundAccuracy]:
    """Every score of some iterated runs, by default of all."""
    found = []
    for row in store.arrow(_SCORES, [list(runs), list(runs)]).to_pylist():
        n, correct = row["n"], row["correct"]
        interval = proportion([True] * correct + [False] * (n - correct), list(range(n))) if n else None
        share = correct / n if n else None
        low, high = (interval.low, interval.high) if interval else (None, None)
        found.append(RoundAccuracy(row["run_id"], row["round"], row["who"], row["part"], correct, n, share, low, high))
    return found


def rounds(store: Store, runs: Sequence[str] = ()) -> list[RoundRow]:
    """The rounds of some iterated runs, by default of all, in order."""
    whole = [each for each in accuracies(store, runs) if each.part == OVERALL]
    scored = {(each.run, each.round, each.who): each for each in whole}
    facts = {(row["run_id"], row["round"]): row for row in store.arrow(_FACTS, [list(runs), list(runs)]).to_pylist()}
    ceilings: dict[str, float | None] = {}
    rows = []
    for run, round in dict.fromkeys((each.run, each.round) for each in whole):
        of = {who: scored[run, round, who] for who in ("alone", "amplified", "ceiling") if (run, round, who) in scored}
        if "ceiling" in of:
            ceilings[run] = of["ceiling"].accuracy
        share = {who: of[who].accuracy if who in of else None for who in ("alone", "amplified")}
        first = scored.get((run, 0, "alone"))
        known: dict[str, Any] = facts.get((run, round), {})
        rows.append(
            RoundRow(
                run,
                round,
                of["alone"].n if "alone" in of else 0,
                share["alone"],
                share["amplified"],
                ceilings.get(run),
                _recovered(share["alone"], first.accuracy if first else None, ceilings.get(run)),
                known.get("difficulty"),
                known.get("agreement"),
                known.get("rows"),
            )
        )
    return rows


def _recovered(value: float | None, weak: float | None, ceiling: float | None) -> float | None:
    if value is None or weak is None or ceiling is None or ceiling <= weak:
        return None
    return (value - weak) / (ceiling - weak)


_SCORES = """
SELECT run_id, round, who, part, correct, n FROM round_scores
WHERE len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], run_id)
ORDER BY run_id, round, who, part <> 'overall', part
"""

_FACTS = """
SELECT
    run_id, round,
    any_value((data ->> 'difficulty')::INTEGER) FILTER (phase = 'amplified') AS difficulty,
    any_value(try_cast(data ->> 'agreement' AS DOUBLE)) FILTER (phase = 'amplified') AS agreement,
    any_value((data ->> 'rows')::INTEGER) FILTER (phase = 'distilled') AS rows
FROM rounds
WHERE len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], run_id)
GROUP BY run_id, round
"""
