"""Whether anything is lost, or paid for twice, when parts of a run are killed at random moments.

    .venv/bin/python benchmarks/chaos.py [--kills N] [--seed N] [--kinds driver,worker,gate,node] [--faults SHARE]
    .venv/bin/python benchmarks/chaos.py --two-nodes

Each kind has a run of its own: the driver is killed and the same command given again; a worker's or the gate's
process is killed and the run goes on; a node of a two-node cluster is killed, all its processes at once, and another
takes its place. At a kill the server, which is never killed, lets no reply out, and those that went out must be on
disk: so what is in flight is known exactly, by the server's own record. In the end each store must equal that of an
undisturbed run, no request may have been answered twice, and only requests that were in flight at a kill may have been
made again. Exits 1 if not.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from execution.disturbing import (
    CALLS_EACH,
    EPISODES_EACH,
    GATE,
    WORKER,
    Kill,
    Nodes,
    Server,
    after,
    differences,
    end,
    journalled,
    kill_driver,
    kill_one,
    kill_while_held,
    lay_out_api,
    repeats,
    spread_over_nodes,
)
from execution.staging import Running

CONCURRENCY = 12
_CALLS_A_KILL = 70
"""How many calls of work there are for each kill."""

_LATENCY_S = {"node": 1.5}
"""How slow the server is, where it is not the usual: another node takes ten seconds to start."""

_USUAL_LATENCY_S = 0.3
_LONGEST_RUN_S = 600.0


class Disturbed(NamedTuple):
    """What one kind of kill left behind."""

    store: Path
    kills: list[Kill]
    code: int
    said: str


class Setting(NamedTuple):
    """Where a kind of kill is tried."""

    folder: Path
    experiment: Path
    server: Server
    rng: random.Random
    kills: int
    running: list[Running]

    @property
    def store(self) -> Path:
        """Of the disturbed run."""
        return self.folder / "store"

    def run(self, *options: object, variables: Mapping[str, str] = MappingProxyType({})) -> Running:
        """Give the command that starts the run, or goes on with it."""
        told = ("--concurrency", CONCURRENCY, "--store", self.store)
        self.running.append(Running(self.folder, self.experiment, *told, *options, variables=variables))
        return self.running[-1]

    def kill(self, kill: Callable[[], Kill | None]) -> Kill | None:
        """Kill something while no reply is on its way."""
        return kill_while_held(self.server, self.store, kill)

    def end(self) -> None:
        """Leave nothing of a run behind, whatever came of it."""
        for run in self.running:
            end(run)


def drivers(setting: Setting) -> Disturbed:
    """Kill the driver, on Ray and in-process by turns: while calls are made, or at any time, starting up included."""
    kills: list[Kill] = []
    rng = setting.rng
    for number in range(setting.kills):
        run = setting.run(*(("--engine", "local") if number % 2 else ("--workers", 2)))
        if rng.random() < 0.2:
            time.sleep(rng.uniform(0.5, 8.0))
        else:
            after(setting.server, _count(setting.server), rng.randint(1, 60), run)
            time.sleep(rng.uniform(0, 0.3))
        if run.process.poll() is not None:
            return Disturbed(setting.store, kills, *_ended(run))
        if killed := setting.kill(partial(kill_driver, run)):
            kills.append(killed)
    return Disturbed(setting.store, kills, *_ended(setting.run("--workers", 2)))


def actors(title: str) -> Callable[[Setting], Disturbed]:
    """Kill processes of one title while a run on Ray goes on."""

    def kill(setting: Setting) -> Disturbed:
        run = setting.run("--workers", 2)
        kills: list[Kill] = []
        while len(kills) < setting.kills and run.process.poll() is None:
            after(setting.server, _count(setting.server), setting.rng.randint(1, 40), run)
            time.sleep(setting.rng.uniform(0, 0.5))
            if killed := setting.kill(partial(kill_one, run.process.pid, title, setting.rng)):
                kills.append(killed)
        return Disturbed(setting.store, kills, *_ended(run))

    return kill


def nodes(setting: Setting) -> Disturbed:
    """Kill the second of two nodes, and start another in its place."""
    with Nodes() as cluster:
        second = cluster.start()
        run = setting.run("--address", cluster.address, "--workers", 2, variables=cluster.environment)
        kills: list[Kill] = []
        while len(kills) < setting.kills and run.process.poll() is None:
            seen = _count(setting.server)
            while not cluster.workers(second) and run.process.poll() is None:
                time.sleep(0.05)
            after(setting.server, seen, setting.rng.randint(20, 60), run)
            time.sleep(setting.rng.uniform(0, 0.5))
            if killed := setting.kill(partial(cluster.kill, second)):
                kills.append(killed)
            second = cluster.start()
        return Disturbed(setting.store, kills, *_ended(run))


KINDS = {"driver": drivers, "worker": actors(WORKER), "gate": actors(GATE), "node": nodes}
_SHARES = {"driver": 0.3, "worker": 0.3, "gate": 0.26, "node": 0.14}


def _count(server: Server) -> int:
    return len(server.served())


def _ended(run: Running) -> tuple[int, str]:
    """Wait for a run's end; its exit code and what it said."""
    try:
        run.process.wait(_LONGEST_RUN_S)
    except subprocess.TimeoutExpired:
        return -1, f"no end within {_LONGEST_RUN_S:.0f} s: {run.err.read_text()}"
    ran = run.ended(1)
    return ran.code, ran.out + ran.err


