"""Many transcripts, read a page at a time: one by one each would cost a pass over the store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from oversight.question import Question
from oversight.store import Store, Transcript
from oversight.store.transcript import from_row

__all__ = ["stored_rows", "transcripts"]

_SURVEY = 20_000
"""Of how many attempts the sizes are asked for at a time."""
_PAGE = 8_000
_PAGE_BYTES = 16 << 20
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
    for row in stored_rows(store, episodes, page):
        if (row["question_key"], tuple(row["answer_order"])) not in question:
            question.clear()  # those of one question stand together
        yield from_row(row, question)


def stored_rows(store: Store, episodes: _Wanted, page: int = _PAGE) -> Iterator[dict[str, Any]]:
    """The same, each as the row that `oversight.store.transcript.from_row` takes, without null for an empty list."""
    with ThreadPoolExecutor(1) as reading:  # one page ahead: DuckDB needs no lock of Python's
        coming: Future[_Page] | None = None
        for wanted, runs in _pages(store, episodes, page):
            now, coming = coming, reading.submit(_Page, store, wanted, runs)
            if now is not None:
                yield from now.result().rows()
        if coming is not None:
            yield from coming.result().rows()


def _bound(wanted: _Wanted) -> list[list[Any]]:
    return [[episode for episode, _ in wanted], [attempt for _, attempt in wanted], list(range(len(wanted)))]


def _among(query: str, runs: Sequence[str]) -> str:
    """A query about some runs only, whose rows lie together: what the other runs have left is not read."""
    return query.replace("{runs}", ", ".join("?" * len(runs)))


def _pages(store: Store, episodes: _Wanted, page: int) -> Iterator[tuple[_Wanted, list[str]]]:
    """Parts of about equal size in memory, of short transcripts many, of long ones few; and the runs that made them."""
    for start in range(0, len(episodes), _SURVEY):
        surveyed = episodes[start : start + _SURVEY]
        runs = store.arrow(_RUNS, _bound(surveyed))["run_id"].to_pylist()
        sizes = store.arrow(_among(_SIZES, runs), [*_bound(surveyed), *(4 * runs)])
        first = held = 0
        asked: set[str] = set()
        for place, size, question, question_size in zip(*(each.to_pylist() for each in sizes.columns), strict=True):
            if place > first and (held > _PAGE_BYTES or place - first >= page):
                yield surveyed[first:place], runs
                first, held, asked = place, 0, set()
            held += size if question in asked else size + question_size
            asked.add(question)
        yield surveyed[first:], runs


class _Page:
    """Some of the attempts, as the store's columns."""

    def __init__(self, store: Store, wanted: _Wanted, runs: list[str]) -> None:
        self._attempts = len(wanted)
        self._found = store.arrow(_among(_QUERY, runs), [*_bound(wanted), *(5 * runs)])

    def rows(self) -> Iterator[dict[str, Any]]:
        """One after the other."""
        found, attempts = self._found, self._attempts
        questions = {row["question_key"]: row for row in found["questions"][0].as_py()}
        episodes = _Table(found["episodes"], attempts, ())
        children = [_Table(found[name], attempts, order) for name, order in _CHILDREN.items()]
        for first in range(0, attempts, _DECODED):
            last = min(first + _DECODED, attempts)
            those = zip(*(table.rows(first, last) for table in children), strict=True)
            for (row,), records in zip(episodes.rows(first, last), those, strict=True):
                row.update(zip(_CHILDREN, records, strict=True))
                row["question"] = questions[row["question_key"]]
                yield row


class _Table:
    """The rows of one table that a page of attempts has, ordered by attempt."""

    def __init__(self, listed: pa.ChunkedArray, attempts: int, order: Sequence[str]) -> None:
        self._rows = pa.RecordBatch.from_struct_array(listed.combine_chunks().flatten())
        self._order = pc.sort_indices(self._rows, sort_keys=[(name, "ascending") for name in ("place", *order)])
        places = self._rows["place"].take(self._order).to_pylist()
        self._bounds = [bisect_left(places, attempt) for attempt in range(attempts + 1)]
        self._names = [name for name in self._rows.schema.names if name != "place"]

    def rows(self, first: int, last: int) -> Iterator[list[dict[str, Any]]]:
        """The rows of each of the attempts from ``first`` to before ``last``."""
        begin, end = self._bounds[first], self._bounds[last]
        some = self._rows.take(self._order[begin:end])
        columns = [some[name].to_pylist() for name in self._names]
        rows = [dict(zip(self._names, values, strict=True)) for values in zip(*columns, strict=True)]
        for attempt in range(first, last):
            yield rows[self._bounds[attempt] - begin : self._bounds[attempt + 1] - begin]


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
    SELECT episode_id, attempt, 200 + coalesce(strlen("text"), 0) AS bytes FROM messages WHERE run_id IN ({runs})
    UNION ALL
    SELECT episode_id, attempt, 100 + strlen(data) FROM annotations WHERE run_id IN ({runs})
    UNION ALL
    SELECT episode_id, attempt, 300 FROM calls WHERE run_id IN ({runs})
),
sizes AS (SELECT place, sum(bytes) AS bytes FROM parts JOIN wanted USING (episode_id, attempt) GROUP BY place)
SELECT
    place,
    1000 + coalesce(sizes.bytes, 0)::BIGINT AS bytes,
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
