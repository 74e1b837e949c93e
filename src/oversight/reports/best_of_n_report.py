"""What speaking the best of n versions does: to the judge that chose them, and to the one that decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict

from oversight.core.message import PREFERENCE
from oversight.stats.estimate import Estimate, mean_share, share_of
from oversight.stats.goodhart import GaoFit, best_of_kl, fit_gains
from oversight.store import Store

__all__ = ["OptimisedRow", "Sweep", "SweepPoint", "optimised", "sweeps"]


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
    proxy: Estimate
    judge: Estimate
    accuracy: Estimate


class SweepPoint(NamedTuple):
    """The speakers of one side at one n; the fields are those of `OptimisedRow`, and ``proxy`` is None at n = 1."""

    n: int
    kl: float
    proxy: Estimate | None
    judge: Estimate
    accuracy: Estimate


class Sweep(NamedTuple):
    """Arms that differ in n, and in nothing else that the store's columns tell.

    Attributes:
        run, protocol, side: whose speakers; ``side`` as in `OptimisedRow`.
        options: the protocol's, as JSON.
        points: by n.
        fit: Gao's form for what the deciding judge gives to their side, over the questions judged at every n. Its d
            is the root of the KL of one speech. None without n = 1 and two others.
    """

    run: str
    protocol: str
    options: str
    side: str
    points: tuple[SweepPoint, ...]
    fit: GaoFit | None


def optimised(store: Store, runs: Sequence[str] = ()) -> list[OptimisedRow]:
    """The arms of some runs, by default of all, in which a seat spoke the best of several versions."""
    frame = _spoken(store, runs)
    frame = frame[frame["proxy"].notna()]
    groups = frame.groupby(["run_id", "arm_no", "arm", "side"], sort=True)
    return [_row(str(run), str(arm), str(side), part) for (run, _, arm, side), part in groups]


def sweeps(store: Store, runs: Sequence[str] = ()) -> list[Sweep]:
    """The best of n against n, for what some runs, by default all, played out with several n.

    Arms belong together that share run, task, protocol, options, judge and speaker. Where two of these have one n,
    they differ in something else as well, and all of them are left out.
    """
    frame = _spoken(store, runs)
    found = []
    for (run, _, protocol, options, *_, side), part in frame.groupby(_SAME, sort=True, dropna=False):
        arms = {arm: int(each["versions"].max()) for arm, each in part.groupby("arm_no")}
        if len(arms) > 1 and len(set(arms.values())) == len(arms):
            swept = part.assign(n=part["arm_no"].map(arms))
            points = tuple(_point(n, swept[swept["n"] == n]) for n in sorted(arms.values()))
            found.append(Sweep(str(run), str(protocol), str(options), str(side), points, _fit(swept)))
    return found


_SAME = ["run_id", "task", "protocol", "options", "judge_model", "strong_model", "side"]


def _spoken(store: Store, runs: Sequence[str]) -> pd.DataFrame:
    return store.sql(_QUERY, [list(runs), list(runs), PREFERENCE])


def _point(n: int, part: pd.DataFrame) -> SweepPoint:
    clusters = part["cluster"].tolist()
    proxy = None if part["proxy"].isna().any() else mean_share(part["proxy"].to_numpy(float), clusters)
    judge = mean_share(part["judge"].to_numpy(float), clusters)
    right = share_of(part["correct"].to_numpy(bool), clusters)
    assert judge is not None
    assert right is not None
    return SweepPoint(n, best_of_kl(n), proxy, judge, right)


def _fit(swept: pd.DataFrame) -> GaoFit | None:
    given = swept.pivot_table(index=["question_key", "cluster"], columns="n", values="judge").dropna()
    sizes = [int(n) for n in given.columns]
    if 1 not in sizes or len(sizes) < 3 or given.empty:  # noqa: PLR2004 - two unknowns
        return None
    gained = given.to_numpy(float) - given[[1]].to_numpy(float)
    return fit_gains(gained, sizes, given.index.get_level_values("cluster").tolist())


def _row(run: str, arm: str, side: str, part: pd.DataFrame) -> OptimisedRow:
    clusters = part["cluster"].tolist()
    n = int(part["versions"].max())
    proxy, judge = (mean_share(part[column].to_numpy(float), clusters) for column in ("proxy", "judge"))
    right = share_of(part["correct"].to_numpy(bool), clusters)
    assert proxy is not None
    assert judge is not None
    assert right is not None
    return OptimisedRow(run=run, arm=arm, side=side, n=n, kl=best_of_kl(n), proxy=proxy, judge=judge, accuracy=right)


# A row for each speaker of each judged episode that counts. The judge of one version is named
# SPEAKER.preference.SPEECH.VERSION; of a speech's versions the one most in favour of the speaker's side was said.
# A speaker without a choice of versions has one of each, and no proxy.
_QUERY = """
WITH sided AS (
    SELECT
        tally.run_id, tally.arm_no, tally.arm, tally.task, tally.protocol, tally.options::VARCHAR AS options,
        tally.judge AS judge_model, tally.strong AS strong_model, tally.question_key, tally.cluster,
        tally.episode_id, tally.attempt, tally.place, tally.correct, tally.probs, side
    FROM tally CROSS JOIN unnest(tally.seats) AS sides(side)
    WHERE tally.counts AND (len($1::VARCHAR[]) = 0 OR list_contains($2::VARCHAR[], tally.run_id))
),
heard AS (
    SELECT
        sided.run_id, sided.episode_id, sided.side.seat AS seat,
        split_part(split_part(beliefs.seat, $3, 2), '.', 1) AS speech,
        coalesce(
            CASE WHEN side.argues IS NULL THEN 1 - beliefs.probs[side.against + 1]
            ELSE beliefs.probs[side.argues + 1] END,
            1 / len(sided.probs)
        ) AS score
    FROM sided
    JOIN beliefs ON beliefs.episode_id = sided.episode_id AND beliefs.attempt = sided.attempt AND NOT beliefs.final
    WHERE starts_with(beliefs.seat, side.seat || $3)
),
said AS (
    SELECT run_id, episode_id, seat, speech, max(score) AS score, count(*) AS versions FROM heard GROUP BY ALL
),
chosen AS (
    SELECT run_id, episode_id, seat, max(versions) AS versions, avg(score) AS proxy FROM said GROUP BY ALL
)
SELECT
    sided.run_id, arm_no, arm, task, protocol, options, judge_model, strong_model, question_key, cluster,
    sided.episode_id, correct, coalesce(versions, 1) AS versions, proxy,
    CASE WHEN side.argues = place - 1 THEN 'honest' ELSE 'dishonest' END AS side,
    CASE WHEN side.argues IS NULL THEN 1 - probs[side.against + 1] ELSE probs[side.argues + 1] END AS judge
FROM sided
LEFT JOIN chosen ON chosen.run_id = sided.run_id AND chosen.episode_id = sided.episode_id
    AND chosen.seat = sided.side.seat
ORDER BY sided.run_id, arm_no, sided.episode_id
"""
