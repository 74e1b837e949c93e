"""What the Compare page asks: how each question stands in an arm, and which episodes are behind that."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pandas as pd

from oversight.reports.comparison import flattened

from .episode_list import CONFIDENT, COUNTING, TOLD
from .store_access import Moment, cached, select, store

__all__ = [
    "ArmEpisode",
    "ArmOf",
    "arms_of_all",
    "asked",
    "find_questions",
    "prompts_of",
    "run_settings",
    "standings",
]

_MOST = 5_000
"""Questions that a search finds at most."""


class ArmOf(NamedTuple):
    """One arm of a run; ``judge`` and ``strong`` are None where there is none, or several."""

    arm: str
    protocol: str
    judge: str | None
    strong: str | None


class ArmEpisode(NamedTuple):
    """One episode that an arm has about a question.

    Attributes:
        episode_id: which; ``run_id`` the run that made it.
        sides: what each seat argued, as the answer's text.
        same: equal in two episodes that differ in nothing but their arm: repeat and assignment.
        outcome: in the words of the list of transcripts.
    """

    episode_id: str
    run_id: str
    judge: str | None
    repeat: int
    seed: int
    sides: tuple[tuple[str, str], ...]
    same: tuple[int, tuple[int, ...]]
    outcome: str


@cached
def arms_of_all(now: Moment) -> dict[str, list[ArmOf]]:
    """The arms of every run that has some, the latest run first."""
    found: dict[str, list[ArmOf]] = {}
    for row in select(ARMS_OF_ALL):
        found.setdefault(row.pop("run_id"), []).append(ArmOf(*row.values()))
    return found


@cached
def standings(now: Moment, run_id: str, arm: str | None = None) -> pd.DataFrame:
    """How each question stands in one arm of a run, or in each.

    Columns:
        arm_no, arm, question, cluster: which.
        place: its place in the plan.
        asked, n, right: episodes planned; verdicts that count; of these the right ones.
    """
    return store().sql(STANDINGS, [run_id, arm, arm])


@cached
def find_questions(now: Moment, run_id: str, arm: str, words: str) -> frozenset[str]:
    """The questions of an arm that have ``words`` in their id, their prompt or their answers; case is ignored."""
    pattern = f"%{words.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
    return frozenset(row["question_key"] for row in select(FOUND, [run_id, arm, *[pattern] * 3, _MOST]))


@cached
def prompts_of(now: Moment, keys: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """The id of each question, and the beginning of its prompt."""
    return {row["question_key"]: (row["id"], row["prompt"]) for row in select(NAMED, [list(keys)])}


@cached
def asked(now: Moment, run_id: str, arm: str, question: str) -> list[ArmEpisode]:
    """The episodes of an arm about one question that have run, in the plan's order."""
    return [_asked(row) for row in select(ASKED, [run_id, arm, question, CONFIDENT])]


@cached
def run_settings(now: Moment, run_id: str) -> dict[str, str]:
    """A run's resolved experiment by dotted keys, and the code that ran it."""
    rows = select("SELECT experiment, plugins, seed, oversight_version FROM runs WHERE run_id = ?", [run_id])
    if not rows:
        return {}
    experiment, plugins = (json.loads(rows[0][name]) for name in ("experiment", "plugins"))
    code = {"oversight version": rows[0]["oversight_version"]}
    code |= {f"code and prompts of {name}": mark for name, mark in sorted(plugins.items())}
    return flattened({"seed": rows[0]["seed"], **experiment, **code})


def _asked(row: dict[str, Any]) -> ArmEpisode:
    order, answers = row["answer_order"], row["answers"]
    sides = tuple(
        (side["seat"], answers[order[side["argues"]]]["text"]) for side in row["sides"] if side["argues"] is not None
    )
    # By the question's own places: the order in which answers are presented differs between seeds.
    assignment = tuple(-1 if place is None else order[place] for place in row["assignment"])
    return ArmEpisode(
        row["episode_id"],
        row["run_id"],
        row["judge"],
        row["repeat"],
        row["seed"],
        sides,
        (row["repeat"], assignment),
        row["outcome"],
    )


