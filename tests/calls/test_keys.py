"""A key is sent to its provider, and is in nothing that is written or printed, by whichever process."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cli.running import Ran, here, oversight
from execution.staging import rows
from experiment.files import questions

from oversight.testing.loopback import Fault, LoopbackServer, Reply, default_responder

KEY = "planted-battery-staple-7719"  # nothing about its form gives it away

TELLTALE = '''\
"""Speaks, decides, and has the key in its traceback."""

import os

from oversight import Protocol


class Telltale(Protocol):
    """Fail with a secret."""

    name = "telltale"
    roles = ("judge",)

    async def run(self, episode):
        await episode.seat("judge").decide("plead")
        raise RuntimeError("the key is " + os.environ["OPENAI_API_KEY"])
'''


class Watched(LoopbackServer):
    """A server that looks into a folder at every few requests, while others write it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(self.look)
        self.folder = folder
        self.looked_at: set[str] = set()
        self.leaks: list[str] = []

    def look(self, body: Mapping[str, Any]) -> Reply:
        if len(self.received) % 6 == 0:
            # By a process of its own: opening the database here would let go of its lock, if the run is here too.
            listed = subprocess.run(["find", self.folder, "-type", "f"], capture_output=True, text=True, check=False)
            self.looked_at |= {Path(line).name for line in listed.stdout.splitlines()}
            self.leaks += found(self.folder)
        return default_responder(body)


def found(folder: Path) -> list[str]:
    """The files that hold the key."""
    searched = subprocess.run(["grep", "-rlaF", KEY, folder], capture_output=True, text=True, check=False)
    return [line for line in searched.stdout.splitlines() if "keyfile" not in line]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, in which Ray can have its sockets."""
    path = Path(tempfile.mkdtemp(prefix="ov", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def lay_out(folder: Path, server: LoopbackServer) -> Path:
    home = folder / "home"
    (home / "prompts").mkdir(parents=True)
    (home / "prompts" / "plead.j2").write_text("Decide.")
    (home / "telltale.py").write_text(TELLTALE)
    questions(home, [{"id": f"q{n}", "prompt": f"{n}?", "answers": ["mill", "port"], "gold": 0} for n in range(3)])
    path = home / "e.yaml"
    path.write_text(
        "name: keys\ntask: {name: table, path: rows.jsonl}\nmodels:\n"
        f"  judge: {{model: openai/gpt-4o-mini, api_base: '{server.api_base}', timeout: 20}}\n"
        f"  strong: {{model: openai/gpt-4o, api_base: '{server.api_base}', timeout: 20}}\n"
        "protocols: [direct, {debate: {rounds: 1}}, ./telltale.py:Telltale]\n"
    )
    return path


# What providers were seen to answer, and worse: the key in the message, in a header, and in what cannot be parsed.
ECHOES = [
    Fault.error(500, f"upstream refused Bearer {KEY}"),
    Fault.error(400, f"bad header api-key={KEY}"),
    Fault(body=f"<html>{KEY}</html>", headers={"X-Echo": KEY}),
    Fault.error(200, f"hidden failure for {KEY}"),
]


def check(folder: Path, server: Watched, *runs: Ran) -> None:
    assert {request.headers["authorization"] for request in server.received} == {f"Bearer {KEY}"}
    assert {"calls.sqlite", "calls.sqlite-wal", "oversight.duckdb"} <= server.looked_at
    assert server.leaks + found(folder) == []
    for ran in runs:
        assert KEY not in ran.out + ran.err
        assert ran.code == 1  # the telltale's
    failures = rows(folder / "home" / "store", "SELECT detail FROM episodes WHERE failure = 'plugin'")
    assert failures
    for row in failures:
        assert "the key is [redacted]" in row["detail"]
    assert rows(folder / "home" / "store", "SELECT * FROM calls WHERE detail LIKE '%[redacted]%'")


def test_a_key_in_the_environment_stays_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Watched(folder) as server:
        server.faults.extend(ECHOES)
        run = ("run", lay_out(folder, server), "--engine", "local", "--store", folder / "home" / "store", "--limit", 2)
        run = (*run, "--keep-going")  # the telltale fails in its dry run as well
        check(folder, server, here(*run))


@pytest.mark.long
def test_a_key_from_a_file_is_in_no_log_of_ray_either(folder: Path) -> None:
    key_file = folder / "keyfile"
    key_file.write_text(KEY + "\n")
    with Watched(folder) as server:
        server.faults.extend(ECHOES[:1])
        experiment = lay_out(folder, server)
        ran = oversight(
            *(
                "run",
                experiment,
                "--engine",
                "ray",
                "--workers",
                1,
                "--store",
                experiment.parent / "store",
                "--limit",
                2,
                "--keep-going",
            ),
            cwd=folder,
            OPENAI_API_KEY_FILE=str(key_file),
            RAY_TMPDIR=str(folder),
        )
        check(folder, server, ran)
    logs = list((folder / "ray").rglob("*.log"))
    assert any(os.path.getsize(log) for log in logs)
