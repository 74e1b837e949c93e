"""Experiments whose plugins do as the environment says, and runs to interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cli.running import OVERSIGHT, Ran, environment

import oversight
from oversight.errors import StoreError

ASK = '''\
"""Asks the judge; pauses, fails, stops for good and leaves its process's number where the environment says so."""

import asyncio
import os
from pathlib import Path

from oversight import Protocol


def told(what):
    return os.environ.get(f"OVERSIGHT_TEST_{what}")


class Told(Exception):
    """Known to this file alone."""


def enough():
    """Whether as many episodes as may end have begun, in whichever processes."""
    if not told("BEGUN"):
        return False
    with open(told("BEGUN"), "ab", buffering=0) as begun:
        begun.write(b".")
        return begun.tell() > int(told("MOST"))


class Ask(Protocol):
    """Ask the judge."""

    name = "ask"
    roles = ("judge",)

    async def run(self, episode):
        judge = episode.seat("judge")
        if told("PIDS") and not episode.dry_run:
            Path(told("PIDS"), str(os.getpid())).touch()
        await asyncio.sleep(0 if episode.dry_run else float(told("PAUSE") or 0))
        if not episode.dry_run and enough():
            await asyncio.Event().wait()
        if told("FAIL") and int(episode.question.id[len("image-")]) % 2:
            await judge.believe("plead")
            raise Told("failing as told")
        return await judge.decide("plead")
'''

LEANING = '''\
"""A model that answers by the hash of what it reads."""

import hashlib

from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply


class Leaning(ChatModel):
    """Leans one way or the other."""

    async def chat(self, request):
        share = hashlib.sha256(repr(request.messages).encode()).digest()[0] / 255
        a, b = request.choices
        return ChatReply(text=a, choice_probs={a: share, b: 1 - share}, provider="file", cost_usd=0.0)
'''

TWO = """\
  - ./ask.py:Ask
  - {./ask.py:Ask: {}, as: leaning, models: {judge: './model.py:Leaning'}}
"""
ALL = "  - direct\n  - debate: {rounds: 2, turns: sequential}\n" + TWO

VERDICTS = "SELECT episode_id, probs FROM beliefs WHERE final ORDER BY episode_id"
WORDS = "SELECT episode_id, idx, author, text FROM messages ORDER BY episode_id, idx"
ATTEMPTS = "SELECT episode_id, attempt, status FROM episodes ORDER BY episode_id, attempt"


def lay_out(folder: Path, protocols: str = ALL, images: int = 12) -> Path:
    """Write an experiment with its plugin, its prompt and its model; return the experiment file."""
    (folder / "prompts").mkdir(parents=True)
    (folder / "ask.py").write_text(ASK)
    (folder / "model.py").write_text(LEANING)
    (folder / "prompts" / "plead.j2").write_text("Make up your mind in the {{ labels | length }} ways there are.")
    path = folder / "e.yaml"
    path.write_text(
        f"name: engines\ntask: {{name: digits, images: {images}}}\nmodels:\n  judge: embedded/pixel-judge\n"
        f"  strong: embedded/pixel-debater\nprotocols:\n{protocols}"
    )
    return path


def rows(store: Path, query: str) -> list[dict[str, Any]]:
    """What a query finds."""
    found: list[dict[str, Any]] = oversight.open_store(store).arrow(query).to_pylist()
    return found


def count(store: Path, table: str) -> int:
    """How many rows a table has; 0 while there is no store."""
    try:
        return int(rows(store, f"SELECT count(*) AS n FROM {table}")[0]["n"])
    except StoreError:
        return 0


def until(condition: Callable[[], object], process: subprocess.Popen[str], what: str, seconds: float = 60) -> None:
    """Wait for something a process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended before {what}"
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Running:
    """An ``oversight run`` that goes on meanwhile; its words are kept in files."""

    def __init__(
        self, folder: Path, *arguments: object, variables: Mapping[str, str] = MappingProxyType({}), **told: object
    ) -> None:
        self.out, self.err = folder / "out.txt", folder / "err.txt"
        self._files = self.out.open("w"), self.err.open("w")
        self.process = subprocess.Popen(
            [OVERSIGHT, "run", *map(str, arguments)],
            cwd=folder,
            env=environment(**variables, **{f"OVERSIGHT_TEST_{name}": str(value) for name, value in told.items()}),
            stdout=self._files[0],
            stderr=self._files[1],
            text=True,
            start_new_session=True,
        )

    def until(self, condition: Callable[[], object], what: str) -> None:
        until(condition, self.process, what)

    def interrupt(self) -> None:
        """What Ctrl-C does: every process of the terminal's group gets the signal."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self, seconds: float = 60) -> Ran:
        try:
            code = self.process.wait(seconds)
        finally:
            self.process.kill()
            self.process.wait()
            for file in self._files:
                file.close()
        return Ran(code, self.out.read_text(), self.err.read_text())


def ancestors(pid: int) -> list[int]:
    """The processes that a process descends from."""
    found = []
    while pid > 1:
        stat = Path("/proc", str(pid), "stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])
        found.append(pid)
    return found
