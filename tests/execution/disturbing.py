"""Runs that something is killed under, and how to see that nothing was lost or paid for twice.

The server is a process of its own, so that it outlives what is killed. `benchmarks/soak.py` and
`benchmarks/chaos.py` are the long forms.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.request import Request, urlopen

from cli.running import environment

from execution.staging import ASK, LEANING, Running, rows, until
from oversight.errors import FailureClass
from oversight.testing.loopback import ServedReply

WORKER, GATE = "ray::_Actor", "ray::_GateActor"

# What must not depend on what was killed: everything but times, and for whom a shared call was made.
_OF_JUDGED = "JOIN outcomes o USING (episode_id, attempt) WHERE o.status = 'judged'"
COMPARED = {
    "episodes": "SELECT episode_id, arm, status, failure FROM outcomes ORDER BY ALL",
    "verdicts": f"SELECT episode_id, b.probs, b.source FROM beliefs b {_OF_JUDGED} AND final ORDER BY ALL",
    "messages": f"SELECT episode_id, idx, author, kind, audience, m.text FROM messages m {_OF_JUDGED} ORDER BY ALL",
    "calls": "SELECT episode_id, seat, purpose, call_attempt, prompt_tokens, completion_tokens, c.failure "
    f"FROM calls c {_OF_JUDGED} ORDER BY ALL",
}
PAID = frozenset({"blank", "truncated", "refusal"})
"""Faults that are replies all the same."""

CANARY = "PRIVATE-THOUGHT-"
"""How every thought of the loopback server is marked."""

_SAID = {
    "verdicts": f"SELECT episode_id, [round(p, 9) for p in b.probs] AS probs, b.source FROM beliefs b {_OF_JUDGED} "
    "AND final ORDER BY ALL",
    "speeches": f"SELECT episode_id, author, list(m.text ORDER BY idx) AS texts FROM messages m {_OF_JUDGED} "
    "AND m.kind = 'speech' GROUP BY ALL ORDER BY ALL",
}
"""What must not depend on the shape of replies; who had to be asked again, and what it took, may."""

_ADDRESS = re.compile(r"--address='([^']+)'")

_ON_DISK_S = 30.0
"""How long to wait for replies that went out to be on disk; a worker that has just begun imports much."""

_GONE_S = 60.0
"""How long to wait for what a killed driver leaves."""


class Server:
    """The loopback server in a process of its own."""

    def __init__(self, folder: Path, *, port: int = 0, **options: object) -> None:
        told = [f"--{name}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "oversight.testing.loopback", f"--port={port}", *told],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.api_base = self._process.stdout.readline().split(";")[0].removeprefix("serving at ")
        self._url = self.api_base.removesuffix("/v1") + "/requests"

    @property
    def port(self) -> int:
        return int(self.api_base.removesuffix("/v1").rpartition(":")[2])

    def served(self, first: int = 0) -> list[ServedReply]:
        """What became of every request from a number on."""
        with urlopen(f"{self._url}?from={first}", timeout=30) as response:
            return [ServedReply(**json.loads(line)) for line in response]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every reply back meanwhile."""
        self._tell("hold")
        try:
            yield
        finally:
            self._tell("release")

    def _tell(self, what: str) -> None:
        request = Request(self._url.removesuffix("/requests") + f"/{what}", data=b"{}", method="POST")
        with urlopen(request, timeout=60):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.communicate()


def lay_out_api(folder: Path, api_base: str, questions: int, *, timeout: float = 30, belief: str = "logprob") -> Path:
    """Write an experiment of five episodes and thirteen calls a question; return the experiment file."""
    folder.mkdir(parents=True)
    notes = [
        {
            "id": f"q{n}",
            "prompt": f"What does note {n} name?",
            "answers": ["the mill", "the harbour"],
            "gold": n % 2,
            "material": f"Note {n}. It names one of the two.",
        }
        for n in range(questions)
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, notes)))
    path = folder / "e.yaml"
    path.write_text(
        f"name: reliability\ntask: {{name: table, path: rows.jsonl}}\nmodels:\n"
        f"  judge: {{model: openai/gpt-4o-mini, api_base: '{api_base}', timeout: {timeout}, belief: {belief}}}\n"
        f"  strong: {{model: openai/gpt-4o, api_base: '{api_base}', timeout: {timeout}}}\n"
        "protocols:\n  - direct\n  - consultancy: {rounds: 2}\n  - debate: {rounds: 1}\n"
    )
    return path


EPISODES_EACH, CALLS_EACH = 5, 13
"""Of one question."""


