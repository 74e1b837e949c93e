"""What is killed costs the calls in flight at most, and the store is as if nothing had happened.

`benchmarks/chaos.py` is the long form.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cli.running import here

from execution.disturbing import (
    CALLS_EACH,
    EPISODES_EACH,
    GATE,
    WORKER,
    Kill,
    Server,
    after,
    differences,
    end,
    journalled,
    kill_driver,
    kill_one,
    kill_while_held,
    lay_out_api,
    lay_out_files,
    repeats,
    spread_over_nodes,
)
from execution.staging import Running, count, rows

pytestmark = pytest.mark.long

QUESTIONS, CONCURRENCY = 5, 6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), latency=0.15) as server:
        yield server


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    return lay_out_api(tmp_path_factory.mktemp("experiment") / "e", server.api_base, QUESTIONS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, experiment: Path) -> Path:
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    assert here("run", experiment, "--engine", "local", "--store", store).code == 0
    return store


def assert_as_if_nothing_happened(
    store: Path, undisturbed: Path, server: Server, first: int, kills: list[Kill]
) -> None:
    served = server.served(first)
    assert differences(store, undisturbed) == []
    assert count(store, "episodes") == EPISODES_EACH * QUESTIONS
    kept = journalled(store)
    assert kept.usable == kept.keys == CALLS_EACH * QUESTIONS, "a call that is on record was made again"
    # So what was asked again was not answered the first time: the server had it under way at a kill.
    again = repeats(served, kills)
    assert again.unexplained == []
    assert again.found <= sum(kill.in_flight(served) for kill in kills)
    assert sum(each.usual for each in served) == kept.usable, "a request was answered twice"
    assert [kill.not_on_disk for kill in kills] == [0] * len(kills), "a reply went out and was not kept"
    assert {row["origin"] for row in rows(store, "SELECT DISTINCT origin FROM calls")} == {"made"}


def test_a_driver_that_is_killed_twice(tmp_path: Path, server: Server, experiment: Path, undisturbed: Path) -> None:
    store = tmp_path / "store"
    first = len(server.served())
    kills = []
    for more in (10, 15):
        run = Running(tmp_path, experiment, "--engine", "local", "--concurrency", CONCURRENCY, "--store", store)
        after(server, len(server.served()), more, run)
        killed = kill_while_held(server, store, partial(kill_driver, run), first)
        assert killed is not None
        kills.append(killed)
    assert 0 < journalled(store).calls < CALLS_EACH * QUESTIONS
    last = here("run", experiment, "--engine", "local", "--store", store)
    assert last.code == 0, last
    assert_as_if_nothing_happened(store, undisturbed, server, first, kills)


def test_a_worker_and_the_gate_that_are_killed(
    tmp_path: Path, server: Server, experiment: Path, undisturbed: Path
) -> None:
    store = tmp_path / "store"
    first = len(server.served())
    run = Running(tmp_path, experiment, "--workers", 2, "--concurrency", CONCURRENCY, "--store", store)
    kills = []
    try:
        for title in (WORKER, GATE):
            after(server, len(server.served()), 12, run)
            kill = partial(kill_one, run.process.pid, title, random.Random(0))
            killed = kill_while_held(server, store, kill, first)
            assert killed is not None, "nothing to kill"
            kills.append(killed)
        ran = run.ended()
    finally:
        end(run)
    assert ran.code == 0, ran
    assert "Traceback" not in ran.err + ran.out
    assert_as_if_nothing_happened(store, undisturbed, server, first, kills)


def test_a_run_spreads_over_two_nodes_and_the_store_stays_with_the_driver(tmp_path: Path) -> None:
    assert spread_over_nodes(tmp_path, questions=100) == []


CRASHES = '''\
import os

from oversight import Protocol


class Ask(Protocol):
    """Takes its process with it on one question."""

    name = "crashes"
    roles = ("judge",)

    async def run(self, episode):
        judge = episode.seat("judge")
        if episode.question.id == "q3" and not episode.dry_run:
            os._exit(1)
        return await judge.decide("plead")
'''


def test_a_plugin_that_kills_its_worker_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oversight.execution.ray_engine._TRIES", 2)
    experiment, store = lay_out_files(tmp_path / "e", 6), tmp_path / "store"
    (experiment.parent / "ask.py").write_text(CRASHES)
    before = dict(os.environ)
    ran = here("run", experiment, "--workers", 1, "--concurrency", 1, "--store", store)
    assert ran.code == 1, ran
    changed = {name for name, _ in os.environ.items() ^ before.items()}
    assert not any(name.startswith(("RAY", "PYTHON")) for name in changed)
    assert "Traceback" not in ran.err + ran.out
    found = rows(store, "SELECT status, failure, detail, count(*) AS n FROM episodes GROUP BY ALL ORDER BY status")
    assert [(row["status"], row["failure"], row["n"]) for row in found] == [
        ("failed", "plugin", 1),
        ("judged", None, 5),
    ]
    assert "its worker's process died 2 times" in found[0]["detail"]
