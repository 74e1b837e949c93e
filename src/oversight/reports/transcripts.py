"""Many transcripts, read a page at a time: one by one each would cost a pass over the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oversight.core.question import Question
from oversight.store import Store, Transcript
from oversight.store.stored_episode import from_row
from oversight.util.ahead import ahead

__all__ = ["Page", "stored_pages", "transcripts"]

_SURVEY = 20_000
"""Of how many attempts the sizes are asked for at a time."""
_PAGE = 8_000
_PAGE_BYTES = 32 << 20
"""How many attempts, and how much of text, are held in memory at a time, as the store's columns."""
_DECODED = 100
"""How many are held as Python's objects."""

_CHILDREN: dict[str, tuple[str, ...]] = {
    "messages": ("idx",),
    "beliefs": (),
    "calls": ("number", "call_attempt"),
    "annotations": ("idx",),
}
"""The tables that hold what an attempt left behind, and the order of an attempt's rows."""

_Wanted = Sequence[tuple[str, int]]


def transcripts(store: Store, episodes: _Wanted, page: int = _PAGE) -> Iterator[Transcript]:
    """The stored attempts with these ids and numbers, in this order, each as `Store.transcript` gives it."""
    question: dict[tuple[str, tuple[int, ...]], Question] = {}
    for each in stored_pages(store, episodes, page):
        for some in each.slices(_DECODED):
            for row in some.to_pylist():
                if (row["question_key"], tuple(row["answer_order"])) not in question:
                    question.clear()  # those of one question stand together
                yield from_row(row, question)


def stored_pages(store: Store, episodes: _Wanted, page: int = _PAGE) -> Iterator[Page]:
    """The same, some at a time, as the columns of the store's tables."""
    yield from ahead(Page(store, part) for part in _parts(store, episodes, page))


def _bound(wanted: _Wanted) -> list[list[Any]]:
    return [[episode for episode, _ in wanted], [attempt for _, attempt in wanted], list(range(len(wanted)))]


def _among(query: str, runs: Sequence[str]) -> str:
    """A query about some runs only, whose rows lie together: what the other runs have left is not read."""
    return query.replace("{runs}", ", ".join("?" * len(runs)))


class _Part(NamedTuple):
    """What to read at a time: parts are of about equal size in memory, of short transcripts many, of long ones few."""

    wanted: _Wanted
    runs: list[str]
    heaviest: int


def _parts(store: Store, episodes: _Wanted, page: int) -> Iterator[_Part]:
    for start in range(0, len(episodes), _SURVEY):
        surveyed = episodes[start : start + _SURVEY]
        runs = store.arrow(_RUNS, _bound(surveyed))["run_id"].to_pylist()
        sizes = store.arrow(_among(_SIZES, runs), [*_bound(surveyed), *(4 * runs)])
        first = held = heaviest = 0
        asked: set[str] = set()
        columns = (each.to_pylist() for each in sizes.columns)
        for place, size, shown, question, question_size in zip(*columns, strict=True):
            if place > first and (held > _PAGE_BYTES or place - first >= page):
                yield _Part(surveyed[first:place], runs, heaviest)
                first, held, heaviest, asked = place, 0, 0, set()
            held += size if question in asked else size + question_size
            heaviest = max(heaviest, size + question_size * (1 + shown))
            asked.add(question)
        yield _Part(surveyed[first:], runs, heaviest)


class Page:
    """Some of the attempts, as columns.

    Attributes:
        attempts: how many there are.
        heaviest: the bytes of the largest of them, with its question as often as it stands in it.
    """

    def __init__(self, store: Store, part: _Part) -> None:
        self.attempts, self.heaviest = len(part.wanted), part.heaviest
        found = store.arrow(_among(_QUERY, part.runs), [*_bound(part.wanted), *(5 * part.runs)])
        self._questions = _records(found, "questions")
        episodes = _ordered(_records(found, "episodes"))
        self._asked = pc.index_in(episodes["question_key"], self._questions["question_key"])
        self._episodes = pa.Table.from_batches([episodes.drop_columns("place")])
        for name, order in _CHILDREN.items():
            records = _by_attempt(_records(found, name), order, self.attempts)
            self._episodes = self._episodes.append_column(name, records)

    def slices(self, size: int) -> Iterator[pa.Table]:
        """Yield the attempts in order, ``size`` at a time, each as the row that `from_row` takes."""
        for first in range(0, self.attempts, size):
            # Only now, because many attempts share a question, and its material can be long.
            questions = self._questions.take(self._asked.slice(first, size)).to_struct_array()
            yield self._episodes.slice(first, size).append_column("question", questions)


