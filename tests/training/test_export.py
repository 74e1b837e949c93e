"""Each round's rows as a file, for a model that is trained elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cli.running import Ran, here
from execution.staging import rows

from oversight.models.chat_rows import problems, read_rows
from training.staging import HELD, TRAIN, Calls, command, distilled, lay_out, lay_out_files, rounds

pytestmark = pytest.mark.long

FEW = TRAIN[:4]
NAMED = "iterate.distil.models="


def waiting(folder: Path, **distil: Any) -> Path:
    """An experiment of two rounds with nobody's model named."""
    given = {"method": "export", **distil}
    return lay_out_files(folder, train=FEW, held=HELD[:1], distil=given, iterate={"rounds": 2})


def told(ran: Ran) -> str:
    """The one line that says what somebody has to do."""
    (line,) = [line for line in ran.err.splitlines() if line.startswith("waiting: ")]
    return line


def run_id(ran: Ran) -> str:
    return next(line for line in ran.out.splitlines() if line.startswith("run ")).removeprefix("run ")


def test_it_waits_for_a_model_and_goes_on_in_the_same_run(tmp_path: Path, calls: Calls) -> None:
    experiment, store = waiting(tmp_path), tmp_path / "store"
    first = command(experiment)
    assert first.code == 0, first
    (path,) = store.glob("rounds/*/round-001.jsonl")
    assert told(first) == (
        f"waiting: train X_1 on {path} (12 rows), then go on with the same command and "
        "--set 'iterate.distil.models=[NAME]'"
    )
    assert list(rounds(store)) == [(0, "evaluated"), (1, "amplified")]
    assert rows(store, "SELECT arg_max(event, event_at) AS event FROM run_events") == [{"event": "interrupted"}]
    written = distilled(store)
    assert problems(path) == []
    assert len(read_rows(path)) == 12

    made = len(calls)
    again = command(experiment)
    assert (again.code, told(again)) == (0, told(first))
    assert len(calls) == made
    assert distilled(store) == written

    before = Counter(name for name, *_ in calls)
    named = command(experiment, "--set", f"{NAMED}[./model.py:X1]")
    assert named.code == 0, named
    assert run_id(named) == run_id(again) == run_id(first)
    assert "train X_2 on" in told(named)
    assert "--set 'iterate.distil.models=[./model.py:X1, NAME]'" in told(named)
    assert rounds(store)[1, "distilled"]["model"] == "./model.py:X1"
    # X_1 alone and amplified on one question, and on the training questions.
    assert Counter(name for name, *_ in calls) - before == {"Overseer": 1 + 4, "X1": 1 + 2 + 4 * 2}
    assert distilled(store) == written

    last = command(experiment, "--set", f"{NAMED}[./model.py:X1, ./model.py:X2]")
    assert last.code == 0
    assert "waiting" not in last.err
    assert run_id(last) == run_id(first)
    assert list(rounds(store))[-1] == (2, "evaluated")
    assert rows(store, "SELECT arg_max(event, event_at) AS event FROM run_events") == [{"event": "finished"}]
    assert distilled(store) == written != distilled(store, 2)
    asked = Counter(json.dumps(call) for call in calls)
    assert max(asked.values()) == 1


def test_the_true_answers_are_written_on_request_and_nowhere_else(tmp_path: Path, calls: Calls) -> None:
    experiment, store = waiting(tmp_path, ceiling=True), tmp_path / "store"
    assert command(experiment).code == 0
    (path,) = store.glob("rounds/*/ceiling.jsonl")
    learnt = read_rows(path)
    gold = {row["prompt"]: row["answers"][row["gold"]] for row in FEW}
    assert len(learnt) == len(gold)
    for row in learnt:
        brief = row.messages[0].content
        right = next(answer for prompt, answer in gold.items() if prompt in brief)
        assert f'<answer label="{row.messages[-1].content}">{right}</answer>' in brief
    # The prompts are those of the rows of the questions themselves.
    (own,) = store.glob("rounds/*/round-001.jsonl")
    prompts = {row.messages[:-1] for row in read_rows(own)}
    assert {row.messages[:-1] for row in learnt} <= prompts


def test_a_ceiling_does_not_learn_where_a_task_puts_the_right_answer(tmp_path: Path, calls: Calls) -> None:
    first = [{**row, "gold": 0} for row in TRAIN]
    path = lay_out_files(tmp_path, train=first, held=HELD[:1], distil={"method": "export", "ceiling": True})
    assert command(path).code == 0
    store = tmp_path / "store"
    learnt = read_rows(next(store.glob("rounds/*/ceiling.jsonl")))
    own = {row.messages[:-1] for row in read_rows(next(store.glob("rounds/*/round-001.jsonl")))}
    assert {row.messages[:-1] for row in learnt} <= own
    assert {row.messages[-1].content for row in learnt} == {"A", "B"}
    assert all(f'<answer label="{row.messages[-1].content}">the mill<' in row.messages[0].content for row in learnt)


@pytest.mark.parametrize("wrong", ["./model.py:Xx", "./none.py:X1", "embedded/none"])
def test_a_model_that_there_is_not_is_refused_and_the_right_one_goes_on(
    tmp_path: Path, calls: Calls, wrong: str
) -> None:
    experiment, store = waiting(tmp_path), tmp_path / "store"
    assert command(experiment, "--limit", 1).code == 0
    said = command(experiment, "--limit", 1, "--set", f"{NAMED}[{wrong}]").complaint()
    assert "iterate.distil.models" in said
    assert (1, "distilled") not in rounds(store)
    assert command(experiment, "--limit", 1, "--set", f"{NAMED}[./model.py:X1]").code == 0
    assert rounds(store)[1, "distilled"]["model"] == "./model.py:X1"


def test_another_name_for_a_round_that_was_evaluated_is_not_ignored(tmp_path: Path, calls: Calls) -> None:
    experiment, store = waiting(tmp_path), tmp_path / "store"
    assert command(experiment, "--limit", 1, "--set", f"{NAMED}[./model.py:X1]").code == 0
    said = command(experiment, "--limit", 1, "--set", f"{NAMED}[./model.py:X2]").complaint()
    assert "./model.py:X1" in said
    assert rounds(store)[1, "distilled"]["model"] == "./model.py:X1"


@pytest.mark.parametrize("names", ["[./model.py:X1, ./model.py:X1]", "[./model.py:X0]", "[./model.py:Ceiling]"])
def test_one_name_for_two_models_is_refused(tmp_path: Path, calls: Calls, names: str) -> None:
    """Their episodes would be the same, and the later arm would be empty."""
    bound = {"ceiling": {"model": "./model.py:Ceiling"}}
    path = lay_out_files(tmp_path, train=FEW, held=HELD[:1], models=bound, distil={"method": "export"})
    said = here("plan", path, "--set", f"{NAMED}{names}").complaint()
    assert "iterate.distil.models" in said


def test_without_a_key_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    keyless = {"api_key_env": "NOBODYS_OPENAI_KEY"}
    experiment = lay_out(
        tmp_path, "http://127.0.0.1:9/v1", distil={"method": "export"}, overseer=keyless, strong=keyless
    )
    assert here("plan", experiment.parent / "e.yaml", "--set", "iterate.distil={method: export}").code == 0
    said = command(experiment, "--set", "iterate.distil={method: export}").complaint()
    assert "NOBODYS_OPENAI_KEY" in said
    assert not (tmp_path / "store").exists()