def differences(store: Path, undisturbed: Path) -> list[str]:
    """Where two stores differ in what does not depend on when it was done."""
    found = []
    for name, query in COMPARED.items():
        ours, theirs = rows(store, query), rows(undisturbed, query)
        if ours != theirs:
            first = next(
                (pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), "no row of the shorter"
            )
            found.append(f"{name}: {len(ours)} rows, undisturbed {len(theirs)}; first difference: {first}")
    return found


def said_otherwise(store: Path, plain: Path) -> list[str]:
    """Where verdicts or speeches of the episodes that were judged differ from those of a run on plain replies."""
    found = []
    for name, query in _SAID.items():
        ours = {(row["episode_id"], row.get("author")): row for row in rows(store, query)}
        theirs = {(row["episode_id"], row.get("author")): row for row in rows(plain, query)}
        if unlike := [key for key, row in ours.items() if row != theirs.get(key)]:
            first = unlike[0]
            found.append(f"{name}: {len(unlike)} of {len(ours)} differ, first {ours[first]} for {theirs.get(first)}")
    return found


def leaked(store: Path) -> list[str]:
    """The messages that a seat reads, or that were cut to be shown, and that hold a thought."""
    query = f"SELECT author, kind, text FROM messages WHERE kind <> 'reasoning' AND contains(text, '{CANARY}')"
    return [f"{row['author']} shows a thought in a {row['kind']}: {row['text']:.100}" for row in rows(store, query)]


def unclassed(store: Path) -> list[str]:
    """The failures of episodes and calls that are of no known class."""
    query = (
        "SELECT failure FROM outcomes WHERE status = 'failed' UNION ALL SELECT failure FROM calls WHERE failure <> ''"
    )
    return sorted({str(row["failure"]) for row in rows(store, query)} - set(FailureClass))


class Journalled(NamedTuple):
    """How many calls the journal of a store holds, how many are of use, and how many requests those answer."""

    calls: int
    usable: int
    keys: int


def journalled(store: Path) -> Journalled:
    if not (store / "calls.sqlite").exists():
        return Journalled(0, 0, 0)
    con = sqlite3.connect(f"{(store / 'calls.sqlite').as_uri()}?mode=ro", uri=True)
    try:
        (found,) = con.execute(
            "SELECT count(*), count(*) FILTER (WHERE failure IS NULL), "
            "count(DISTINCT key) FILTER (WHERE failure IS NULL) FROM calls"
        )
        return Journalled(*found)
    finally:
        con.close()


@dataclass
class Kill:
    """Something that was killed.

    Attributes:
        orphans: processes of it that are not dead yet; the last was gone at ``gone``.
        released: until when the server let no reply out.
        not_on_disk: how many replies had gone out by then and were not on disk.
    """

    what: str
    at: float
    orphans: set[int] = field(default_factory=set)
    gone: float = 0.0
    released: float = 0.0
    not_on_disk: int = 0

    def look(self) -> None:
        """See which orphans are left."""
        self.orphans = {pid for pid in self.orphans if _lives(pid)}
        if self.orphans or not self.gone:
            self.gone = time.time()

    def had_in_flight(self, request: ServedReply) -> bool:
        """Whether a request was under way at the kill by the server's own record, or was made by an orphan.

        The server may come to read a request when its sender is gone, which it finds when it lets replies out again.
        """
        made = request.at <= self.gone or (request.at <= self.released and not request.complete)
        return made and (request.ended is None or request.ended >= self.at)

    def in_flight(self, served: Iterable[ServedReply]) -> int:
        """How many requests were under way."""
        return sum(map(self.had_in_flight, served))


def kill_while_held(server: Server, store: Path, kill: Callable[[], Kill | None], first: int = 0) -> Kill | None:
    """Kill something while the server lets no reply out, and all that went out are on disk.

    So what is in flight is known exactly: the requests that the server has not answered. Whatever is asked again and
    is none of them was lost.
    """
    with server.held():
        missing = _wait_for_disk(server, store, first)
        killed = kill()
        if killed is None:
            return None
        killed.not_on_disk = missing
        deadline = time.monotonic() + _GONE_S
        while killed.orphans and time.monotonic() < deadline:
            killed.look()
            time.sleep(0.05)
        killed.released = time.time()
        return killed


def _wait_for_disk(server: Server, store: Path, first: int) -> int:
    """Wait until every reply that went out is in the journal; how many are not, in the end."""
    paid = sum(each.complete and (each.usual or each.fault in PAID) for each in server.served(first))
    deadline = time.monotonic() + _ON_DISK_S
    while (missing := paid - journalled(store).calls) > 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    return max(missing, 0)


class Repeats(NamedTuple):
    """Requests that were made again though nothing was wrong with the first: in all, and those no kill explains."""

    found: int
    unexplained: list[str]


