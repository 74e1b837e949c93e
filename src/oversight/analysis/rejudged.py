"""How another judge does on the transcripts of a run, beside the judge who heard them first."""

from __future__ import annotations

import pandas as pd
from pydantic import BaseModel, ConfigDict

from oversight.measures.intervals import mean_difference, proportion
from oversight.store import Store

__all__ = ["RejudgedRow", "rejudged"]


class RejudgedRow(BaseModel):
    """One judge on one arm's transcripts.

    Attributes:
        run, arm, judge: what the row is about; ``first_judge`` decided when the transcripts were made.
        n: transcripts with a verdict of both that count (not void, nobody abstained).
        n_failed, n_abstained: judgements of this judge that are not part of ``n``.
        accuracy: share in which the right answer alone got the highest probability.
        low, high, interval: its 95 % interval, and the method.
        first_accuracy: the first judge's, on the same transcripts.
        difference, difference_low, difference_high, difference_interval: accuracy minus the first judge's,
            paired by transcript, clusters of questions resampled.
        agreement: share of transcripts on which both are right or both are not.
        calls, cost_usd: of this judge; cost is None if a price is unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    arm: str
    judge: str
    first_judge: str | None
    n: int
    n_failed: int
    n_abstained: int
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    first_accuracy: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    difference_interval: str | None = None
    agreement: float | None = None
    calls: int
    cost_usd: float | None


def rejudged(store: Store, run: str) -> list[RejudgedRow]:
    """Every judge, human or model, that judged a run's transcripts afterwards, arm by arm."""
    frame = store.sql(
        """
        SELECT * FROM rejudged WHERE run_id = ? ORDER BY arm_no, judge, settings::VARCHAR, episode_id
        """,
        [run],
    )
    groups = frame.groupby(["arm", "judge", "settings"], sort=False, dropna=False)
    return [_row(run, part) for _, part in groups]


def _row(run: str, part: pd.DataFrame) -> RejudgedRow:
    void, abstained = part["void"].astype(bool), part["abstained"].astype(bool)
    failed = part["status"] == "failed"
    both = part[~void & ~abstained & ~failed & part["first_correct"].notna()]
    first = part.iloc[0]
    row = RejudgedRow(
        run=run,
        arm=first["arm"],
        judge=first["judge"],
        first_judge=first["first_judge"],
        n=len(both),
        n_failed=int(failed.sum()),
        n_abstained=int((abstained & ~failed).sum()),
        calls=int(part["calls"].fillna(0).sum()),
        cost_usd=None if part["cost_usd"].isna().any() else float(part["cost_usd"].sum()),
    )
    if both.empty:
        return row
    clusters = both["cluster"].tolist()
    correct, before = both["correct"].astype(float), both["first_correct"].astype(float)
    share = proportion(both["correct"].to_numpy(bool), clusters)
    found = mean_difference((correct - before).tolist(), clusters)
    return row.model_copy(
        update={
            "accuracy": float(correct.mean()),
            "low": share.low,
            "high": share.high,
            "interval": share.method,
            "first_accuracy": float(before.mean()),
            "difference": float((correct - before).mean()),
            "difference_low": found.low,
            "difference_high": found.high,
            "difference_interval": found.method,
            "agreement": float((correct == before).mean()),
        }
    )
