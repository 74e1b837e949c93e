"""Which transcript a person is given next: in an order of the person's own, and each question once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from oversight.store import Parameter, Store

__all__ = ["About", "Place", "Queue", "arms", "find_next", "place_key"]

About = Literal["verdict", "steps"]


class Place(NamedTuple):
    """A transcript, or a solution in it, that can be judged."""

    episode_id: str
    attempt: int
    question_key: str
    solution: int | None


class Queue(NamedTuple):
    """What a person has before them.

    Attributes:
        next: the next place; None if there is none.
        left: how many there are, the next one included, whose question the person has not seen.
        seen: how many more there are about questions that the person has seen.
    """

    next: Place | None
    left: int
    seen: int


def find_next(
    store: Store,
    run_id: str,
    judge: str,
    about: About,
    *,
    arms: Sequence[str] = (),
    again: bool = False,
    questions: Sequence[str] = (),
    done: Sequence[str] = (),
) -> Queue:
    """What of a run a person has not judged.

    Verdicts: one transcript for each question, first one of each cluster (a story that a person has read tells
    something about its other questions). Steps: one solution of each question before the second of any.

    Args:
        store: the store.
        run_id: the run.
        judge: the person.
        about: transcripts that a judge decided, or solutions with steps.
        arms: only these; by default all.
        again: also give transcripts of questions that the person has seen; not for steps.
        questions: the keys of questions that the person has seen besides those in the store.
        done: what the person has judged besides, as `place_key` writes it.
    """
    query = (_TRANSCRIPTS if about == "verdict" else _SOLUTIONS) + _ORDERED
    params: list[Parameter] = [run_id, list(arms), judge, list(questions), list(done), again]
    row = store.arrow(query, params).to_pylist()[0]
    found = row["next"]
    place = None if found is None else Place(*(found[name] for name in Place._fields))
    return Queue(place, int(row["left"]), int(row["seen"]))


def place_key(episode_id: str, attempt: int, solution: int | None) -> str:
    """A place as one word."""
    return " ".join(str(part) for part in (episode_id, attempt, solution) if part is not None)


def arms(store: Store, run_id: str, about: About) -> list[str]:
    """The arms of a run in which there is something to judge."""
    query = _ARMS_DECIDED if about == "verdict" else _ARMS_SOLVED
    return [row["arm"] for row in store.arrow(query, [run_id]).to_pylist()]


_ARMS_DECIDED = """
SELECT arm FROM outcomes JOIN beliefs
    ON beliefs.episode_id = outcomes.episode_id AND beliefs.attempt = outcomes.attempt AND beliefs.final
WHERE outcomes.run_id = ? AND outcomes.status = 'judged' AND beliefs.idx IS NOT NULL
GROUP BY arm ORDER BY min(arm_no)
"""
_ARMS_SOLVED = """
SELECT arm FROM outcomes JOIN questions ON questions.question_key = outcomes.question_key
WHERE outcomes.run_id = ? AND outcomes.status = 'judged' AND (
    len(questions.worked) > 0
    OR (outcomes.episode_id, outcomes.attempt) IN (SELECT (episode_id, attempt) FROM checks WHERE kind = 'solution')
)
GROUP BY arm ORDER BY min(arm_no)
"""

# Bound to: run, arms, judge, questions, places, again. A contest in which no side argues the right answer would not
# count, so no person's time is spent on it.
_TRANSCRIPTS = """
WITH could AS (
    SELECT
        scored.episode_id, scored.attempt, scored.question_key, scored.cluster, NULL::INTEGER AS solution,
        scored.arm, scored.question_key AS subject, 0 AS preferred,
        scored.question_key IN (
            SELECT question_key FROM episodes WHERE (episode_id, attempt) IN (
                SELECT (episode_id, attempt) FROM judgements WHERE kind = 'human' AND judge = $3
            )
        ) AS known,
        (scored.episode_id, scored.attempt) IN (
            SELECT (episode_id, attempt) FROM judgements WHERE kind = 'human' AND judge = $3 AND labels IS NULL
        ) AS done
    FROM scored
    JOIN beliefs ON beliefs.episode_id = scored.episode_id AND beliefs.attempt = scored.attempt AND beliefs.final
    WHERE scored.run_id = $1 AND scored.status = 'judged' AND NOT coalesce(scored.void, false)
        AND beliefs.idx IS NOT NULL
),
"""
# The same solution of a question stands in several arms: it is labelled once, where the overseer labelled it too.
_SOLUTIONS = """
WITH noted AS (
    SELECT
        episode_id, attempt, TRY_CAST(data->>'solution' AS INTEGER) AS solution, data->>'writer' AS writer,
        TRY_CAST(data->>'steps' AS INTEGER) AS steps, data->>'labelled' IS NULL AS unlabelled
    FROM annotations WHERE verdict AND kind = 'solution'
),
placed AS (
    SELECT outcomes.*, noted.solution, noted.writer, noted.unlabelled
    FROM outcomes JOIN noted ON noted.episode_id = outcomes.episode_id AND noted.attempt = outcomes.attempt
    WHERE noted.steps > 0
    UNION ALL
    SELECT outcomes.*, unnest(range(len(questions.worked)))::INTEGER, NULL, true
    FROM outcomes JOIN questions ON questions.question_key = outcomes.question_key
    WHERE (outcomes.episode_id, coalesce(outcomes.attempt, -1)) NOT IN (SELECT (episode_id, attempt) FROM noted)
),
labelled AS (
    SELECT episode_id, attempt, json_extract_string(labels, '$[0].data.solution')::INTEGER AS solution
    FROM judgements WHERE kind = 'human' AND judge = $3 AND labels IS NOT NULL
),
could AS (
    SELECT
        episode_id, attempt, question_key, question_key AS cluster, solution, arm,
        concat_ws(' ', question_key, solution, CASE WHEN writer IS NOT NULL THEN episode_id END) AS subject,
        unlabelled::INTEGER * 10000 + arm_no AS preferred,
        false AS known,
        (episode_id, attempt, solution) IN (SELECT (episode_id, attempt, solution) FROM labelled) AS done
    FROM placed WHERE run_id = $1 AND status = 'judged'
),
"""
_ORDERED = """
flagged AS (
    SELECT
        *,
        done OR list_contains($5::VARCHAR[], concat_ws(' ', episode_id, attempt, solution)) AS was,
        list_contains($4::VARCHAR[], question_key) AS met,
        len($2::VARCHAR[]) = 0 OR list_contains($2::VARCHAR[], arm) AS wanted
    FROM could
),
subjects AS (
    SELECT
        subject, cluster,
        bool_or(known OR was OR met AND solution IS NULL) AS seen,
        bool_or(met) AS met,
        count(*) FILTER (wanted AND NOT was) AS "open",
        arg_min(
            {'episode_id': episode_id, 'attempt': attempt, 'question_key': question_key, 'solution': solution},
            printf('%08d', preferred) || md5($3 || episode_id)
        ) FILTER (wanted AND NOT was) AS pick
    FROM flagged
    GROUP BY subject, cluster
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY cluster ORDER BY seen DESC, md5($3 || subject)) AS place FROM subjects
)
SELECT
    first(pick ORDER BY seen, met, place, md5($3 || cluster)) FILTER (pick IS NOT NULL AND (NOT seen OR $6)) AS next,
    count(*) FILTER (pick IS NOT NULL AND NOT seen) AS "left",
    coalesce(sum("open") FILTER (seen), 0) AS seen
FROM ranked
"""
