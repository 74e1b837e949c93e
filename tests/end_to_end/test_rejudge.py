"""Another judge for stored transcripts, over a real server: the debaters are never asked again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cli.running import here
from execution.staging import rows

from oversight.testing.loopback import Fault, LoopbackServer, Reply

from .test_api import EPISODES, lay_out

ALL = sum(EPISODES.values())


def answer(body: Mapping[str, Any]) -> Reply | str:
    """Judges lean by their name; no two prompts get the same speech, or else calls would be shared."""
    if body.get("logprobs"):
        p = {"gpt-4o-mini": 0.9, "gpt-4.1-nano": 0.2}[body["model"]]
        return Reply("A", first_token={"A": p, "B": 1 - p})
    return f"In view of {hashlib.sha256(str(body['messages']).encode()).hexdigest()}, I still say so."


def rejudge(run: tuple[Path, str], server: LoopbackServer, *options: object, judge: str = "gpt-4.1-nano") -> Any:
    store, run_id = run
    at = ("--set", f"api_base={server.api_base}")
    return here("rejudge", run_id, "--judge", f"openai/{judge}", *at, "--store", store, *options)


def test_another_judge_reads_what_the_first_one_read_and_only_the_judge_is_asked(
    run: tuple[Path, str], server: LoopbackServer
) -> None:
    store, _ = run
    before = rows(store, "SELECT * FROM messages ORDER BY ALL")
    ran = rejudge(run, server, "--format", "json")
    assert ran.code == 0, ran
    assert {body["model"] for body in server.bodies} == {"gpt-4.1-nano"}
    assert len(server.bodies) == ALL
    assert {row["arm"]: row["n"] for row in ran.rows} == EPISODES
    # It leans the other way, and each pair of assignments has the right answer in one place twice.
    for row in ran.rows:
        assert row["first_accuracy"] == pytest.approx(1 - row["accuracy"])
        assert row["agreement"] == 0
        assert row["difference"] == pytest.approx(row["accuracy"] - row["first_accuracy"])
    assert rows(store, "SELECT * FROM messages ORDER BY ALL") == before
    assert rows(store, "SELECT count(*) AS n FROM calls WHERE model LIKE '%nano'") == [{"n": 0}]
    # The same again asks nothing.
    assert rejudge(run, server).code == 0
    assert len(server.bodies) == ALL


@pytest.mark.long
def test_the_same_judge_meets_its_own_prompts_and_repays_nothing(run: tuple[Path, str], server: LoopbackServer) -> None:
    """Which proves that a re-judge's prompt is the first judge's, byte for byte: calls are known by their prompts."""
    ran = rejudge(run, server, "--set", "timeout=20", "--format", "json", judge="gpt-4o-mini")
    assert ran.code == 0, ran
    assert server.bodies == []
    assert [row["agreement"] for row in ran.rows] == [1, 1, 1]
    assert [row["calls"] for row in ran.rows] == [0, 0, 0]


@pytest.mark.long
def test_a_judge_that_fails_is_asked_again_and_its_failures_are_stored(
    run: tuple[Path, str], server: LoopbackServer
) -> None:
    store, _ = run
    server.faults.extend([Fault.context_length()] * 3)
    ran = rejudge(run, server, "--concurrency", 1)
    assert ran.code == 1
    assert ran.err.count("failed: ") == 3
    assert {r["failure"] for r in rows(store, "SELECT failure FROM rejudged WHERE status = 'failed'")} == {
        "context_length"
    }
    again = rejudge(run, server, "--format", "json")
    assert again.code == 0
    assert sum(row["n"] for row in again.rows) == ALL
    assert sum(row["n_failed"] for row in again.rows) == 0
    assert len(server.bodies) == ALL + 3


@pytest.mark.long
def test_a_judge_that_states_its_belief_is_asked_in_its_own_form(run: tuple[Path, str], server: LoopbackServer) -> None:
    server.responder = lambda body: '{"A": 0.25, "B": 0.75, "abstain": false}'
    ran = rejudge(run, server, "--set", "belief=stated", "--format", "json")
    assert ran.code == 0, ran
    last = [body["messages"][-1]["content"] for body in server.bodies]
    assert all("one JSON object" in text and "letter of one answer" not in text for text in last)
    store, _ = run
    assert rows(store, "SELECT DISTINCT source, probs FROM judgements") == [{"source": "stated", "probs": [0.25, 0.75]}]


@pytest.mark.long
def test_budget_and_usage_errors(run: tuple[Path, str], server: LoopbackServer) -> None:
    stopped = rejudge(run, server, "--max-cost", 0, "--format", "json")
    assert stopped.code == 3
    assert "budget of $0 reached" in stopped.err
    assert server.bodies == []
    assert "unknown key - did you mean 'temperature'" in rejudge(run, server, "--set", "temprature=1").complaint()
    assert "there is no run 'api-x'" in rejudge((run[0], "api-x"), server).complaint()
    assert "key=value" in rejudge(run, server, "--set", "belief").complaint()


def truncating(body: Mapping[str, Any]) -> Reply | str:
    """The seat that argues for answer B runs into a token limit."""
    cut = 'argues="B"' in str(body["messages"][0]["content"])
    return Reply("So it is. And so it is that", "length") if cut else answer(body)


@pytest.mark.long
def test_failed_calls_are_reported_by_the_side_they_fell_on(tmp_path: Path, server: LoopbackServer) -> None:
    """A peer's truncations fell on one side in 27 cases of 32, and its filter made that a result."""
    server.responder = truncating
    store, failing = tmp_path / "store", ("--set", "models.strong.truncated=fail")
    ran = here("run", lay_out(tmp_path, server), *failing, "--engine", "local", "--store", store)
    assert ran.code == 1
    found = rows(store, "SELECT arm, failure, side, calls, attempts_failed FROM faults ORDER BY ALL")
    assert {row["failure"] for row in found} == {"truncated"}
    assert {row["side"] for row in found} == {"honest", "dishonest"}
    # Every consultant with answer B, and every debater: cut twice, then its episode fails.
    consultancy = [row for row in found if row["arm"] == "consultancy"]
    assert sum(row["calls"] for row in consultancy) == 8
    assert sum(row["attempts_failed"] for row in consultancy) == 4
    assert "Failed calls, by the side" in ran.out
    assert "dishonest" in here("report", "--store", store).out
    assert rows(store, "SELECT * FROM truncations") == []


@pytest.mark.long
def test_texts_that_were_kept_although_they_were_cut_off_are_reported_by_side(
    tmp_path: Path, server: LoopbackServer
) -> None:
    server.responder = truncating
    store = tmp_path / "store"
    ran = here("run", lay_out(tmp_path, server), "--engine", "local", "--store", store)
    assert ran.code == 0, ran
    found = rows(store, "SELECT arm, side, messages, episodes FROM truncations ORDER BY arm, side")
    # In every debate, and in every other consultancy, a seat argues for B, which is right for half of the questions.
    assert {(row["arm"], row["side"]): row["episodes"] for row in found} == {
        (arm, side): n // 4 if arm == "consultancy" else n // 2
        for arm, n in EPISODES.items()
        if arm != "direct"
        for side in ("honest", "dishonest")
    }
    assert "Texts that a token limit cut off" in ran.out
    texts = rows(store, "SELECT text FROM messages WHERE truncated")
    assert {row["text"] for row in texts} == {"So it is."}
    assert rows(store, "SELECT * FROM faults") == []
