"""What came out of one run: the numbers of ``oversight report``, and what the charts beside it rest on.

What is remembered is remembered by a run's `Stamp`, which changes when something of this run is stored: a page that
looks again every few seconds, while another run writes, works nothing out twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import pandas as pd

from oversight.core.message import PREFERENCE
from oversight.reports.best_of_n_report import OptimisedRow, Sweep, optimised, sweeps
from oversight.reports.failure_sides import SideFailures, Truncation, faults, truncations
from oversight.reports.process_report import ProcessRow, process
from oversight.reports.report import ReportRow, Unit, report
from oversight.reports.rounds_report import RoundAccuracy, RoundRow, accuracies, rounds

from .store_access import Moment, cached, directory, select, store

__all__ = [
    "Extras",
    "Stamp",
    "baselines",
    "belief_table",
    "chances",
    "extras",
    "failure_counts",
    "fault_rows",
    "judged_again",
    "optimised_rows",
    "process_rows",
    "report_rows",
    "round_accuracies",
    "round_rows",
    "stamp",
    "swept",
    "truncation_rows",
    "verdict_table",
]


class Stamp(NamedTuple):
    """How far a run is; the same as long as nothing of it is stored."""

    store: str
    run: str
    planned: int
    attempts: int
    latest: datetime | None
    judgements: int
    rounds: int


class Extras(NamedTuple):
    """What some runs have and others have not."""

    steps: bool
    best_of: bool


@cached
def stamp(now: Moment, run_id: str) -> Stamp:
    """How far a run is."""
    (row,) = select(STAMP, [run_id] * 3)
    return Stamp(str(directory()), run_id, *row.values())


@cached
def report_rows(at: Stamp, by: str | None, unit: Unit | None) -> list[ReportRow]:
    """The rows of ``oversight report --run RUN [--by COLUMN] [--unit UNIT]``."""
    return report(store(), [at.run], by=[by] if by else None, unit=unit)


@cached
def verdict_table(at: Stamp) -> pd.DataFrame:
    """The judged episodes with those columns of `oversight.reports.verdicts.verdicts` that the page needs.

    They are read without the calls and messages, which takes a third of the time.
    """
    found = store().sql(VERDICTS, [at.run])
    for name in ("p_gold", "confidence", "chosen"):
        found[name] = found[name].astype("float64")
    for name in ("counts", "correct", "tie", "void", "abstained"):
        found[name] = found[name].astype("bool")
    return found


@cached
def belief_table(at: Stamp) -> pd.DataFrame:
    """Every belief in the right answer that a judge held, by the number of turns it had read."""
    return store().sql(BELIEFS, [at.run])


@cached
def baselines(at: Stamp) -> list[str]:
    """The arms whose protocols say that others are compared with them."""
    return [
        row["arm"] for row in select("SELECT arm FROM arms WHERE run_id = ? AND baseline ORDER BY arm_no", [at.run])
    ]


@cached
def chances(at: Stamp) -> dict[str, float]:
    """The accuracy of guessing, by arm."""
    return {row["arm"]: row["chance"] for row in select(CHANCES, [at.run])}


@cached
def judged_again(at: Stamp) -> pd.DataFrame:
    """Who else, person or model, judged this run's transcripts, where both judges' verdicts count."""
    found = store().sql(AGAIN, [at.run])
    found["chosen"] = found["chosen"].astype("float64")
    return found.astype({"correct": "bool", "first_correct": "bool"})


@cached
def extras(at: Stamp) -> Extras:
    """What this run has that others have not."""
    (row,) = select(EXTRAS, [at.run, PREFERENCE])
    return Extras(**row)


@cached
def failure_counts(at: Stamp) -> pd.DataFrame:
    """Episodes without a verdict, by arm and by the class of their last failure."""
    return pd.DataFrame(select(FAILURES, [at.run]), columns=["arm", "failure", "episodes"])


@cached
def fault_rows(at: Stamp) -> list[SideFailures]:
    """Failed calls by whose they were, as the report has them."""
    return faults(store(), [at.run])


@cached
def truncation_rows(at: Stamp) -> list[Truncation]:
    """Texts that were kept although they were cut off, by whose they were, as the report has them."""
    return truncations(store(), [at.run])


@cached
def process_rows(at: Stamp) -> list[ProcessRow]:
    """How overseers, and people, labelled steps."""
    return process(store(), [at.run])


@cached
def optimised_rows(at: Stamp) -> list[OptimisedRow]:
    """What speaking the best of n versions came to."""
    return optimised(store(), [at.run])


@cached
def swept(at: Stamp) -> list[Sweep]:
    """The best of n against n, where arms differ in nothing else."""
    return sweeps(store(), [at.run])


@cached
def round_rows(at: Stamp) -> list[RoundRow]:
    """The rounds of an iterated run."""
    return rounds(store(), [at.run])


@cached
def round_accuracies(at: Stamp) -> list[RoundAccuracy]:
    """How an iterated run's models did, round by round."""
    return accuracies(store(), [at.run])


