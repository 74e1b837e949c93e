"""The list of episodes: filtered, sorted and cut into pages by the database."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from oversight.store.access import Parameter

from .store_access import Moment, cached, select

__all__ = [
    "CONFIDENT",
    "COUNTING",
    "OUTCOMES",
    "TOLD",
    "EpisodeEntry",
    "EpisodeFilter",
    "EpisodePage",
    "FilterChoices",
    "Neighbours",
    "find_run",
    "list_episodes",
    "neighbours",
    "offered",
    "producers",
]

CONFIDENT = 0.8
"""From this probability of a wrong answer on, a judge is confidently wrong."""

OUTCOMES = ("right", "wrong", "confidently wrong", "tie", "abstained", "failed")


class EpisodeFilter(NamedTuple):
    """Which episodes; None is any. A filter is part of the key that a page is remembered by.

    Attributes:
        run: of its plan.
        task, protocol, arm: names.
        judge, strong: the cast's models.
        outcome: one of `OUTCOMES`; ``wrong`` includes the confidently wrong.
        found: only these episodes, which a search found.
        questions: or those about these questions, which a search found.
    """

    run: str | None = None
    task: str | None = None
    protocol: str | None = None
    arm: str | None = None
    judge: str | None = None
    strong: str | None = None
    outcome: str | None = None
    found: tuple[str, ...] | None = None
    questions: tuple[str, ...] | None = None


class EpisodeEntry(NamedTuple):
    """One episode in the list."""

    episode_id: str
    run_id: str
    started: datetime
    arm: str
    protocol: str
    task: str
    judge: str | None
    strong: str | None
    question: str
    outcome: str
    p_gold: float | None
    confidence: float | None
    failure: str | None
    duration_s: float


class EpisodePage(NamedTuple):
    """One page of the list, and how many episodes all its pages have."""

    rows: list[EpisodeEntry]
    total: int


class Neighbours(NamedTuple):
    """What stands before and after an episode in a list, and its place in it from 1; 0 if it is not in it."""

    place: int
    total: int
    previous: str | None
    next: str | None


class FilterChoices(NamedTuple):
    """What there is to filter by."""

    tasks: list[str]
    protocols: list[str]
    arms: list[str]
    casts: list[tuple[str | None, str | None]]


def producers(run_id: str | None) -> list[str]:
    """The runs whose execution made the episodes of a run's plan, most often itself alone."""
    return [row["run_id"] for row in select(PRODUCERS, [run_id])] if run_id else []


@cached
def offered(now: Moment, run_id: str | None) -> FilterChoices:
    """What the plan of a run, or all plans, have to filter by."""
    rows = select(OFFERED, [run_id, run_id])
    names = {
        name: list(dict.fromkeys(row[name] for row in rows if row[name] is not None))
        for name in ("task", "protocol", "arm")
    }
    casts = list(dict.fromkeys((row["judge"], row["strong"]) for row in rows))
    return FilterChoices(sorted(names["task"]), sorted(names["protocol"]), names["arm"], casts)


@cached
def list_episodes(now: Moment, wanted: EpisodeFilter, page: int, size: int) -> EpisodePage:
    """One page, from 1, of what a filter lets through, the latest first."""
    rows = select(*_list_query(wanted, size, (page - 1) * size))
    found = [
        EpisodeEntry(*(row[name] for name in EpisodeEntry._fields)) for row in rows if row["episode_id"] is not None
    ]
    return EpisodePage(found, rows[0]["total"])


@cached
def neighbours(now: Moment, wanted: EpisodeFilter, episode_id: str) -> Neighbours:
    """Where an episode stands among what a filter lets through."""
    rows = select(*_place_query(wanted, episode_id))
    return Neighbours(*rows[0].values()) if rows else Neighbours(0, 0, None, None)


@cached
def find_run(now: Moment, episode_id: str) -> str | None:
    """The run that made an episode."""
    rows = select("SELECT run_id FROM episodes WHERE episode_id = ? LIMIT 1", [episode_id])
    return str(rows[0]["run_id"]) if rows else None


def _list_query(wanted: EpisodeFilter, size: int, offset: int) -> tuple[str, list[Parameter]]:
    """The query of `list_episodes`, and what is bound to it."""
    sql, bound = _matching(wanted)
    return sql + _SHOWN + TOLD + _PAGE, [*bound, size, offset, CONFIDENT]


def _place_query(wanted: EpisodeFilter, episode_id: str) -> tuple[str, list[Parameter]]:
    """The query of `neighbours`, and what is bound to it."""
    sql, bound = _matching(wanted)
    return sql + _PLACE, [*bound, episode_id]


def _matching(wanted: EpisodeFilter) -> tuple[str, list[Parameter]]:
    """The part that finds the episodes, put together from constants, and what is bound to it."""
    scored = wanted.outcome not in (None, "failed")
    sql = COUNTING + (_OF_ALL if wanted.run is None else _OF_RUN) + _FITTING + (_SCORED if scored else _PLAIN)
    names = (wanted.arm, wanted.task, wanted.protocol, wanted.judge, wanted.strong, wanted.outcome)
    everything = wanted.found is None and wanted.questions is None
    bound: list[Parameter] = [] if wanted.run is None else [wanted.run]
    bound += [part for name in names for part in (name, name)]
    bound += [everything, list(wanted.found or ()), list(wanted.questions or ())]
    return sql, bound + ([wanted.outcome, CONFIDENT] if scored else [])


PRODUCERS = """
SELECT DISTINCT episodes.run_id
FROM episodes SEMI JOIN (SELECT episode_id FROM plan WHERE run_id = ?) USING (episode_id)
"""

