"""Every run, and how far it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from .store_access import Moment, cached, live, select

__all__ = ["ArmProgress", "RunProgress", "arm_rows", "run_names", "run_rows"]

_SETTLED_S = 3.0
"""Before that a rate says nothing."""


class RunProgress(NamedTuple):
    """One run.

    Attributes:
        run_id, name: which.
        status: ``running``, ``finished``, ``interrupted``, ``failed``, or ``stopped`` for a run that was started and
            no process is writing. A store has one writer, so at most the latest started is ``running``.
        started: the time of its latest start; ``created`` of its first.
        planned, judged, failed: episodes asked for, with a verdict, and whose attempts so far failed. What had failed
            before a run was started that is running is still to come, because it is tried again.
        spent: US dollars of the calls that it made; None where a price is unknown.
        calls: how many those are.
        failures: episodes without a verdict by the class of their last failure.
        rate: episodes per second since the latest start; None before there is any.
        round: of an iterated run, the last of which something is stored; X_0 is round 0.
    """

    run_id: str
    name: str
    status: str
    created: datetime
    started: datetime | None
    ended: datetime | None
    planned: int
    judged: int
    failed: int
    spent: float | None
    calls: int
    failures: dict[str, int]
    rate: float | None
    round: int | None

    @property
    def done(self) -> int:
        """Episodes that need nothing further now."""
        return self.judged + self.failed

    @property
    def eta_s(self) -> float | None:
        """Seconds until the rest is done at this rate; None where that is not known."""
        if self.status != "running" or not self.rate or self.done >= self.planned:
            return None
        return (self.planned - self.done) / self.rate


class ArmProgress(NamedTuple):
    """How far one arm of a run is."""

    arm: str
    protocol: str
    task: str
    judge: str | None
    strong: str | None
    planned: int
    judged: int
    failed: int


def run_rows(now: Moment) -> list[RunProgress]:
    """Every run, the latest first."""
    running = live()
    return [_row(found, running and not place) for place, found in enumerate(_runs(now, running))]


def _row(found: dict[str, Any], running: bool) -> RunProgress:
    event, started = found["event"], found["started"]
    status = event if event not in (None, "started") else "running" if running else "stopped"
    rate = None
    if status == "running" and started is not None and found["since"]:
        elapsed = (datetime.now(UTC) - started).total_seconds()
        rate = found["since"] / elapsed if elapsed > _SETTLED_S else None
    return RunProgress(
        run_id=found["run_id"],
        name=found["name"],
        status=status,
        created=found["created_at"],
        started=started,
        ended=found["ended"] if status not in ("running", "stopped") else None,
        planned=found["planned"],
        judged=found["judged"],
        failed=found["failed"],
        spent=found["spent"],
        calls=found["calls"],
        failures=dict(sorted(found["failures"] or (), key=lambda pair: -pair[1])),
        rate=rate,
        round=found["round"],
    )


@cached
def run_names(now: Moment) -> dict[str, str]:
    """Every run's name by its id, the latest first."""
    rows = select("SELECT run_id, name FROM runs ORDER BY created_at DESC, run_id")
    return {row["run_id"]: row["name"] for row in rows}


@cached
def _runs(now: Moment, running: bool) -> list[dict[str, Any]]:
    return select(RUNS, [running])


@cached
def arm_rows(now: Moment, run_id: str, since: datetime | None) -> list[ArmProgress]:
    """The arms of a run, in the experiment's order; what had failed before ``since`` is still to come."""
    after = None if since is None else since.timestamp()
    return [ArmProgress(*row.values()) for row in select(ARMS, [run_id, after])]


# Runs may share episodes, so what became of an episode is found once, and joined to every plan that asks for it.
RUNS = """
WITH stood AS (
    SELECT
        episode_id, bool_or(status = 'judged') AS judged, arg_max(failure, attempt) AS failure,
        max(started_at + to_microseconds((duration_s * 1000000)::BIGINT)) AS ended
    FROM episodes GROUP BY episode_id
),
spending AS (
    SELECT run_id, count(*) AS calls, CASE WHEN count(cost_usd) = count(*) THEN sum(cost_usd) END AS spent
    FROM calls WHERE origin = 'made' GROUP BY run_id
),
happened AS (
    SELECT
        run_id, arg_max(event, event_at) AS event, max(event_at) AS ended,
        max(event_at) FILTER (event = 'started') AS started
    FROM run_events GROUP BY run_id
),
progress AS (
    SELECT
        run_id,
        count(*) AS planned,
        count(*) FILTER (judged) AS judged,
        count(*) FILTER (NOT judged AND counts) AS failed,
        histogram(failure) FILTER (NOT judged AND counts) AS failures
    FROM (
        SELECT run_id, judged, failure, NOT (? AND event = 'started' AND stood.ended < started) IS TRUE AS counts
        FROM plan LEFT JOIN stood USING (episode_id) LEFT JOIN happened USING (run_id)
    )
    GROUP BY run_id
),
turns AS (SELECT run_id, max(round) AS round FROM rounds GROUP BY run_id),
lately AS (
    SELECT run_id, count(*) AS since
    FROM episodes JOIN happened USING (run_id)
    WHERE happened.event = 'started'
        AND episodes.started_at + to_microseconds((duration_s * 1000000)::BIGINT) >= happened.started
    GROUP BY run_id
)
SELECT
    runs.run_id, runs.name, runs.created_at,
    happened.event, happened.started, happened.ended,
    coalesce(planned, 0) AS planned, coalesce(judged, 0) AS judged, coalesce(failed, 0) AS failed,
    failures, coalesce(calls, 0) AS calls, CASE WHEN calls IS NULL THEN 0 ELSE spent END AS spent,
    coalesce(since, 0) AS since, turns.round
FROM runs
LEFT JOIN progress USING (run_id)
LEFT JOIN spending USING (run_id)
LEFT JOIN happened USING (run_id)
LEFT JOIN lately USING (run_id)
LEFT JOIN turns USING (run_id)
ORDER BY coalesce(happened.started, runs.created_at) DESC, runs.run_id
"""

ARMS = """
WITH asked AS (SELECT * FROM plan WHERE run_id = ?),
stood AS (
    SELECT
        episode_id, bool_or(status = 'judged') AS judged,
        max(started_at + to_microseconds((duration_s * 1000000)::BIGINT)) AS ended
    FROM episodes SEMI JOIN asked USING (episode_id) GROUP BY episode_id
)
SELECT
    arm, any_value(protocol) AS protocol, any_value(task) AS task, any_value(judge) AS judge,
    any_value(strong) AS strong, count(*) AS planned, count(*) FILTER (judged) AS judged,
    count(*) FILTER (NOT judged AND NOT (ended < to_timestamp(?)) IS TRUE) AS failed
FROM asked LEFT JOIN stood USING (episode_id)
GROUP BY arm, arm_no ORDER BY arm_no, arm
"""
