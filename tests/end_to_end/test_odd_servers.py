"""What a run says and stores where a server refuses part of what is asked, or counts what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.running import here
from execution.staging import rows
from experiment.files import questions
from models.answering import answering, completion

from oversight.testing.loopback import LoopbackServer

ROWS = [{"id": f"q{n}", "prompt": f"Who let boat {n} go?", "answers": ["Ben", "Ann"], "gold": 1} for n in range(3)]
STATED = '{"A": 0.1, "B": 0.9, "abstain": false}'


def lay_out(folder: Path, base: str, judge: str = "", protocol: str = "direct") -> Path:
    questions(folder, ROWS)
    path = folder / "e.yaml"
    path.write_text(
        f"""\
name: odd
task: {{name: table, path: rows.jsonl}}
models:
  judge: {{model: hosted_vllm/judge, api_base: '{base}'{judge}}}
  strong: {{model: hosted_vllm/strong, api_base: '{base}'}}
protocols:
  - {protocol}
"""
    )
    return path


def test_a_refused_extra_is_said_once_and_stands_in_the_record(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with LoopbackServer(unsupported=("logprobs",)) as server:
        ran = here("run", lay_out(tmp_path, server.api_base), "--engine", "local", "--store", store)

    assert ran.code == 0, ran
    assert ran.err.count("token probabilities left out from now on: ") == 1
    assert rows(store, "SELECT DISTINCT source FROM beliefs") == [{"source": "stated"}]
    said = rows(store, "SELECT notice FROM calls WHERE notice LIKE 'token probabilities left out%'")
    assert "logprobs" in said[0]["notice"]


def test_absurd_counts_are_unknown_end_no_run_and_stop_a_budget(tmp_path: Path) -> None:
    store, usage = tmp_path / "store", {"prompt_tokens": 2**64, "completion_tokens": -5, "total_tokens": 1}
    priced = ", belief: stated, input_cost_per_token: 0.000001, output_cost_per_token: 0.000001"
    with answering(lambda body: (200, completion(STATED, usage=usage))) as (base, _):
        command = ("run", lay_out(tmp_path, f"{base}/v1", priced), "--engine", "local", "--store", store)
        stopped = here(*command, "--max-cost", "1", "--concurrency", "1")
        ran = here(*command)
        reported = here("report", "--store", store, "--format", "json")

    assert stopped.code == 3
    assert "a call's price is unknown" in stopped.err
    assert ran.code == 0, ran
    assert ran.err.count("token usage is unknown: ") == 1
    kept = rows(store, "SELECT DISTINCT prompt_tokens, completion_tokens, cost_usd FROM calls")
    assert kept == [{"prompt_tokens": None, "completion_tokens": None, "cost_usd": None}]
    [arm] = reported.rows
    assert (arm["prompt_tokens"], arm["completion_tokens"], arm["cost_usd"]) == (None, None, None)


def test_cut_speeches_are_kept_with_whole_sentences_and_counted_by_side(tmp_path: Path) -> None:
    store = tmp_path / "store"

    def answer(body: Any) -> tuple[int, Any]:
        if body["model"] == "judge":
            return 200, completion(STATED)
        return 200, completion("The log names them. It is", finish_reason="length")

    with answering(answer) as (base, _):
        path = lay_out(tmp_path, f"{base}/v1", ", belief: stated", "consultancy: {rounds: 1, word_limit: 50}")
        ran = here("run", path, "--engine", "local", "--store", store)

    assert ran.code == 0, ran
    speeches = rows(store, "SELECT DISTINCT text, words_cut, truncated FROM messages WHERE kind = 'speech'")
    assert speeches == [{"text": "The log names them.", "words_cut": 2, "truncated": True}]
    assert "Texts that a token limit cut off" in ran.out
    sides = rows(store, "SELECT side, messages FROM truncations ORDER BY side")
    assert sides == [{"side": "dishonest", "messages": 3}, {"side": "honest", "messages": 3}]
