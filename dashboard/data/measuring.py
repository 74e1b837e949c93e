"""How long each query of the dashboard takes, for ``benchmarks/big_store.py``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from oversight.store.access import Parameter
from oversight.store.transcript import QUERY

from . import episodes, runs
from .access import select
from .search import MOST, QUESTIONS, SAID, SLICE
from .transcript import ATTEMPTS

__all__ = ["Timing", "timings"]

_TIMES = 5


class Timing(NamedTuple):
    """One query: its first run and its best one, opening the file included."""

    name: str
    first_ms: float
    best_ms: float
    rows: int


def timings() -> Iterator[Timing]:
    """Every query that a page makes, with the widest filters and with narrow ones."""
    run = str(select("SELECT run_id FROM runs ORDER BY run_id LIMIT 1")[0]["run_id"])
    episode = str(select("SELECT episode_id FROM episodes WHERE protocol = 'debate' LIMIT 1")[0]["episode_id"])
    messages = int(select("SELECT max(rowid) AS n FROM messages")[0]["n"])
    every, one = episodes.Filter(), episodes.Filter(run=run)
    yield _timed("open the file (SELECT 1)", "SELECT 1", ())
    yield _timed("Runs: all runs", runs.RUNS, ())
    yield _timed("Runs: arms of one", runs.ARMS, (run,))
    yield _timed("Transcripts: what to filter by", episodes.OFFERED, (None, None))
    for name, wanted in (("all", every), ("one run", one)):
        yield _listed(f"Transcripts: {name}, first page", wanted, 0)
        yield _placed(f"Transcripts: {name}, next and previous", wanted, episode)
        for outcome in ("right", "confidently wrong", "failed"):
            yield _listed(f"Transcripts: {name}, {outcome}", wanted._replace(outcome=outcome), 0)
    yield _listed("Transcripts: all, at row 50,000", every, 50_000)
    narrow = every._replace(protocol="debate", task="quality", outcome="wrong")
    yield _listed("Transcripts: task, protocol and wrong", narrow, 0)
    yield _placed("Transcripts: task, protocol and wrong, next and previous", narrow, episode)
    found = tuple(row["episode_id"] for row in select("SELECT episode_id FROM episodes LIMIT 2000"))
    yield _listed("Transcripts: 2,000 search hits", every._replace(found=found, questions=()), 0)
    yield _timed("search: questions", QUESTIONS, ("%xylophonist%", "%xylophonist%", MOST))
    half = messages // 2
    slice_: list[Parameter] = [half, half + SLICE, True, [], "%xylophonist%", MOST]
    yield _timed(f"search: one slice of {SLICE:,} messages", SAID, slice_)
    yield _timed("one transcript: its attempts", ATTEMPTS, (episode[:12],))
    yield _timed("one transcript", QUERY, (episode, None, None))


def _listed(name: str, wanted: episodes.Filter, offset: int) -> Timing:
    sql, bound = episodes.list_query(wanted, 50, offset)
    return _timed(name, sql, bound)


def _placed(name: str, wanted: episodes.Filter, episode: str) -> Timing:
    sql, bound = episodes.place_query(wanted, episode)
    return _timed(name, sql, bound)


def _timed(name: str, sql: str, params: Sequence[Parameter]) -> Timing:
    took: list[float] = []
    rows = 0
    for _ in range(_TIMES):
        started = time.perf_counter()
        rows = len(select(sql, params))
        took.append(1000 * (time.perf_counter() - started))
    return Timing(name, took[0], min(took), rows)