ARMS_OF_ALL = """
SELECT
    run_id, arm, any_value(protocol) AS protocol,
    CASE WHEN count(DISTINCT judge) = 1 THEN any_value(judge) END AS judge,
    CASE WHEN count(DISTINCT strong) = 1 THEN any_value(strong) END AS strong
FROM plan JOIN runs USING (run_id)
GROUP BY run_id, arm_no, arm, created_at
ORDER BY created_at DESC, run_id, arm_no, arm
"""

# As in the list of transcripts: rows are narrow before anything is joined to them, and joins name the run.
_STANDINGS = """
planned AS (
    SELECT rowid AS place, episode_id, question_key, arm, arm_no
    FROM plan WHERE run_id = ? AND (?::VARCHAR IS NULL OR arm = ?)
),
judged AS (
    SELECT run_id, episode_id, episodes.attempt, question_key, answer_order, assignment
    FROM episodes SEMI JOIN planned USING (episode_id) LEFT JOIN counting USING (episode_id)
    WHERE status = 'judged' AND episodes.attempt = coalesce(counting.attempt, 0)
),
final AS (SELECT run_id, episode_id, attempt, probs FROM beliefs WHERE final AND probs IS NOT NULL),
held AS (
    SELECT episode_id, assignment, probs, list_position(answer_order, gold) AS gold
    FROM judged
    JOIN final USING (run_id, episode_id, attempt)
    JOIN (SELECT question_key, gold FROM questions) USING (question_key)
),
counted AS (
    SELECT episode_id, len(list_filter(probs, lambda p: p >= probs[gold])) = 1 AS correct
    FROM held WHERE len(assignment) < 2 OR list_contains(assignment, gold - 1)
)
SELECT
    arm_no, arm, question_key AS question, any_value(cluster) AS cluster, min(place) AS place,
    count(*) AS asked, count(correct) AS n, count(*) FILTER (correct) AS "right"
FROM planned
LEFT JOIN counted USING (episode_id)
JOIN (SELECT question_key, cluster FROM questions) USING (question_key)
GROUP BY arm_no, arm, question_key ORDER BY arm_no, place
"""
STANDINGS = COUNTING + _STANDINGS

_SHOWN = """
planned AS (
    SELECT rowid AS place, episode_id FROM plan WHERE run_id = ? AND arm = ? AND question_key = ?
),
stood AS (
    SELECT
        place, run_id, episode_id, episodes.attempt, question_key, judge, repeat, seed, sides, answer_order,
        assignment, status
    FROM episodes JOIN planned USING (episode_id) LEFT JOIN counting USING (episode_id)
    WHERE episodes.attempt = coalesce(counting.attempt, 0)
),
believed AS (
    SELECT run_id, episode_id, attempt, probs
    FROM beliefs SEMI JOIN stood USING (run_id, episode_id, attempt) WHERE final
),
shown AS (
    SELECT stood.*, questions.answers, probs, probs[list_position(answer_order, gold)] AS p_gold
    FROM stood
    JOIN questions USING (question_key)
    LEFT JOIN believed USING (run_id, episode_id, attempt)
),
"""

_ASKED = """
SELECT episode_id, run_id, judge, repeat, seed, sides, answer_order, assignment, answers, outcome
FROM told ORDER BY repeat, place, episode_id
"""
ASKED = COUNTING + _SHOWN + TOLD + _ASKED

NAMED = """
SELECT question_key, id, left(prompt, 300) AS prompt
FROM questions WHERE question_key IN (SELECT unnest(?::VARCHAR[]))
"""

FOUND = """
SELECT question_key
FROM questions SEMI JOIN (SELECT question_key FROM plan WHERE run_id = ? AND arm = ?) USING (question_key)
WHERE id ILIKE ? ESCAPE '!' OR prompt ILIKE ? ESCAPE '!'
    OR len(list_filter(answers, lambda answer: answer."text" ILIKE ? ESCAPE '!')) > 0
LIMIT ?
"""