def _records(found: pa.Table, name: str) -> pa.RecordBatch:
    """Return what one of the store's tables has of a page's attempts, in no order."""
    return pa.RecordBatch.from_struct_array(found[name].combine_chunks().flatten())


def _ordered(records: pa.RecordBatch, order: Sequence[str] = ()) -> pa.RecordBatch:
    return records.take(pc.sort_indices(records, sort_keys=[(name, "ascending") for name in ("place", *order)]))


def _by_attempt(records: pa.RecordBatch, order: Sequence[str], attempts: int) -> pa.ListArray:
    """Return the records of each attempt of a page as one list."""
    records = _ordered(records, order)
    bounds = np.searchsorted(records["place"].to_numpy(), np.arange(attempts + 1))
    return pa.ListArray.from_arrays(bounds.astype(np.int32), records.drop_columns("place").to_struct_array())


# Each query is bound to the ids, attempts and places wanted, and then to the runs wherever `runs` stands in it.
_RUNS = """
WITH wanted AS (
    SELECT unnest(?::VARCHAR[]) AS episode_id, unnest(?::INTEGER[]) AS attempt, unnest(?::INTEGER[]) AS place
)
SELECT DISTINCT run_id FROM episodes JOIN wanted USING (episode_id, attempt)
"""

_SIZES = """
WITH wanted AS (
    SELECT unnest(?::VARCHAR[]) AS episode_id, unnest(?::INTEGER[]) AS attempt, unnest(?::INTEGER[]) AS place
),
parts AS (
    SELECT episode_id, attempt, 200 + coalesce(strlen("text"), 0) AS bytes, "text" IS NULL AS shown
    FROM messages WHERE run_id IN ({runs})
    UNION ALL
    SELECT episode_id, attempt, 100 + strlen(data), false FROM annotations WHERE run_id IN ({runs})
    UNION ALL
    SELECT episode_id, attempt, 300, false FROM calls WHERE run_id IN ({runs})
),
sizes AS (
    SELECT place, sum(bytes) AS bytes, count(*) FILTER (shown) AS shown
    FROM parts JOIN wanted USING (episode_id, attempt) GROUP BY place
)
SELECT
    place,
    1000 + coalesce(sizes.bytes, 0)::BIGINT AS bytes,
    coalesce(shown, 0) AS shown,
    question_key,
    strlen(concat(prompt, material, answers::VARCHAR, worked::VARCHAR))::BIGINT AS question_bytes
FROM wanted
JOIN episodes USING (episode_id, attempt)
JOIN questions USING (question_key)
LEFT JOIN sizes USING (place)
WHERE episodes.run_id IN ({runs})
ORDER BY place
"""

# One query, so that its parts are of one moment: one row, each of whose columns is all rows of one table.
_QUERY = """
WITH wanted AS (
    SELECT unnest(?::VARCHAR[]) AS episode_id, unnest(?::INTEGER[]) AS attempt, unnest(?::INTEGER[]) AS place
),
chosen AS MATERIALIZED (
    SELECT place, episodes.* FROM episodes JOIN wanted USING (episode_id, attempt) WHERE run_id IN ({runs})
)
SELECT
    (SELECT list(q) FROM questions AS q SEMI JOIN chosen USING (question_key)) AS questions,
    (SELECT list(chosen) FROM chosen) AS episodes,
    (SELECT list(m) FROM (
        SELECT place, messages.* EXCLUDE (run_id, episode_id, attempt)
        FROM messages JOIN wanted USING (episode_id, attempt) WHERE run_id IN ({runs})
    ) AS m) AS messages,
    (SELECT list(b) FROM (
        SELECT place, beliefs.* EXCLUDE (run_id, episode_id, attempt)
        FROM beliefs JOIN wanted USING (episode_id, attempt) WHERE run_id IN ({runs})
    ) AS b) AS beliefs,
    (SELECT list(c) FROM (
        SELECT place, calls.* EXCLUDE (run_id, episode_id, attempt)
        FROM calls JOIN wanted USING (episode_id, attempt) WHERE run_id IN ({runs})
    ) AS c) AS calls,
    (SELECT list(a) FROM (
        SELECT place, annotations.* EXCLUDE (run_id, episode_id, attempt)
        FROM annotations JOIN wanted USING (episode_id, attempt) WHERE run_id IN ({runs})
    ) AS a) AS annotations
"""
