"""Amplification from experiment files: the shipped one over an API, and one that is killed and goes on."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cli.running import here
from execution.disturbing import journalled
from execution.staging import Running, rows
from experiment.files import questions
from tasks.reading import published

from oversight import RunSettings, run_experiment
from oversight.models.dry_run_model import example_for_schema
from oversight.testing.loopback import LoopbackServer, Reply

pytestmark = pytest.mark.long

NODES = """
    SELECT episode_id, count(*) AS nodes, sum((data->>'calls')::INTEGER) AS calls,
        sum((data->>'tokens')::INTEGER) AS tokens, sum((data->>'cost_usd')::DOUBLE) AS cost_usd
    FROM annotations WHERE kind = 'node' GROUP BY episode_id
"""


def answer(body: Mapping[str, Any]) -> Reply | str:
    """Divide into three with a repetition, hold the two answers to disagree, lean by what was read."""
    said = str(body["messages"])
    mark = hashlib.sha256(said.encode()).hexdigest()[:6]
    if schema := body.get("response_format", {}).get("json_schema", {}).get("schema"):
        if "questions" in schema["properties"]:
            return json.dumps({"questions": [f"What of {mark}?", "What do all ask?", f"Why {mark}?"]})
        return json.dumps({"agree": False} if "agree" in schema["properties"] else example_for_schema(schema))
    if body.get("logprobs"):
        return Reply("A", first_token={"A": 0.7, "B": 0.3})
    return "A" if "Reply with the letter" in body["messages"][-1]["content"] else f"It rests on {mark}."


class Shipped(NamedTuple):
    """The shipped experiment as it ran on three questions, and what the server was sent."""

    store: Path
    bodies: list[Mapping[str, Any]]

    def find(self, query: str) -> list[dict[str, Any]]:
        return rows(self.store, query)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    own = f"task.path={published('strategyqa') / 'dev.json'}"
    store = tmp_path_factory.mktemp("shipped") / "store"
    with LoopbackServer(answer) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "not-a-secret")
        roles = [f"models.{role}" for role in ("overseer", "strong", "judge")]
        places = [*roles, "protocols.majority of 13.models.judge"]
        at = [part for place in places for part in ("--set", f"{place}.api_base={server.api_base}")]
        options = ("--engine", "local", "--limit", 3, "--store", store, "--set", own)
        ran = here("run", "amplification_strategyqa", *options, *at)
        assert ran.code == 0, ran
        return Shipped(store, list(server.bodies))


def test_the_shipped_experiment_is_planned_over_the_real_questions() -> None:
    own = f"task.path={published('strategyqa') / 'dev.json'}"
    *arms, total = here("plan", "amplification_strategyqa", "--format", "json", "--set", own).rows
    assert {row["arm"]: row["episodes"] for row in arms} == {
        **dict.fromkeys(("overseer alone", "majority of 13", "overseer with the facts"), 100),
        **dict.fromkeys(("one level", "two levels, 13 calls"), 100),
        **dict.fromkeys(("one adversary", "one adversary, verified"), 200),
    }
    assert total["cost_usd"] > 0


def test_every_arm_of_the_shipped_experiment_runs_over_an_api(shipped: Shipped) -> None:
    found = {row["arm"]: row for row in here("report", "--store", shipped.store, "--format", "json").rows}
    counts = {arm: (row["n"], row["n_failed"], row["calls"] / row["n"]) for arm, row in found.items()}
    assert counts == {
        "overseer alone": (3, 0, 1),
        "majority of 13": (3, 0, 13),
        "overseer with the facts": (3, 0, 1),
        "one level": (3, 0, 5),
        "two levels, 13 calls": (3, 0, counts["two levels, 13 calls"][2]),
        "one adversary": (6, 0, 5),
        "one adversary, verified": (6, 0, 11),
    }
    assert 5 < counts["two levels, 13 calls"][2] <= 13
    assert all(row["cost_usd"] > 0 for row in found.values())


def test_the_facts_reach_the_assistants_and_no_overseer(shipped: Shipped) -> None:
    read = [(body["model"], "<material>" in str(body["messages"])) for body in shipped.bodies]
    assert {seen for model, seen in read if model == "gpt-4.1"} == {True}
    # The small model reads them three times: as the judge who is the ceiling.
    assert sum(seen for model, seen in read if model == "gpt-4.1-nano") == 3


def test_one_assistant_steers_to_each_answer_in_turn_and_the_store_knows_who_was_honest(shipped: Shipped) -> None:
    query = """
        SELECT arm, question_key, honest, seats[1].seat AS liar, len(seats) AS liars,
            seats[1].argues = place - 1 AS right
        FROM scored WHERE arm LIKE 'one adversary%' ORDER BY ALL
    """
    found = shipped.find(query)
    assert len(found) == 12
    for row in found:
        assert row["liars"] == 1
        assert re.fullmatch(r"assistant_[123]", row["liar"])
        assert row["honest"] == (row["liar"] if row["right"] else None)
    # Both answers of a question are argued for, by the same seat: only what it argues differs.
    pairs = [(row["arm"], row["question_key"], row["liar"]) for row in found]
    assert sorted(set(pairs)) == sorted(pairs[::2]) == sorted(pairs[1::2])
    assert [row["right"] for row in found].count(True) == 6


def test_the_nodes_of_an_episode_account_for_all_it_took(shipped: Shipped) -> None:
    query = f"""
        SELECT results.arm, n_calls, prompt_tokens + completion_tokens AS used, results.cost_usd AS paid, tree.*
        FROM results JOIN ({NODES}) AS tree USING (episode_id)
    """
    found = shipped.find(query)
    assert len(found) == 3 + 3 + 6 + 6
    for row in found:
        assert (row["calls"], row["tokens"]) == (row["n_calls"], row["used"])
        assert row["cost_usd"] == pytest.approx(row["paid"])
        assert row["nodes"] >= 4


def test_the_tree_of_a_stored_episode_is_shown(shipped: Shipped) -> None:
    (row, *_) = shipped.find("SELECT episode_id FROM results WHERE arm = 'one adversary, verified'")
    out = here("show", row["episode_id"], "--store", shipped.store).out
    assert out.count("TOLD WHAT TO ARGUE") == 1
    assert out.count("a second answer DISAGREED") == 3
    assert "What do all ask?" in out


def test_another_judge_can_decide_from_the_same_answers(shipped: Shipped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-secret")
    (run,) = shipped.find("SELECT run_id FROM runs")
    with LoopbackServer(answer) as server:
        at = ("--set", f"api_base={server.api_base}")
        ran = here(
            "rejudge", run["run_id"], "--judge", "openai/gpt-4.1", *at, "--store", shipped.store, "--format", "json"
        )
        bodies = list(server.bodies)
    assert ran.code == 0, ran
    found = {row["arm"]: row["n"] for row in ran.rows}
    # A majority is nobody's verdict, so there is none to be given again.
    assert found.pop("majority of 13", 0) == 0
    assert found == {
        **dict.fromkeys(("overseer alone", "overseer with the facts", "one level", "two levels, 13 calls"), 3),
        **dict.fromkeys(("one adversary", "one adversary, verified"), 6),
    }
    decisions = [body for body in bodies if "read their answers" in body["messages"][0]["content"]]
    assert len(decisions) == 3 + 3 + 6 + 6
    assert all('<message from="' in str(body["messages"]) for body in decisions)
    # It does not see what the first overseer wrote for itself.
    assert not any(m["role"] == "assistant" for body in decisions for m in body["messages"])


# --- killed and resumed

MODELS = '''\
"""Models that answer by the hash of what they read, leave a line for each call, and answer as often as told."""

import asyncio
import hashlib
import itertools
import json
import os

from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply

CALLS = itertools.count(1)
WORDS = ["Is it old?", "is it OLD", "Is it near?", "Who knows?", "Where is it?", "Why there?", "When was it?"]


class Player(ChatModel):
    """Overseer and assistant."""

    async def chat(self, request):
        said = repr((request.messages, request.sample))
        drawn = hashlib.sha256(said.encode()).digest()
        form = request.json_schema is not None
        unreadable = form and drawn[1] % 4 == 0 and request.sample < 2
        with open(os.environ["OVERSIGHT_TEST_LOG"], "a") as log:
            log.write(f"{request.seat} {drawn.hex()} {unreadable}\\n")
        if next(CALLS) > int(os.environ.get("OVERSIGHT_TEST_MOST") or 10**9):
            await asyncio.Event().wait()
        text, shares = f"words {drawn.hex()[:8]}", None
        if request.choices:
            text, shares = "A", {"A": drawn[0] / 255, "B": 1 - drawn[0] / 255}
        elif unreadable:
            text = "unreadable"
        elif form and "agree" in request.json_schema["properties"]:
            text = json.dumps({"agree": drawn[2] % 2 == 0})
        elif form:
            text = json.dumps({"questions": [WORDS[byte % len(WORDS)] for byte in drawn[3 : 3 + drawn[2] % 4]]})
        return ChatReply(text, choice_probs=shares, cost_usd=drawn[4] / 1000, prompt_tokens=drawn[5], provider="file")
'''

TREES = "SELECT episode_id, idx, data::VARCHAR AS node FROM annotations WHERE kind = 'node' ORDER BY ALL"
MESSAGES = "SELECT episode_id, idx, author, kind, branch, text FROM messages ORDER BY ALL"


def lay_out(folder: Path) -> Path:
    (folder / "e").mkdir()
    (folder / "e" / "models.py").write_text(MODELS)
    asked = [{"id": f"q{n}", "prompt": f"Which is {n}?", "answers": ["one", "other"], "gold": 0} for n in range(4)]
    questions(folder / "e", asked)
    path = folder / "e" / "e.yaml"
    path.write_text(
        "name: killed\ntask: {name: table, path: rows.jsonl}\n"
        "models: {overseer: './models.py:Player', strong: './models.py:Player'}\n"
        "protocols:\n"
        "  - {amplification: {depth: 3, calls: 40, tokens: 4000, verify: true, adversary: one}, as: checked}\n"
        "  - {amplification: {depth: 3, calls: 24, memo: false}, as: plain}\n"
    )
    return path


def calls_in(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def test_a_killed_run_grows_the_same_trees_and_repeats_no_call_that_it_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, store, log = lay_out(tmp_path), tmp_path / "store", tmp_path / "log"
    run = Running(tmp_path, experiment, "--engine", "local", "--concurrency", 4, "--store", store, MOST=60, LOG=log)
    run.until(lambda: len(calls_in(log)) > 60 and journalled(store).calls >= 50, "some calls to be kept")
    run.process.send_signal(signal.SIGKILL)
    assert run.ended().code == -signal.SIGKILL
    before, kept = calls_in(log), journalled(store)
    assert 0 < kept.usable < kept.calls < len(before), "nothing was kept, or nothing was in flight"

    monkeypatch.setenv("OVERSIGHT_TEST_LOG", str(log))
    result = run_experiment(experiment, RunSettings(store, engine="local", concurrency=4))
    assert result.driven.failed == []
    assert result.driven.judged + result.already == 4 * 2 + 4
    assert result.driven.judged > 0

    after = calls_in(log)[len(before) :]
    monkeypatch.setenv("OVERSIGHT_TEST_LOG", str(tmp_path / "other"))
    undisturbed = tmp_path / "undisturbed"
    run_experiment(experiment, RunSettings(undisturbed, engine="local", concurrency=4))
    trees = rows(undisturbed, TREES)
    kinds = {json.loads(row["node"])["how"] for row in trees}
    assert kinds >= {"decomposed", "leaf", "budget", "cycle", "memo"}, "the trees are too plain to prove anything"
    assert rows(store, TREES) == trees
    assert rows(store, MESSAGES) == rows(undisturbed, MESSAGES)
    # What the kill caught in flight may be asked again, and of the rest only what nobody could read.
    again = [line for line in set(before) & set(after) if line.endswith("False")]
    assert len(again) <= len(before) - kept.calls