STAMP = """
WITH asked AS (SELECT episode_id FROM plan WHERE run_id = ?),
made AS (SELECT count(*) AS attempts, max(started_at) AS latest FROM episodes SEMI JOIN asked USING (episode_id))
SELECT
    (SELECT count(*) FROM plan WHERE run_id = ?) AS planned, attempts, latest,
    (SELECT count(*) FROM judgements) AS judgements,
    (SELECT count(*) FROM rounds WHERE run_id = ?) AS rounds
FROM made
"""

VERDICTS = """
SELECT
    arm, arm_no, protocol, judge, strong, seed, question_key AS question, cluster, episode_id AS episode,
    CASE WHEN len(list_filter(probs, lambda p: p = confidence)) = 1
        THEN list_position(probs, confidence) - 1 END AS chosen,
    p_gold, confidence, coalesce(correct, false) AS correct, coalesce(tie, false) AS tie, abstained,
    coalesce(void, false) AS void,
    NOT coalesce(void, false) AND NOT abstained AS counts,
    coalesce(honest, 'none') AS honest, coalesce(len(seats), 0) AS seats
FROM scored
WHERE run_id = ? AND status = 'judged'
ORDER BY arm_no, question_key, seed, repeat, episode_id
"""

# As in `oversight.reports.verdicts`: the beliefs of the seat that gave the verdict; one before the first public
# speech of a seat that argues is the belief after no turn.
BELIEFS = """
WITH judged AS MATERIALIZED (
    SELECT arm_no, arm, protocol, judge, strong, cluster, episode_id, attempt, place, p_gold,
        list_transform(seats, lambda side: side.seat) AS arguing
    FROM scored WHERE run_id = ? AND status = 'judged' AND NOT void
),
made AS MATERIALIZED (
    SELECT DISTINCT episodes.run_id FROM episodes SEMI JOIN judged USING (episode_id)
),
said AS (SELECT * FROM beliefs WHERE run_id IN (FROM made)),
held AS (
    SELECT judged.*, beliefs.idx, beliefs.probs[place] AS p
    FROM judged
    JOIN said AS last ON last.episode_id = judged.episode_id AND last.attempt = judged.attempt AND last.final
    JOIN said AS beliefs ON beliefs.episode_id = last.episode_id AND beliefs.attempt = last.attempt
        AND beliefs.seat = last.seat AND NOT beliefs.final
),
began AS (
    SELECT held.episode_id, held.attempt, min(messages.idx) AS began
    FROM (SELECT DISTINCT episode_id, attempt, arguing FROM held) AS held
    JOIN messages ON messages.episode_id = held.episode_id AND messages.attempt = held.attempt
    WHERE messages.run_id IN (FROM made) AND kind = 'speech' AND audience IS NULL AND list_contains(arguing, author)
    GROUP BY held.episode_id, held.attempt
),
placed AS (
    SELECT
        held.*,
        row_number() OVER belief - CASE WHEN min(idx) OVER episode < began THEN 1 ELSE 0 END AS turn,
        count(*) OVER episode + 1 - CASE WHEN min(idx) OVER episode < began THEN 1 ELSE 0 END AS final_turn
    FROM held LEFT JOIN began ON began.episode_id = held.episode_id AND began.attempt = held.attempt
    WINDOW belief AS (PARTITION BY held.episode_id, held.attempt ORDER BY idx),
        episode AS (PARTITION BY held.episode_id, held.attempt)
)
SELECT arm_no, arm, protocol, judge, strong, cluster, episode_id AS episode, turn, p
FROM placed WHERE p IS NOT NULL
UNION ALL
SELECT DISTINCT arm_no, arm, protocol, judge, strong, cluster, episode_id, final_turn, p_gold
FROM placed WHERE p_gold IS NOT NULL
ORDER BY arm_no, turn, episode
"""

CHANCES = """
SELECT arm, avg(1 / len(answers)) AS chance
FROM plan JOIN questions USING (question_key) WHERE run_id = ? GROUP BY arm
"""

AGAIN = """
SELECT
    arm, episode_id AS episode, cluster, kind, judge, coalesce(mode, '') AS mode, settings::VARCHAR AS settings,
    first_judge, correct, first_correct, p_gold,
    CASE WHEN len(list_filter(probs, lambda p: p = confidence)) = 1
        THEN list_position(probs, confidence) - 1 END AS chosen
FROM rejudged
WHERE run_id = ? AND status = 'judged' AND NOT void AND NOT abstained AND first_correct IS NOT NULL
ORDER BY arm_no, kind, judge, settings::VARCHAR, episode_id
"""

EXTRAS = """
WITH asked AS (SELECT episode_id FROM plan WHERE run_id = ?)
SELECT
    EXISTS (SELECT 1 FROM annotations SEMI JOIN asked USING (episode_id) WHERE verdict AND kind IN ('step', 'solution'))
        AS steps,
    EXISTS (SELECT 1 FROM beliefs SEMI JOIN asked USING (episode_id) WHERE NOT final AND contains(seat, ?)) AS best_of
"""

FAILURES = """
SELECT arm, failure, count(*) AS episodes
FROM outcomes WHERE run_id = ? AND status = 'failed'
GROUP BY arm_no, arm, failure ORDER BY arm_no, episodes DESC, failure
"""
