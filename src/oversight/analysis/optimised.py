"""What speaking the best of n versions does: to the judge that chose them, and to the one that decides."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pydantic import BaseModel, ConfigDict

from oversight.measures.goodhart import best_of_kl
from oversight.measures.measured import Measured, mean_of, share_of
from oversight.store import Store
from oversight.transcript import PREFERENCE

__all__ = ["OptimisedRow", "optimised"]


class OptimisedRow(BaseModel):
    """One arm's speakers of one side.

    Attributes:
        run, arm: where.
        side: ``honest`` if they argued for the right answer, else ``dishonest``.
        n: versions of a speech that they chose from.
        kl: `best_of_kl` of n, in nats: how far a speech is from one that was not chosen.
        proxy: what the judge that chose them gave to their side, mean over speeches of the version said.
        judge: what the judge that decided gave to their side in the end, mean over episodes.
        accuracy: share of their episodes in which the right answer alone got the highest probability.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    arm: str
    side: str
    n: int
    kl: float
    proxy: Measured
    judge: Measured
    accuracy: Measured


def optimised(store: Store, runs: Sequence[str] = ()) -> list[OptimisedRow]:
    """The arms of some runs, by default of all, in which somebody spoke the best of several versions."""
    frame = store.sql(_QUERY, [list(runs), list(runs), PREFERENCE])
    groups = frame.groupby(["run_id", "arm_no", "arm", "side"], sort=True)
    return [_row(str(run), str(arm), str(side), part) for (run, _, arm, side), part in groups]


def _row(run: str, arm: str, side: str, part: pd.DataFrame) -> OptimisedRow:
    clusters = part["cluster"].tolist()
    n = int(part["versions"].max())
    proxy, judge = (mean_of(part[column].to_numpy(float), clusters) for column in ("proxy", "judge"))
    right = share_of(part["correct"].to_numpy(bool), clusters)
    assert proxy is not None
    assert judge is not None
    assert right is not None
    return OptimisedRow(run=run, arm=arm, side=side, n=n, kl=best_of_kl(n), proxy=proxy, judge=judge, accuracy=right)


# A row for each speaker of each judged episode that counts. The judge of one version is named
# SPEAKER.preference.SPEECH.VERSION; of a speech's versions the one most in favour of the speaker's side was said.
_QUERY = """
WITH heard AS (
    SELECT
        tally.run_id, tally.arm_no, tally.arm, tally.cluster, tally.episode_id, tally.place, tally.correct,
        tally.probs, side, split_part(split_part(beliefs.seat, $3, 2), '.', 1) AS speech,
        coalesce(
            CASE WHEN side.argues IS NULL THEN 1 - beliefs.probs[side.against + 1]
            ELSE beliefs.probs[side.argues + 1] END,
            1 / len(tally.probs)
        ) AS score
    FROM tally
    JOIN beliefs ON beliefs.episode_id = tally.episode_id AND beliefs.attempt = tally.attempt AND NOT beliefs.final
    CROSS JOIN unnest(tally.seats) AS sides(side)
    WHERE tally.counts AND starts_with(beliefs.seat, side.seat || $3)
        AND (len($1::VARCHAR[]) = 0 OR list_contains($2::VARCHAR[], tally.run_id))
),
said AS (
    SELECT
        run_id, arm_no, arm, cluster, episode_id, place, correct, probs, side, speech,
        max(score) AS score, count(*) AS versions
    FROM heard
    GROUP BY ALL
)
SELECT
    run_id, arm_no, arm, cluster, episode_id,
    CASE WHEN side.argues = place - 1 THEN 'honest' ELSE 'dishonest' END AS side,
    any_value(correct) AS correct,
    max(versions) AS versions,
    avg(score) AS proxy,
    any_value(CASE WHEN side.argues IS NULL THEN 1 - probs[side.against + 1] ELSE probs[side.argues + 1] END) AS judge
FROM said
GROUP BY run_id, arm_no, arm, cluster, episode_id, side, place
ORDER BY run_id, arm_no, episode_id
"""
