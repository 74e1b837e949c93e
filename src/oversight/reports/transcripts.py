"""Many transcripts, read a page at a time: one by one each would cost a pass over the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oversight.store import Store, Transcript
from oversight.store.transcript import from_row

__all__ = ["transcripts"]

_PAGE = 200
"""How many are held in memory at a time."""


def transcripts(store: Store, episodes: Sequence[tuple[str, int]], page: int = _PAGE) -> Iterator[Transcript]:
    """The stored attempts with these ids and numbers, in this order, each as `Store.transcript` gives it."""
    for start in range(0, len(episodes), page):
        wanted = episodes[start : start + page]
        rows = store.arrow(_QUERY, [[episode for episode, _ in wanted], [attempt for _, attempt in wanted]])
        found = {(row["episode_id"], row["attempt"]): row for row in rows.to_pylist()}
        for key in wanted:
            yield from_row(found.pop(key))


# The query of `oversight.store.transcript`, for several. Rows that belong to an attempt share these columns.
_QUERY = """
WITH wanted AS (
    SELECT unnest(?::VARCHAR[]) AS episode_id, unnest(?::INTEGER[]) AS attempt
),
chosen AS MATERIALIZED (SELECT * FROM episodes SEMI JOIN wanted USING (episode_id, attempt)),
said AS (
    SELECT run_id, episode_id, attempt, list(m ORDER BY m.idx) AS messages
    FROM messages m SEMI JOIN chosen USING (run_id, episode_id, attempt) GROUP BY ALL
),
held AS (
    SELECT run_id, episode_id, attempt, list(b) AS beliefs
    FROM beliefs b SEMI JOIN chosen USING (run_id, episode_id, attempt) GROUP BY ALL
),
made AS (
    SELECT run_id, episode_id, attempt, list(c ORDER BY c.number, c.call_attempt) AS calls
    FROM calls c SEMI JOIN chosen USING (run_id, episode_id, attempt) GROUP BY ALL
),
noted AS (
    SELECT run_id, episode_id, attempt, list(a ORDER BY a.idx) AS annotations
    FROM annotations a SEMI JOIN chosen USING (run_id, episode_id, attempt) GROUP BY ALL
)
SELECT
    chosen.*,
    questions AS question,
    said.messages, held.beliefs, made.calls, noted.annotations
FROM chosen
JOIN questions ON questions.question_key = chosen.question_key
LEFT JOIN said USING (run_id, episode_id, attempt)
LEFT JOIN held USING (run_id, episode_id, attempt)
LEFT JOIN made USING (run_id, episode_id, attempt)
LEFT JOIN noted USING (run_id, episode_id, attempt)
"""