OFFERED = """
SELECT task, protocol, arm, judge, strong FROM plan WHERE ?::VARCHAR IS NULL OR run_id = ?
GROUP BY ALL ORDER BY min(arm_no), arm
"""

# An episode counts with its first judged attempt, else its last. Nearly all are judged at the first attempt, so only
# the rest are put into groups; rows are narrow, and filtered, before anything is joined to them; and joins name the
# run, by which tables are sorted as they grow, so that most blocks are skipped.
COUNTING = """
WITH retried AS (SELECT DISTINCT episode_id FROM episodes WHERE attempt > 0),
counting AS (
    SELECT episode_id, coalesce(min(attempt) FILTER (status = 'judged'), max(attempt)) AS attempt
    FROM episodes SEMI JOIN retried USING (episode_id) GROUP BY episode_id
),
"""

_OF_ALL = """
sought AS (
    SELECT
        run_id, episode_id, attempt, started_at, question_key, answer_order, task, protocol, judge, strong, status, arm
    FROM episodes
),
"""
# Bound to: run. Its plan may call an arm otherwise than the run that made the episode.
_OF_RUN = """
asked AS (SELECT episode_id, arm FROM plan WHERE run_id = ?),
sought AS (
    SELECT
        run_id, episode_id, attempt, started_at, question_key, answer_order, task, protocol, judge, strong, status,
        asked.arm
    FROM episodes JOIN asked USING (episode_id)
),
"""

_FITTING = """
fitting AS (
    SELECT run_id, episode_id, sought.attempt, started_at, question_key, answer_order, arm
    FROM sought LEFT JOIN counting USING (episode_id)
    WHERE sought.attempt = coalesce(counting.attempt, 0)
        AND (?::VARCHAR IS NULL OR arm = ?)
        AND (?::VARCHAR IS NULL OR task = ?)
        AND (?::VARCHAR IS NULL OR protocol = ?)
        AND (?::VARCHAR IS NULL OR judge = ?)
        AND (?::VARCHAR IS NULL OR strong = ?)
        AND (?::VARCHAR IS NULL OR (status = 'failed') = (? = 'failed'))
        AND (
            ?::BOOLEAN OR episode_id IN (SELECT unnest(?::VARCHAR[])) OR question_key IN (SELECT unnest(?::VARCHAR[]))
        )
),
"""

_PLAIN = """
matching AS MATERIALIZED (SELECT run_id, episode_id, attempt, started_at, arm FROM fitting),
"""

_SCORED = """
final AS (SELECT run_id, episode_id, attempt, probs FROM beliefs WHERE final),
held AS (
    SELECT
        run_id, episode_id, attempt, started_at, arm, probs,
        probs[list_position(answer_order, gold)] AS p_gold, list_max(probs) AS highest
    FROM fitting
    JOIN final USING (run_id, episode_id, attempt)
    JOIN questions USING (question_key)
),
matching AS MATERIALIZED (
    SELECT run_id, episode_id, attempt, started_at, arm FROM held
    WHERE CASE ?
        WHEN 'right' THEN p_gold = highest AND len(list_filter(probs, lambda p: p >= p_gold)) = 1
        WHEN 'wrong' THEN highest > p_gold
        WHEN 'confidently wrong' THEN highest > p_gold AND highest >= ?
        WHEN 'tie' THEN p_gold = highest AND len(list_filter(probs, lambda p: p >= p_gold)) > 1
        WHEN 'abstained' THEN probs IS NULL
    END
),
"""

TOLD = """
told AS (
    SELECT
        shown.*,
        CASE
            WHEN status = 'failed' THEN 'failed'
            WHEN probs IS NULL THEN 'abstained'
            WHEN p_gold < list_max(probs) THEN CASE WHEN list_max(probs) >= ? THEN 'confidently wrong' ELSE 'wrong' END
            WHEN len(list_filter(probs, lambda p: p >= p_gold)) > 1 THEN 'tie'
            ELSE 'right'
        END AS outcome
    FROM shown
)
"""
"""One of `OUTCOMES` for each row of ``shown``, from its status, ``probs`` and ``p_gold``; asks for `CONFIDENT`."""

_SHOWN = """
page AS MATERIALIZED (SELECT * FROM matching ORDER BY started_at DESC, episode_id LIMIT ? OFFSET ?),
believed AS (
    SELECT run_id, episode_id, attempt, probs
    FROM beliefs SEMI JOIN page USING (run_id, episode_id, attempt) WHERE final
),
shown AS (
    SELECT
        episode_id, run_id, episodes.started_at AS started, page.arm,
        protocol, episodes.task, judge, strong, left(questions.prompt, 300) AS question, status, probs,
        probs[list_position(answer_order, questions.gold)] AS p_gold, failure, duration_s
    FROM episodes
    JOIN page USING (run_id, episode_id, attempt)
    JOIN questions USING (question_key)
    LEFT JOIN believed USING (run_id, episode_id, attempt)
),
"""

# One row at least, for the total.
_PAGE = """
SELECT total, told.* EXCLUDE (status, probs), list_max(probs) AS confidence
FROM (SELECT count(*) AS total FROM matching) LEFT JOIN told ON true
ORDER BY started DESC, episode_id
"""

_PLACE = """
placed AS (
    SELECT
        episode_id, row_number() OVER latest AS place, count(*) OVER () AS total,
        lag(episode_id) OVER latest AS previous, lead(episode_id) OVER latest AS next
    FROM matching WINDOW latest AS (ORDER BY started_at DESC, episode_id)
)
SELECT place, total, previous, next FROM placed WHERE episode_id = ?
"""
