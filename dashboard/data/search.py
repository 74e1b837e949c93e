"""Finding words in questions and in what seats said, a slice of the messages at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .store_access import Moment, cached, select

__all__ = ["Hits", "search"]

MOST = 2_000
"""Episodes that a search finds at most; who looks for a commoner word has no use for more."""
SLICE = 150_000
"""Messages that one query reads: so that no query keeps a run that is being written waiting."""


class Hits(NamedTuple):
    """What a search found.

    Attributes:
        episodes: those in which a seat said it, the latest stored first.
        questions: the keys of questions that have it in their prompt or their answers.
        all: whether everything was read; else there may be more.
    """

    episodes: tuple[str, ...]
    questions: tuple[str, ...]
    all: bool


def search(now: Moment, words: str, run_ids: tuple[str, ...], progress: Callable[[float], object]) -> Hits:
    """Find episodes in which a seat said ``words``, or whose question has them; case is ignored.

    Args:
        now: the `moment`.
        words: taken as they stand.
        run_ids: only episodes that these runs made; empty for all.
        progress: told the share that is done.
    """
    pattern = f"%{words.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
    questions = _questions(now, pattern)
    found: dict[str, None] = {}
    end = _end(now)
    while end > 0 and len(found) < MOST:
        start = max(end - SLICE, 0)
        found |= dict.fromkeys(_said(now, pattern, run_ids, start, end))
        end = start
        progress(1 - end / max(_end(now), 1))
    return Hits(tuple(found)[:MOST], questions, end == 0 and len(found) <= MOST)


@cached
def _end(now: Moment) -> int:
    return int(select("SELECT coalesce(max(rowid), -1) + 1 AS n FROM messages")[0]["n"])


@cached
def _questions(now: Moment, pattern: str) -> tuple[str, ...]:
    return tuple(row["question_key"] for row in select(QUESTIONS, [pattern, pattern, MOST]))


@cached
def _said(now: Moment, pattern: str, run_ids: tuple[str, ...], start: int, end: int) -> tuple[str, ...]:
    runs = list(run_ids)
    return tuple(row["episode_id"] for row in select(SAID, [start, end, not runs, runs, pattern, MOST]))


QUESTIONS = """
SELECT question_key FROM questions
WHERE prompt ILIKE ? ESCAPE '!'
    OR len(list_filter(answers, lambda answer: answer."text" ILIKE ? ESCAPE '!')) > 0
LIMIT ?
"""

# What the protocol tells the seats is the same in every episode, so it is not searched.
SAID = """
SELECT episode_id FROM messages
WHERE rowid >= ? AND rowid < ? AND (? OR list_contains(?::VARCHAR[], run_id))
    AND author <> 'protocol' AND "text" ILIKE ? ESCAPE '!'
GROUP BY episode_id ORDER BY max(rowid) DESC LIMIT ?
"""
