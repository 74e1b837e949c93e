"""One judge asked in several ways about the same speeches: how much the words of its prompt matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from oversight.stats.compare import mcnemar, paired_difference
from oversight.stats.estimate import share_of
from oversight.stats.multiplicity import holm
from oversight.store import Store, as_json

__all__ = ["Flips", "LadderRow", "ladder"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Flips(_Strict):
    """What changed against other judgements of the same transcripts.

    Attributes:
        n: transcripts on which both gave a verdict that counts.
        right_to_wrong, wrong_to_right: transcripts that the other judgement had right and this one has wrong, and the
            other way round.
        difference, low, high, interval: accuracy less the other's on these transcripts, with its 95 % interval;
            questions of a cluster may depend on each other.
        p, test: two-sided. McNemar's exact test (McNemar 1947) where each cluster has one transcript; where a
            question or a cluster has several, these depend on each other, and it is the test by clusters of
            `oversight.stats.compare.paired_difference`. None where that one has nothing to go by.
        p_holm: p adjusted for all tests against the same other judgements in one table (Holm 1979).
    """

    n: int
    right_to_wrong: int
    wrong_to_right: int
    difference: float
    low: float | None
    high: float | None
    interval: str
    p: float | None
    test: str
    p_holm: float | None = None


class LadderRow(_Strict):
    """One prompt on one arm's transcripts.

    Attributes:
        run, arm, judge: what the row is about; ``first_judge`` decided when the transcripts were made.
        prompt, digest: the name of the prompt's file, and a digest of its words; None for the stored words.
        n: verdicts that count: the contest is not void, and the judge gave a belief.
        n_failed, n_abstained: judgements that are not part of ``n``.
        accuracy: share in which the right answer alone got the highest probability.
        low, high, interval: its 95 % interval, and the method.
        to_first_judge: against the verdicts of ``first_judge``; None where no transcript has both.
        to_first_prompt: against the first prompt of the ladder; None for that one itself.
        calls, cost_usd: of these judgements; cost is None if a price is unknown.
    """

    run: str
    arm: str
    judge: str
    first_judge: str | None
    prompt: str | None
    digest: str | None
    n: int
    n_failed: int
    n_abstained: int
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    to_first_judge: Flips | None = None
    to_first_prompt: Flips | None = None
    calls: int
    cost_usd: float | None


def ladder(store: Store, run: str, judge: str, settings: Sequence[dict[str, Any]]) -> list[LadderRow]:
    """Return a row for each arm and prompt, arm by arm.

    Args:
        store: holds the judgements.
        run: the run whose transcripts were judged.
        judge: the model's name.
        settings: under which the judgements are stored, prompt by prompt
            (`oversight.execution.rejudge.RejudgeResult.settings`); the first is what the others are compared with.
    """
    rungs = [as_json(each) for each in settings]
    frame = store.sql(
        """
        SELECT * REPLACE (settings::VARCHAR AS settings) FROM rejudged
        WHERE run_id = ? AND kind = 'model' AND judge = ? AND list_contains(?::VARCHAR[], settings::VARCHAR)
        ORDER BY arm_no, episode_id
        """,
        [run, judge, rungs],
    )
    rows: list[LadderRow] = []
    for _, arm in frame.groupby("arm", sort=False):
        parts = [(held, arm[arm["settings"] == text]) for held, text in zip(settings, rungs, strict=True)]
        first = parts[0][1]
        rows += [
            _row(run, held, part, None if place == 0 else first)
            for place, (held, part) in enumerate(parts)
            if not part.empty
        ]
    return _adjusted(_adjusted(rows, "to_first_judge"), "to_first_prompt")


def _row(run: str, settings: dict[str, Any], part: pd.DataFrame, first: pd.DataFrame | None) -> LadderRow:
    head, prompt = part.iloc[0], settings.get("prompt") or {}
    own = _verdicts(part, "correct")
    held = own[own["counts"]]
    row = LadderRow(
        run=run,
        arm=head["arm"],
        judge=head["judge"],
        first_judge=head["first_judge"] if isinstance(head["first_judge"], str) else None,
        prompt=prompt.get("name"),
        digest=prompt.get("digest"),
        n=len(held),
        n_failed=int((part["status"] == "failed").sum()),
        n_abstained=int((part["abstained"].astype(bool) & (part["status"] != "failed")).sum()),
        to_first_judge=_flips(own, _verdicts(part, "first_correct")),
        to_first_prompt=None if first is None else _flips(own, _verdicts(first, "correct")),
        calls=int(part["calls"].fillna(0).sum()),
        cost_usd=None if part["cost_usd"].isna().any() else float(part["cost_usd"].sum()),
    )
    share = share_of(held["correct"].to_numpy(bool), held["cluster"].tolist())
    if share is None:
        return row
    found = {"accuracy": share.value, "low": share.low, "high": share.high, "interval": share.interval}
    return row.model_copy(update=found)


def _verdicts(part: pd.DataFrame, correct: str) -> pd.DataFrame:
    """Judgements in the columns that `oversight.stats.compare` reads, a transcript in the place of a question."""
    judged = part[correct].notna()
    if correct == "correct":
        judged &= (part["status"] == "judged") & ~part["abstained"].astype(bool)
    return pd.DataFrame(
        {
            "question": part["episode_id"],
            "cluster": part["cluster"],
            "correct": part[correct].fillna(value=False).astype(bool),
            "counts": judged & ~part["void"].astype(bool),
        }
    )


def _flips(own: pd.DataFrame, other: pd.DataFrame) -> Flips | None:
    found = paired_difference(own, other)
    if found is None:
        return None
    number, test = found
    both = own[own["counts"]].merge(other[other["counts"]], on="question", suffixes=("", "_before"))
    if not both["cluster"].duplicated().any():
        test = mcnemar(own, other)
    now, before = both["correct"], both["correct_before"]
    return Flips(
        n=number.n,
        right_to_wrong=int((before & ~now).sum()),
        wrong_to_right=int((now & ~before).sum()),
        difference=number.value,
        low=number.low,
        high=number.high,
        interval=number.interval,
        p=None if np.isnan(test.p) else test.p,
        test=test.test,
    )


def _adjusted(rows: Sequence[LadderRow], name: str) -> list[LadderRow]:
    """The rows with the p of one comparison adjusted for how often the table makes it."""
    found: list[Flips | None] = [getattr(row, name) for row in rows]
    ps = holm([None if each is None else each.p for each in found])
    return [
        row if each is None else row.model_copy(update={name: each.model_copy(update={"p_holm": p})})
        for row, each, p in zip(rows, found, ps, strict=True)
    ]
