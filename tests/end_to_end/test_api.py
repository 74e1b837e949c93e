"""Experiments on models behind an API: a real server on this machine, through LiteLLM."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.running import Ran, environment, here, oversight
from execution.staging import rows
from experiment.files import questions

from oversight.testing.loopback import Fault, LoopbackServer, default_responder

# Sent to the server, and to nobody else.
KEY = "correct-horse-battery-staple-0451"

ROWS = [
    {
        "id": f"q{n}",
        "prompt": f"What does note {n} name?",
        "answers": ["the mill", "the harbour"],
        "gold": n % 2,
        "material": f"Note {n}. The second paragraph settles it.",
    }
    for n in range(4)
]
EPISODES = {"direct": 4, "consultancy": 8, "debate": 8}


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


def lay_out(folder: Path, server: LoopbackServer, extra: str = "") -> Path:
    questions(folder, ROWS)
    path = folder / "e.yaml"
    path.write_text(
        f"""\
name: api
task: {{name: table, path: rows.jsonl}}
models:
  judge: {{model: openai/gpt-4o-mini, api_base: '{server.api_base}', timeout: 20{extra}}}
  strong: {{model: openai/gpt-4o, api_base: '{server.api_base}', temperature: 0.7, timeout: 20}}
protocols:
  - direct
  - consultancy: {{rounds: 2, interactive: true}}
  - debate: {{rounds: 1}}