def chaos(folder: Path, kills: int, seed: int, kinds: Sequence[str], faults: float) -> list[str]:
    """Try every kind, print a table, and return what went wrong."""
    each = _shared(kills, kinds)
    questions = -(-max(each.values()) * _CALLS_A_KILL // CALLS_EACH)
    wrong: list[str] = []
    # A judge that states its belief has no probabilities to go without after a useless reply.
    belief = "stated" if faults else "logprob"
    with Server(folder) as server:
        port = server.port
        experiment = lay_out_api(folder / "e", server.api_base, questions, belief=belief)
        started = time.monotonic()
        alone = Setting(folder, experiment, server, random.Random(seed), 0, [])
        try:
            code, said = _ended(alone.run("--engine", "local"))
        finally:
            alone.end()
        seconds, calls = time.monotonic() - started, _count(server)
    if code:
        return [f"the undisturbed run ended with {code}: {said}"]
    print(f"seed {seed}: {questions * EPISODES_EACH} episodes with {calls} calls, undisturbed {seconds:.0f} s")
    print("kind    kills  seconds  requests  in flight at kills  made again  unexplained  answered twice  store")
    for kind in kinds:
        here = folder / kind
        here.mkdir()
        options = {"faults": faults, "seed": seed, "latency": _LATENCY_S.get(kind, _USUAL_LATENCY_S)}
        with Server(here, port=port, **options) as server:
            setting = Setting(here, experiment, server, random.Random(f"{seed} {kind}"), each[kind], [])
            started = time.monotonic()
            try:
                left = KINDS[kind](setting)
                for _ in range(5):
                    # What failed is tried again, as a user would do it.
                    if left.code != 1 or not faults:
                        break
                    left = Disturbed(left.store, left.kills, *_ended(setting.run("--engine", "local")))
                wrong += judge(kind, left, setting, folder / "store", time.monotonic() - started)
            finally:
                setting.end()
    return wrong


def judge(kind: str, left: Disturbed, setting: Setting, undisturbed: Path, seconds: float) -> list[str]:
    """Print a row of the table, and return what is wrong with it."""
    served = setting.server.served()
    again = repeats(served, left.kills)
    kept = journalled(left.store)
    unlike = differences(left.store, undisturbed)
    in_flight = sum(kill.in_flight(served) for kill in left.kills)
    usual = [each.digest for each in served if each.usual]
    twice = len(usual) - len(set(usual))
    print(
        f"{kind:7} {len(left.kills):5}  {seconds:7.0f}  {len(served):8}  {in_flight:18}  {again.found:10}  "
        f"{len(again.unexplained):11}  {twice:14}  {'unlike' if unlike else 'equal'}",
        flush=True,
    )
    wrong = [f"{kind}: {each}" for each in [*again.unexplained, *unlike]]
    if left.code:
        wrong.append(f"{kind}: the last run ended with {left.code}: {left.said[-2000:]}")
    if len(left.kills) < setting.kills:
        wrong.append(f"{kind}: the run was over after {len(left.kills)} of {setting.kills} kills")
    if late := sum(kill.not_on_disk for kill in left.kills):
        wrong.append(f"{kind}: {late} replies had gone out at a kill and were not on disk")
    if twice:
        wrong.append(f"{kind}: {twice} requests were answered twice")
    if kept.usable != kept.keys:
        wrong.append(f"{kind}: {kept.usable - kept.keys} calls were made that were on record")
    if len(set(usual)) != kept.keys:
        wrong.append(f"{kind}: {len(set(usual))} requests were answered, {kept.keys} are on record")
    return wrong


def _shared(kills: int, kinds: Sequence[str]) -> dict[str, int]:
    """How many kills of each kind."""
    whole = sum(_SHARES[kind] for kind in kinds)
    each = {kind: max(1, int(kills * _SHARES[kind] / whole)) for kind in kinds}
    each[kinds[0]] += max(0, kills - sum(each.values()))
    return each


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that fail besides")
    parser.add_argument("--two-nodes", action="store_true", help="only show that a run spreads over two nodes")
    told = parser.parse_args()
    # So that what was started is ended after a SIGTERM as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="oversight-chaos-") as name:
        if told.two_nodes:
            wrong = spread_over_nodes(Path(name), questions=200)
        else:
            wrong = chaos(Path(name), told.kills, told.seed, told.kinds.split(","), told.faults)
    print("\n".join(wrong) or "nothing lost, nothing answered twice, nothing made again that was not in flight")
    sys.exit(bool(wrong))
