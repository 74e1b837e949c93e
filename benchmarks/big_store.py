"""A store of many episodes as they really are, and how long the dashboard's queries take on it.

    .venv/bin/python benchmarks/big_store.py write DIRECTORY [EPISODES]
    .venv/bin/python benchmarks/big_store.py measure DIRECTORY

``write`` goes through `StoreWriter` like any run: several runs, arms, protocols, casts and tasks, with messages,
quotes, beliefs, priced calls, failures, labelled steps, trees, and one run that looks as if it were under way.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pyarrow as pa

from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.chat import CallRecord
from oversight.core.message import PROTOCOL, Kind, Message
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.question import Answer, Item, Question
from oversight.core.side import Side
from oversight.core.verdict import Annotation, Verdict
from oversight.prompting.quotes import find_quotes
from oversight.store import Parameter, RunRow, Store, StoreWriter, open_store
from oversight.util.digest import digest

EPISODES = 100_000
_RUNS = 12
_BATCH = 512
_TIMES = 5
_TASKS = ("quality", "gsm8k", "truthfulqa")
_CASTS = (("openai/gpt-5-nano", "openai/gpt-5"), ("hosted_vllm/Qwen3-4B", "hosted_vllm/Qwen3-32B"))
_ARMS = ("direct", "consultancy", "debate", "process_supervision", "amplification")
_FAILURES = ("refused", "truncated", "rate_limited", "unparsable", "timeout")
_RARE = "xylophonist"
"""A word that one message in 20,000 has, to search for."""

_OF_RUN = "SELECT arm FROM plan WHERE run_id = ? GROUP BY 1 ORDER BY min(arm_no)"

_TEXT = """
the of and to in a is that it was for on are as with his they at be this from have or by one had not but what all were
when we there can an your which their said if do will each about how up out them then she many some so these would other
into has more her two like him see time could no make than first been its who now people my made over did down only way
find use may water long little very after words called just where most know answer judge passage evidence argues claim
therefore because shows states quotation opponent misleading story character night ship door
"""
_WORDS = tuple(_TEXT.split())


class _Planned(NamedTuple):
    run: int
    arm_no: int
    spec: EpisodeSpec
    item: Item


def write(directory: Path, episodes: int = EPISODES, runs: int = _RUNS) -> None:
    """Write the store; an existing one is added to."""
    rng, started = random.Random(0), time.perf_counter()
    with StoreWriter.open(directory) as writer:
        for run in range(runs):
            run_id = f"bench{run:02d}-{digest(['run', run])[:8]}"
            began = datetime.now(UTC) - timedelta(hours=6 * (runs - run))
            planned = list(_plan(rng, run, episodes // runs))
            name = f"study {run + 1}: {_TASKS[run % len(_TASKS)]}"
            settings = {"name": name, "task": _TASKS[run % len(_TASKS)], "seed": run}
            writer.begin(RunRow(run_id, name, settings, dict.fromkeys(_ARMS, "1-f00"), run, began, "0.1.0"))
            writer.plan(run_id, [(p.arm_no, p.spec) for p in planned], [(p.spec.task, p.item) for p in planned])
            writer.event(run_id, "started")
            live = runs > 1 and run == runs - 1
            done = planned[: int(len(planned) * 0.6)] if live else planned
            batch: list[tuple[EpisodeSpec, EpisodeOutcome]] = []
            for place, each in enumerate(done):
                at = began + timedelta(seconds=0.8 * place)
                batch += _attempts(rng, each.spec, at)
                if len(batch) >= _BATCH:
                    writer.write(run_id, batch)
                    batch = []
            writer.write(run_id, batch)
            if not live:
                writer.event(run_id, "interrupted" if run % 5 == 4 else "finished")
            print(f"{run_id}: {len(done)} episodes, {time.perf_counter() - started:.0f} s", flush=True)


def _plan(rng: random.Random, run: int, episodes: int) -> Iterator[_Planned]:
    task, arms = _TASKS[run % len(_TASKS)], len(_ARMS) * len(_CASTS)
    for number in range(episodes // arms):
        question = Question(
            id=f"q{run}-{number}",
            prompt=f"{_prose(rng, 18).capitalize()}?",
            answers=tuple(Answer(text=_prose(rng, 6)) for _ in range(2)),
            material=_prose(rng, 400),
            cluster=f"story-{number // 5}",
        )
        item = Item(question=question, gold=rng.randrange(2))
        for arm_no, (protocol, (judge, strong)) in enumerate((p, cast) for p in _ARMS for cast in _CASTS):
            order = (0, 1) if rng.random() < 0.5 else (1, 0)
            yield _Planned(
                run,
                arm_no,
                EpisodeSpec(
                    episode_id=digest(["episode", run, number, arm_no])[:24],
                    arm=f"{protocol} {judge.rpartition('/')[2]}",
                    task=task,
                    protocol=protocol,
                    protocol_version="1-f00",
                    protocol_key=protocol,
                    options={"rounds": 3} if protocol == "debate" else {},
                    cast={"judge": (judge,), "strong": (strong,)},
                    judge=judge,
                    strong=strong,
                    question=question.presented(order),
                    question_key=item.key,
                    answer_order=order,
                    assignment=(0, 1) if protocol in ("debate", "consultancy") else (),
                    seed=run,
                    repeat=0,
                ),
                item,
            )


def _attempts(rng: random.Random, spec: EpisodeSpec, at: datetime) -> list[tuple[EpisodeSpec, EpisodeOutcome]]:
    """Mostly one that is judged; now and then a failure, half of which were tried again."""
    if rng.random() > 0.02:
        return [(spec, _outcome(rng, spec, at))]
    failed = _outcome(rng, spec, at).model_copy(
        update={"status": "failed", "verdict": None, "failure": rng.choice(_FAILURES), "detail": "the model said no"}
    )
    again = spec.model_copy(update={"attempt": 1})
    return [(spec, failed)] + ([(again, _outcome(rng, again, at))] if rng.random() < 0.5 else [])


def _outcome(rng: random.Random, spec: EpisodeSpec, at: datetime) -> EpisodeOutcome:
    rounds = {"direct": 0, "consultancy": 3, "debate": 3}.get(spec.protocol, 2)
    seats = ("debater_a", "debater_b") if spec.protocol == "debate" else ("consultant",)
    messages = [_told("judge"), *(_told(seat) for seat in seats)]
    messages.append(Message(author=PROTOCOL, audience=seats, kind=Kind.MATERIAL, text=spec.question.material or ""))
    calls = 0
    for turn in range(rounds):
        for seat in seats:
            messages.append(_said(rng, spec, seat, turn, calls))
            calls += 1
        messages.append(_held(rng, turn, calls))
        calls += 1
    belief = _belief(rng)
    messages.append(Message(author="judge", audience=None, kind=Kind.VERDICT, text="A", belief=belief, call=calls))
    return EpisodeOutcome(
        episode_id=spec.episode_id,
        attempt=spec.attempt,
        status="judged",
        started_at=at,
        duration_s=rng.uniform(2, 40),
        messages=tuple(messages),
        calls=tuple(_call(rng, spec, number) for number in range(calls + 1)),
        sides=tuple(Side(seat=seat, argues=place) for place, seat in enumerate(seats)) if spec.assignment else (),
        verdict=Verdict(belief=belief, annotations=tuple(_notes(rng, spec))),
    )


def _notes(rng: random.Random, spec: EpisodeSpec) -> Iterator[Annotation]:
    if spec.protocol == "process_supervision":
        for step in range(4):
            data = {"solution": 0, "step": step, "label": "correct", "p_correct": rng.random(), "text": _prose(rng, 12)}
            yield Annotation(kind="step", data=data | {"votes": 1})
        whole = {"solution": 0, "answer": 0, "score": rng.random(), "steps": 4, "labelled": 4, "writer": None}
        yield Annotation(kind="solution", data=whole | {"first_error": None, "unparsable": 0, "revisions": 0})
    if spec.protocol == "amplification":
        for node, parent in (("0", None), ("1", "0"), ("2", "0"), ("2.1", "2")):
            data = {"node": node, "parent": parent, "question": _prose(rng, 8), "answer": _prose(rng, 12)}
            yield Annotation(kind="node", data=data | {"how": "leaf", "by": "x", "agreed": None, "calls": 1})


@cache
def _told(seat: str) -> Message:
    return Message(author=PROTOCOL, audience=(seat,), kind=Kind.BRIEF, text=f"You are {seat}. " + "Be honest. " * 40)


def _said(rng: random.Random, spec: EpisodeSpec, seat: str, turn: int, call: int) -> Message:
    material = spec.question.material or ""
    begin = rng.randrange(len(material) - 80)
    quote = material[begin : begin + 60].partition(" ")[2].rpartition(" ")[0]
    wrong = rng.random() < 0.2
    rare = _RARE if rng.random() < 1 / 20_000 else ""
    text = f"{_prose(rng, 60)} <quote>{'moon ' if wrong else ''}{quote}</quote> {_prose(rng, 30)} {rare}"
    quotes = find_quotes(text, material)
    return Message(author=seat, audience=None, kind=Kind.SPEECH, text=text, turn=turn, quotes=quotes, call=call)


def _held(rng: random.Random, turn: int, call: int) -> Message:
    return Message(
        author="judge", audience=(), kind=Kind.BELIEF, text="A: 0.6", turn=turn, belief=_belief(rng), call=call
    )


def _belief(rng: random.Random) -> Belief:
    if rng.random() < 0.01:
        return Belief(probs=None, source=BeliefSource.STATED, status=BeliefStatus.ABSTAINED)
    p = rng.betavariate(2, 1)
    return Belief(probs=(p, 1 - p), source=BeliefSource.STATED)


def _call(rng: random.Random, spec: EpisodeSpec, number: int) -> CallRecord:
    role = ("strong", "judge")[number % 2]
    return CallRecord(
        number=number,
        seat=role,
        role=role,
        purpose="speak",
        attempt=0,
        model=spec.cast[role][0],
        resolved_model=spec.cast[role][0],
        provider="openai",
        prompt_tokens=rng.randrange(400, 4000),
        completion_tokens=rng.randrange(20, 400),
        cost_usd=rng.random() / 1000,
        latency_s=rng.uniform(0.3, 9),
        finish_reason="stop",
    )


def _prose(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words))


def measure(directory: Path) -> None:
    """Open every page of the dashboard without a browser, five times each, and time the queries that it makes."""
    os.environ["OVERSIGHT_STORE"] = str(directory)
    logging.disable(logging.WARNING)  # Streamlit misses a server
    import streamlit as st

    st.cache_data.clear()
    print("| page | queries | slowest, first time, ms | the same at its best of 5, ms |\n|---|---|---|---|")
    for name, page, params in _visits(open_store(directory)):
        took: dict[int, list[float]] = {}
        for _ in range(_TIMES):
            st.cache_data.clear()
            for number, milliseconds in enumerate(_queries(page, params)):
                took.setdefault(number, []).append(milliseconds)
        slowest = max(took.values(), key=lambda each: each[0])
        print(f"| {name} | {len(took)} | {slowest[0]:.0f} | {min(slowest):.0f} |", flush=True)


def _visits(store: Store) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Name, page and address of what is opened: with the widest filters, and with narrow ones."""
    run, question = (
        store.arrow("SELECT run_id, min(question_key) FROM plan GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
        .to_pylist()[0]
        .values()
    )
    others = store.arrow("SELECT run_id FROM plan WHERE run_id <> ? GROUP BY 1 LIMIT 1", [run]).to_pylist()
    episode = store.arrow(
        "SELECT episode_id FROM episodes WHERE run_id = ? ORDER BY protocol <> 'debate', 1 LIMIT 1", [run]
    ).to_pylist()[0]["episode_id"]
    arms = [row["arm"] for row in store.arrow(_OF_RUN, [run]).to_pylist()]
    two = {"run": run, "one": arms[1], "other": arms[2]}
    yield "Runs", "runs", {}
    yield "Runs, one of them", "runs", {"run": run}
    for view in ("", "sides", "calibration", "turns", "cost", "people", "steps", "lost"):
        yield f"Results, {view or 'differences'}", "results", {"run": run, "view": view}
    yield "Transcripts", "transcripts", {}
    for outcome in ("right", "confidently wrong", "failed"):
        yield f"Transcripts, {outcome}", "transcripts", {"verdict": outcome}
        yield f"Transcripts of one run, {outcome}", "transcripts", {"verdict": outcome, "run": run}
    yield "Transcripts, page 1,000", "transcripts", {"page": "1000"}
    yield f"Transcripts, searched for '{_RARE}'", "transcripts", {"find": _RARE}
    yield "Transcripts of one run, searched for 'captain'", "transcripts", {"find": "captain", "run": run}
    yield "one transcript", "transcripts", {"episode": episode}
    yield "one transcript of a filtered list", "transcripts", {"episode": episode, "run": run, "verdict": "wrong"}
    yield "Compare, two arms", "compare", two
    yield "Compare, one question", "compare", {**two, "question": question}
    for other in others:
        yield "Compare, two runs", "compare", {"run": run, "run2": other["run_id"]}
    yield "Judge", "judge", {"run": run}


def _queries(page: str, params: dict[str, str]) -> list[float]:
    """Open a page as a browser would; the milliseconds that each of its queries took."""
    from streamlit.testing.v1 import AppTest

    took: list[float] = []
    ask = Store.arrow

    def timed(store: Store, sql: str, bound: Sequence[Parameter] = ()) -> pa.Table:
        started = time.perf_counter()
        try:
            return ask(store, sql, bound)
        finally:
            took.append(1000 * (time.perf_counter() - started))

    at = AppTest.from_function(_app, kwargs={"page": page}, default_timeout=60)
    for name, value in params.items():
        if value:
            at.query_params[name] = value
    with patch.object(Store, "arrow", timed):
        at.run()
    if at.exception:
        raise SystemExit(f"{page} {params}: {at.exception}")
    return took


def _app(page: str) -> None:
    from oversight.dashboard.app import PAGES
    from oversight.dashboard.shell import show

    show(PAGES, default=page)


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    if what == "write":
        write(where, int(sys.argv[3]) if len(sys.argv) > 3 else EPISODES)
    else:
        measure(where)