def repeats(served: Iterable[ServedReply], kills: Collection[Kill] = ()) -> Repeats:
    """Count the requests that were made again; only a kill while the earlier one was under way explains that."""
    asked: dict[str, list[ServedReply]] = defaultdict(list)
    for each in served:
        if each.usual or (each.fault is None and not each.complete):
            asked[each.digest].append(each)
    again = [pair for those in asked.values() for pair in pairwise(those)]
    unexplained = [pair for pair in again if not any(kill.had_in_flight(pair[0]) for kill in kills)]
    return Repeats(len(again), [f"{first} was repeated by {second}" for first, second in unexplained])


def descendants(root: int, title: str = "") -> list[int]:
    """The processes below one whose command line begins with ``title``, oldest first."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError):
                stat = Path("/proc", name, "stat").read_text()
                parents[int(name)] = int(stat.rpartition(")")[2].split()[1])
    found, below = [], {root}
    for pid in sorted(parents):
        above = pid
        while above in parents and above not in below:
            above = parents[above]
        if above in below and pid != root:
            found.append(pid)
    return [pid for pid in found if _title(pid).startswith(title)]


def _lives(pid: int) -> bool:
    """Whether a process has not ended; one that has, and is still listed, has no sockets any more.

    The first thread of a process that is killed can be over before the others, which hold its sockets.
    """
    try:
        first = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
        return first not in {"Z", "X"} or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def _title(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "(gone)"


def kill_driver(run: Running) -> Kill:
    """Kill the process that was started, and nothing else."""
    orphans = set(descendants(run.process.pid, WORKER) + descendants(run.process.pid, GATE))
    killed = Kill("driver", time.time(), orphans)
    run.process.kill()
    run.process.wait()
    killed.look()
    return killed


def kill_one(root: int, title: str, rng: random.Random) -> Kill | None:
    """Kill one process of that title below ``root``; None if there is none just now."""
    pids = descendants(root, title)
    if not pids:
        return None
    pid = rng.choice(pids)
    killed = Kill(title, time.time(), {pid})
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    killed.look()
    return killed


def end(run: Running) -> None:
    """Leave nothing of a run behind, whatever came of it."""
    with suppress(ProcessLookupError):
        os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()


class Nodes:
    """A Ray cluster of nodes that are process trees of their own, away from any other on this machine."""

    def __init__(self, cpus: int = 1, **told: object) -> None:
        # Sockets have short names, so a test's own folder would not do.
        self.folder = Path(tempfile.mkdtemp(prefix="oversight-nodes-"))
        # A second node and a driver take the token from here; they read nothing at home.
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            **{f"OVERSIGHT_TEST_{name}": str(value) for name, value in told.items()},
        }
        self._nodes: list[subprocess.Popen[str]] = []
        self.address = ""
        try:
            self.head = self.start("--head", "--port=0", "--include-dashboard=false", cpus=cpus)
        except BaseException:
            self.close()
            raise

    def start(self, *arguments: str, cpus: int = 1) -> subprocess.Popen[str]:
        """Start a node with a home and a working directory of its own, and wait until it runs."""
        number = len(self._nodes)
        home = self.home(number)
        home.mkdir()
        ports = ("min-worker", "max-worker", "node-manager", "object-manager", "runtime-env-agent", "metrics-export")
        agents = ("--dashboard-agent-listen-port=0", "--dashboard-agent-grpc-port=0")
        with (self.folder / f"{number}.txt").open("w") as said:
            node = subprocess.Popen(
                [
                    *(Path(sys.executable).parent / "ray", "start", "--block", f"--num-cpus={cpus}"),
                    *(f"--{port}-port=0" for port in ports),
                    *(*agents, "--object-store-memory=100000000", f"--temp-dir={self.folder / f't{number}'}"),
                    *(arguments or (f"--address={self.address}",)),
                ],
                cwd=home,
                env=environment(**self.environment, HOME=str(home)),
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self._nodes.append(node)
        try:
            until(lambda: "Ray runtime started" in self._said(number), node, f"node {number} to start")
            if not self.address:
                # Ray prints how to reach the cluster a moment after it says that it runs.
                until(lambda: _ADDRESS.search(self._said(number)), node, f"node {number} to say its address")
                self.address = _ADDRESS.findall(self._said(number))[0]
        except AssertionError as error:
            raise AssertionError(f"{error}; it said {self._said(number)!r}") from None
        return node

    def home(self, number: int) -> Path:
        """A node's home and working directory."""
        return self.folder / f"home{number}"

    def workers(self, node: subprocess.Popen[str]) -> set[int]:
        """The workers of a run that a node has."""
        return set(descendants(node.pid, WORKER))

    def kill(self, node: subprocess.Popen[str]) -> Kill:
        """Kill every process of a node."""
        pids = [node.pid, *descendants(node.pid)]
        killed = Kill("node", time.time(), set(pids))
        with suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.wait()
        killed.look()
        return killed

    def _said(self, number: int) -> str:
        return (self.folder / f"{number}.txt").read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave nothing of the cluster behind."""
        for node in self._nodes:
            if node.poll() is None:
                self.kill(node)
        shutil.rmtree(self.folder, ignore_errors=True)


def after(server: Server, seen: int, more: int, run: Running, watched: Callable[[], Any] = lambda: None) -> int:
    """Wait until ``more`` requests came since number ``seen``, or the run ended; returns how many came in all."""
    while True:
        watched()
        now = seen + len(server.served(seen))
        if now >= seen + more or run.process.poll() is not None:
            return now
        time.sleep(0.05)


def accounts(store: Path, served: list[ServedReply]) -> list[str]:
    """What does not add up after a run that went on to its end: episodes, requests and calls on record, repeats.

    Where the machine is so busy that a call times out although it was answered, that many may be made again.
    """
    (standing,) = rows(
        store,
        "SELECT count(*) AS planned, count(*) FILTER (status = 'judged') AS judged, "
        "count(*) FILTER (status = 'failed' AND failure IS NOT NULL) AS failed FROM outcomes",
    )
    (calls,) = rows(
        store,
        "SELECT count(*) AS made, count(*) FILTER (failure = 'timeout') AS late FROM calls WHERE origin = 'made'",
    )
    late = calls["late"] - sum(each.fault == "hang" for each in served)
    # A reply in an odd shape is paid for, whether it can be used or not.
    paid = sum(each.complete and (each.usual or each.fault in PAID or each.shape is not None) for each in served)
    kept, again = journalled(store), repeats(served)
    wrong = []
    if standing["planned"] != standing["judged"] + standing["failed"]:
        wrong.append(f"episodes: {standing}")
    if len(served) != calls["made"]:
        wrong.append(f"{len(served)} requests at the server, {calls['made']} calls made on record")
    if not 0 <= paid - kept.calls <= late:
        wrong.append(f"{paid} replies went out, {kept.calls} calls are in the journal; {late} came too late")
    if again.found > late:
        wrong.append(f"{again.found} requests answered twice, {late} replies came too late: {again.unexplained[:3]}")
    return wrong


def lay_out_files(folder: Path, questions: int) -> Path:
    """Write an experiment whose protocol and model are files, one episode a question; return the experiment file."""
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "plead.j2").write_text("Make up your mind.")
    (folder / "ask.py").write_text(ASK)
    (folder / "model.py").write_text(LEANING)
    notes = [{"id": f"q{n}", "prompt": f"Note {n}?", "answers": ["mill", "port"], "gold": 0} for n in range(questions)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, notes)))
    path = folder / "e.yaml"
    path.write_text(
        "name: files\ntask: {name: table, path: rows.jsonl}\nmodels: {judge: './model.py:Leaning'}\n"
        "protocols: [./ask.py:Ask]\n"
    )
    return path


def spread_over_nodes(folder: Path, questions: int) -> list[str]:
    """Run a protocol and a model from files on two nodes; returns what is wrong with where it ran and what it left."""
    pids = folder / "pids"
    pids.mkdir()
    experiment = lay_out_files(folder / "e", questions)
    with Nodes(PIDS=pids, PAUSE=0.1) as cluster:
        second = cluster.start()
        told = ("--address", cluster.address, "--workers", 2, "--concurrency", 8, "--store", "store")
        run = Running(folder, experiment, *told, variables=cluster.environment)
        try:
            seen: dict[str, set[int]] = {"head": set(), "second node": set()}

            def looked() -> bool:
                ran = {int(file.name) for file in pids.iterdir()}
                seen["head"] |= cluster.workers(cluster.head) & ran
                seen["second node"] |= cluster.workers(second) & ran
                return run.process.poll() is not None or all(seen.values())

            while not looked():
                time.sleep(0.02)
            ran = run.ended(300)
        finally:
            end(run)
        wrong = [f"no episode ran on the {name}" for name, those in seen.items() if not those]
        stray = [str(file) for number in range(2) for file in cluster.home(number).rglob("*") if not _is_rays(file)]
    if ran.code:
        return [*wrong, f"exit code {ran.code}: {ran.err}"]
    judged = rows(folder / "store", "SELECT count(*) AS n FROM results")[0]["n"]
    kept = journalled(folder / "store").keys
    if (judged, kept) != (questions, questions):
        wrong.append(f"{judged} judged and {kept} calls kept of {questions}")
    if stray:
        wrong.append(f"left behind where a node runs: {stray}")
    return wrong


def _is_rays(file: Path) -> bool:
    return file.is_dir() or ".ray" in file.parts or ".cache" in file.parts