"""
    )
    return path


def judged(store: Path) -> dict[str, int]:
    return {row["arm"]: row["n_judged"] for row in rows(store, "SELECT arm, n_judged FROM accuracy")}


def assert_secret(folder: Path, *runs: Ran) -> None:
    """The key is in no file that was written, and in nothing that was printed."""
    for ran in runs:
        assert KEY not in ran.out + ran.err
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name == "oversight.duckdb" for file in files)
    for file in files:
        assert KEY.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.long)])
def test_every_protocol_is_judged_over_an_api(
    tmp_path: Path, server: LoopbackServer, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    store = tmp_path / "store"
    workers = ("--workers", 1) if engine == "ray" else ()
    server.faults.extend([Fault.rate_limited(), Fault.context_length()] if engine == "local" else [])
    command = ("run", lay_out(tmp_path, server), "--engine", engine, *workers, "--store", store)
    # Importing LiteLLM takes seconds, so only the run on Ray is a process of its own.
    ran = here(*command) if engine == "local" else oversight(*command, cwd=tmp_path, OPENAI_API_KEY=KEY)
    again = ran
    if engine == "local":
        assert ran.code == 1
        assert ran.err.count("failed: ") == 1
        assert "context_length" in ran.err
        again = here(*command)
    assert again.code == 0, again
    assert judged(store) == EPISODES

    calls = rows(
        store,
        "SELECT calls.* FROM calls JOIN episodes USING (episode_id, attempt) "
        "WHERE status = 'judged' AND calls.failure IS NULL",
    )
    # Direct asks once, debate thrice, the consultancy for two turns, a question and a decision.
    assert len(calls) == 4 + 8 * 4 + 8 * 3
    assert {call["provider"] for call in calls} == {"openai"}
    assert {(call["role"], call["resolved_model"]) for call in calls} == {
        ("judge", "gpt-4o-mini"),
        ("strong", "gpt-4o"),
    }
    for call in calls:
        assert call["prompt_tokens"] > 20
        assert call["completion_tokens"] > 0
        assert 0 < call["latency_s"] < 20
        assert call["cost_usd"] > 0
        assert call["finish_reason"] == "stop"
    assert {row["source"] for row in rows(store, "SELECT source FROM beliefs WHERE final")} == {"logprob"}
    assert {request.headers["authorization"] for request in server.received} == {f"Bearer {KEY}"}
    # An attempt on record for each request.
    assert len(server.received) == len(rows(store, "SELECT * FROM calls WHERE origin = 'made'"))
    if engine == "local":
        failures = {row["failure"] for row in rows(store, "SELECT failure FROM calls WHERE failure IS NOT NULL")}
        assert failures == {"rate_limited", "context_length"}
    assert_secret(tmp_path, ran, again)


def test_a_judge_without_token_probabilities_states_its_belief(
    tmp_path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.unsupported = ("logprobs",)
    store = tmp_path / "store"
    ran = here("run", lay_out(tmp_path, server), "--engine", "local", "--store", store)
    assert ran.code == 0, ran
    assert judged(store) == EPISODES
    assert {row["source"] for row in rows(store, "SELECT source FROM beliefs WHERE final")} == {"stated"}
    by_source = here("report", "--by", "belief_source", "--store", store, "--format", "json")
    assert [(row["belief_source"], row["n"]) for row in by_source.rows] == [("stated", sum(EPISODES.values()))]
    assert_secret(tmp_path, ran, by_source)


@pytest.mark.long
def test_a_refused_key_stops_the_run_at_once_and_an_accepted_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    store = tmp_path / "store"
    with LoopbackServer() as server:
        experiment = lay_out(tmp_path, server)
        server.faults.extend([Fault.unauthorized(KEY)] * 100)
        ran = here("run", experiment, "--engine", "local", "--store", store, "--concurrency", 2)
        assert ran.code == 2
        (line,) = [line for line in ran.err.splitlines() if "stopped" in line]
        assert "model openai/gpt-4o" in line
        assert "Incorrect API key provided" in line
        assert len(server.received) <= 4  # two episodes in flight, and a debate asks twice at a time
        assert rows(store, "SELECT * FROM episodes") == []
        server.faults.clear()
        again = here("run", experiment, "--engine", "local", "--store", store)
    assert again.code == 0
    assert judged(store) == EPISODES
    shown = here("sql", "SELECT * FROM episodes", "--store", store, "--format", "json")
    assert_secret(tmp_path, ran, again, shown)


@pytest.mark.long
def test_the_report_shows_what_share_of_the_prompts_was_cached(
    tmp_path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    # Debaters cache half of what they read, as they would with one prefix for all rounds; judges nothing.
    server.responder = lambda body: default_responder(body)._replace(
        cached_tokens=0 if body.get("logprobs") else sum(len(m["content"].split()) for m in body["messages"]) // 2
    )
    ran = here("run", lay_out(tmp_path, server), "--engine", "local", "--store", tmp_path / "store")
    assert ran.code == 0, ran
    assert "cached" in ran.out
    report = {row["arm"]: row for row in here("report", "--store", tmp_path / "store", "--format", "json").rows}
    assert report["direct"]["cached_share"] == 0
    assert 0.2 < report["debate"]["cached_share"] < 0.5
    assert report["debate"]["prompt_tokens"] > report["debate"]["completion_tokens"] > 0


@pytest.mark.long
def test_the_readme_s_local_server_serves_the_readme_s_experiment(tmp_path: Path) -> None:
    """Real worked solutions, a server in a process of its own, and no key."""
    root = Path(__file__).parents[2]
    solutions = root.parent / "shared" / "data" / "gsm8k" / "example_model_solutions.jsonl"
    if not solutions.is_file():
        pytest.skip(f"{solutions} is not there")
    command = [sys.executable, "-m", "oversight.testing.loopback", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as server:
        try:
            assert server.stdout is not None
            base = re.search(r"http://127\.0\.0\.1:\d+/v1", server.stdout.readline())
            assert base is not None
            settings = [
                f"task.path={solutions}",
                *(f"models.{role}.api_base={base[0]}" for role in ("judge", "strong")),
            ]
            options = [part for setting in settings for part in ("--set", setting)]
            store = tmp_path / "store"
            experiment = root / "experiments" / "gsm8k_debate.yaml"
            ran = oversight(
                "run", experiment, "--engine", "local", "--limit", 5, *options, "--store", store, cwd=tmp_path
            )
        finally:
            server.terminate()
    assert ran.code == 0, ran
    assert judged(store) == {"direct": 5, "direct with solutions": 5, "consultancy": 10, "debate": 10}
    assert {row["provider"] for row in rows(store, "SELECT provider FROM calls")} == {"hosted_vllm"}
