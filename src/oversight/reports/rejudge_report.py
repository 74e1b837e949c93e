"""How another judge does on the transcripts of a run, beside the judge who decided first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from oversight.stats.estimate import difference_of, share_of
from oversight.store import Store

__all__ = ["RejudgedRow", "rejudged", "rejudged_by_people"]


class RejudgedRow(BaseModel):
    """One judge on one arm's transcripts.

    Attributes:
        run, arm, kind, judge: what the row is about; ``first_judge`` decided when the transcripts were made, None
            for imported transcripts whose judge is not known.
        mode: how a person judged here; None for models and for published judgements.
        asked: how they were asked, in a few words: the mode, a published judgement's settings, or the name of the
            prompt that a model was given instead of the stored words.
        people: how many people the row is about, 0 for models; where it is several, ``n`` counts their verdicts.
        n: transcripts with a verdict of both that count (not void, neither abstained).
        n_failed, n_abstained: judgements of this judge that are not part of ``n``.
        n_ties: those, part of ``n``, in which the right answer shared the highest probability; they are not right.
        accuracy: share in which the right answer alone got the highest probability.
        low, high, interval: its 95 % interval, and the method; both ends are None, and the method says why, where one
            cluster of transcripts says nothing of others.
        first_accuracy: the first judge's, on the same transcripts.
        difference, difference_low, difference_high, difference_interval: accuracy minus the first judge's,
            paired by transcript; questions of a cluster may depend on each other.
        agreement: share of transcripts on which both are right or both are not.
        calls, cost_usd: of this judge; cost is None if a price is unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    arm: str
    kind: Literal["model", "human"] = "model"
    judge: str
    first_judge: str | None
    mode: str | None = None
    asked: str = ""
    people: int = 0
    n: int
    n_failed: int
    n_abstained: int
    n_ties: int
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
    """Every judge, human or model, that judged a run's transcripts afterwards, arm by arm.

    Where several people judged an arm in the same way, a row on all of them follows theirs.
    """
    frame = store.sql(
        """
        SELECT * FROM rejudged WHERE run_id = ? ORDER BY arm_no, kind DESC, judge, settings::VARCHAR, episode_id
        """,
        [run],
    )
    rows = []
    for _, arm in frame.groupby("arm", sort=False):
        rows += [_row(run, part) for _, part in arm.groupby(["kind", "judge", "settings"], sort=False, dropna=False)]
        people = arm[arm["kind"] == "human"]
        rows += [_row(run, part) for _, part in people.groupby("settings", sort=False) if part["judge"].nunique() > 1]
    return rows


def rejudged_by_people(store: Store, runs: Sequence[str] = ()) -> list[RejudgedRow]:
    """What people judged of some runs, by default of all."""
    query = """
        SELECT run_id FROM rejudged
        WHERE kind = 'human' AND (len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], run_id))
        GROUP BY run_id ORDER BY run_id
    """
    found = [row["run_id"] for row in store.arrow(query, [list(runs), list(runs)]).to_pylist()]
    return [row for run in found for row in rejudged(store, run) if row.kind == "human"]


def _row(run: str, part: pd.DataFrame) -> RejudgedRow:
    void, abstained = part["void"].astype(bool), part["abstained"].astype(bool)
    failed = part["status"] == "failed"
    both = part[~void & ~abstained & ~failed & part["first_correct"].notna()]
    first = part.iloc[0]
    human = bool(first["kind"] == "human")
    people = int(part["judge"].nunique()) if human else 0
    mode = first["mode"] if isinstance(first["mode"], str) else None
    row = RejudgedRow(
        run=run,
        arm=first["arm"],
        kind=first["kind"],
        judge=f"{people} people" if people > 1 else first["judge"],
        first_judge=first["first_judge"] if isinstance(first["first_judge"], str) else None,
        mode=mode,
        asked=mode or (_in_words(first["settings"]) if human else _prompt_name(first["settings"])),
        people=people,
        n=len(both),
        n_failed=int(failed.sum()),
        n_abstained=int((abstained & ~failed).sum()),
        n_ties=int(((both["p_gold"] == both["confidence"]) & ~both["correct"].astype(bool)).sum()),
        calls=int(part["calls"].fillna(0).sum()),
        cost_usd=None if human or part["cost_usd"].isna().any() else float(part["cost_usd"].sum()),
    )
    if both.empty:
        return row
    clusters = both["cluster"].tolist()
    correct, before = both["correct"].astype(float), both["first_correct"].astype(float)
    share = share_of(both["correct"].to_numpy(bool), clusters)
    found = difference_of((correct - before).tolist(), clusters)
    assert share is not None, "there is a transcript"
    assert found is not None, "there is a transcript"
    return row.model_copy(
        update={
            "accuracy": share.value,
            "low": share.low,
            "high": share.high,
            "interval": share.interval,
            "first_accuracy": float(before.mean()),
            "difference": found.value,
            "difference_low": found.low,
            "difference_high": found.high,
            "difference_interval": found.interval,
            "agreement": float((correct == before).mean()),
        }
    )


def _prompt_name(settings: object) -> str:
    return str((json.loads(str(settings)).get("prompt") or {}).get("name", "")) if settings else ""


def _in_words(settings: object) -> str:
    """Settings as they are stored, in a few words."""
    held = json.loads(str(settings)) if settings else {}
    return ", ".join(f"{name} {value}" for name, value in held.items())
