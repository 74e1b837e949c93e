"""The value of a variable that a model names is in nothing that is stored, printed, exported or shown."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any
from urllib.parse import quote

import pytest
from cli.running import Ran, ended, here, start
from execution.staging import rows
from experiment.files import questions

from oversight.testing.loopback import Fault, LoopbackServer, Reply, default_responder

VARIABLE = "LAB_JUDGE"  # nothing about the name gives it away
KEY = 'Planted/battery+st"aple 7719'
SHORT = "hunt5"

BLABBER = '''\
"""Says the key, in every way that a plugin has."""

import base64
import os

from oversight import Protocol
from oversight.core.verdict import Annotation


class Blabber(Protocol):
    """Tell everyone."""

    name = "blabber"
    roles = ("judge",)

    async def run(self, episode):
        key = os.environ["LAB_JUDGE"]
        judge = episode.seat("judge")
        await judge.speak("plead", words=f"The key is {key}.")
        verdict = await judge.decide("plead", words="Decide.")
        if episode.question.id == "q0":
            raise RuntimeError("the key is " + key)
        data = {"key": key, key: ["also", key], "b64": base64.b64encode(key.encode()).decode()}
        return verdict.model_copy(update={"annotations": (Annotation(kind="note", data=data),)})
'''


def forms(key: str) -> list[str]:
    raw = key.encode()
    written = [
        key,
        quote(key, safe=""),
        json.dumps(key)[1:-1],
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("=")[:-1],
    ]
    return sorted({form for form in written if len(form) >= len(key)})


def echoing(key: str) -> Any:
    """What a server answers that repeats the key, in words and as others write it."""
    said = f"My key is {key}; as a URL {quote(key, safe='')}, as JSON {json.dumps(key)}, as hex {key.encode().hex()}, "
    said += f"as base64 {base64.b64encode(key.encode()).decode()}. The log says the mill."

    def respond(body: Mapping[str, Any]) -> Reply:
        usual = default_responder(body)
        return usual if usual.first_token else usual._replace(text=f"{said} {usual.text}")

    return respond


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, in which Ray can have its sockets."""
    path = Path(tempfile.mkdtemp(prefix="ov", dir="/tmp"))
    yield path
    rmtree(path, ignore_errors=True)


def lay_out(folder: Path, server: LoopbackServer) -> Path:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "plead.j2").write_text("{{ words }}")
    (folder / "blabber.py").write_text(BLABBER)
    questions(folder, [{"id": f"q{n}", "prompt": f"{n}?", "answers": ["mill", "port"], "gold": 0} for n in range(2)])
    path = folder / "e.yaml"
    model = f"{{model: hosted_vllm/m, api_base: '{server.api_base}', timeout: 20, api_key_env: {VARIABLE}}}"
    path.write_text(
        f"name: keys\ntask: {{name: table, path: rows.jsonl}}\nmodels: {{judge: {model}, strong: {model}}}\n"
        "protocols: [{debate: {rounds: 1}}, ./blabber.py:Blabber]\n"
    )
    return path


def leaks(folder: Path, key: str) -> list[str]:
    """Files below a folder that hold the key in any form."""
    found = []
    for form in forms(key):
        searched = subprocess.run(["grep", "-rlaF", "-e", form, folder], capture_output=True, text=True, check=False)
        found += [f"{form} in {line}" for line in searched.stdout.splitlines()]
    return found


def check(folder: Path, key: str, ran: Ran, server: LoopbackServer) -> None:
    store = folder / "store"
    assert ran.code == 1, ran  # the plugin's failures
    assert {request.headers["authorization"] for request in server.received} == {f"Bearer {key}"}
    spoken = rows(store, "SELECT \"text\" FROM messages WHERE author = 'debater_a' AND kind = 'speech'")
    assert spoken
    assert all("My key is [redacted]" in row["text"] and "The log says the mill." in row["text"] for row in spoken)
    assert rows(store, "SELECT * FROM messages WHERE \"text\" LIKE '%The key is [redacted].%'")
    assert rows(store, "SELECT * FROM episodes WHERE detail LIKE '%the key is [redacted]%'")
    (run,) = rows(store, "SELECT run_id FROM runs")
    exported = here("export", run["run_id"], "--format", "episodes", "--store", store)
    assert exported.code == 0
    episodes = rows(store, "SELECT DISTINCT episode_id FROM episodes")
    shown = [here("show", row["episode_id"], "--prompts", "--reasoning", "--store", store) for row in episodes]
    told = [each.out + each.err for each in (ran, exported, *shown)]
    assert [line for form in forms(key) for text in told for line in text.splitlines() if form in line] == []
    assert leaks(store, key) == []


@pytest.mark.parametrize("key", [KEY, SHORT])
def test_a_named_variables_value_is_redacted_wherever_a_model_or_a_plugin_says_it(
    folder: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, key)
    with LoopbackServer(echoing(key)) as server:
        server.faults.extend([Fault.error(500, f"upstream refused {key}"), Fault(body=f"<html>{key}</html>")])
        path = lay_out(folder, server)
        check(folder, key, here("run", path, "--engine", "local", "--store", folder / "store"), server)


@pytest.mark.long
def test_nor_is_it_in_what_rays_workers_leave(folder: Path) -> None:
    with LoopbackServer(echoing(KEY)) as server:
        server.faults.append(Fault.error(500, f"upstream refused {KEY}"))
        command = ("run", lay_out(folder, server), "--engine", "ray", "--workers", 1, "--store", folder / "store")
        ran = ended(start(*command, cwd=folder, RAY_TMPDIR=str(folder), **{VARIABLE: KEY}), 180)
        check(folder, KEY, ran, server)
    assert leaks(folder, KEY) == []


@pytest.mark.long
def test_texts_that_only_resemble_a_short_value_stay_as_they_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "mill")
    monkeypatch.setenv("OTHER_PASSWORD", "the")  # too short, and no model names it
    with LoopbackServer(lambda body: default_responder(body)._replace(text="The miller's log, and a mill.")) as server:
        path = lay_out(folder, server)
        here(
            "run", path, "--engine", "local", "--store", folder / "store", "--set", "protocols=[{debate: {rounds: 1}}]"
        )
    spoken = rows(folder / "store", "SELECT \"text\" FROM messages WHERE kind = 'speech'")
    assert {row["text"] for row in spoken} == {"The miller's log, and a [redacted]."}
