"""Process supervision from an experiment file: over an API with solutions that are written, and as it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cli.running import here
from execution.staging import rows
from experiment.files import questions, write

from oversight.testing.loopback import LoopbackServer, Reply

DRAFT = "The note is of 1871.\nIt names the {}.\nAnswer: {}"
ROWS = [
    {"id": f"q{n}", "prompt": f"What does note {n} name?", "answers": ["the mill", "the inn"], "gold": 0}
    for n in (1, 2)
]


def answer(body: Mapping[str, Any]) -> Reply | str:
    """Writers lead where they are told to, else to A; the overseer rejects every step that names the inn."""
    messages = body["messages"]
    if "response_format" in body:
        stepwise = "label" in body["response_format"]["json_schema"]["schema"]["properties"]
        wrong = "the inn." in (messages[-1]["content"] if stepwise else str(messages))
        p = 0.1 if wrong else 0.9
        return json.dumps(
            {"label": "incorrect" if wrong else "correct", "p_correct": p} if stepwise else {"p_correct": p}
        )
    mill = 'label="A">the mill' in messages[0]["content"]
    place = "B" if 'argues="B"' in messages[0]["content"] else "A"
    return DRAFT.format("mill" if mill == (place == "A") else "inn", place)


def test_written_solutions_are_checked_step_by_step_over_an_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-secret")
    questions(tmp_path, ROWS)
    store = tmp_path / "store"
    with LoopbackServer(answer) as server:
        model = f"{{model: openai/gpt-4o-mini, api_base: '{server.api_base}'}}"
        experiment = write(
            tmp_path,
            f"name: steps\ntask: {{name: table, path: rows.jsonl}}\nmodels: {{overseer: {model}, strong: {model}}}\n"
            "protocols:\n"
            "  - process_supervision: {solutions: written, candidates: 2, adversary: true}\n"
            "  - outcome_supervision: {solutions: written, candidates: 2, sees: solution}\n",
        )
        ran = here("run", experiment, "--engine", "local", "--store", store)
    assert ran.code == 0, ran
    found = {row["protocol"]: row["n"] for row in here("report", "--store", store, "--format", "json").rows}
    # The adversary leads to each answer in turn; without one, a question is one episode.
    assert found == {"process_supervision": 4, "outcome_supervision": 2}
    labels = rows(
        store,
        "SELECT data->>'label' AS label, (data->>'text') LIKE '%inn.' AS inn, count(*) AS n "
        "FROM annotations WHERE kind = 'step' GROUP BY ALL ORDER BY ALL",
    )
    assert {(row["label"], row["inn"]) for row in labels} <= {("incorrect", True), ("correct", False)}
    writers = rows(
        store, "SELECT DISTINCT data->>'writer' AS writer FROM annotations WHERE kind = 'solution' ORDER BY 1"
    )
    assert [row["writer"] for row in writers] == ["solver_0", "solver_1", "solver_2"]
    told = rows(
        store,
        "SELECT honest IS NOT NULL AS right, count(*) AS n FROM results WHERE protocol LIKE 'process%' GROUP BY 1",
    )
    assert {row["right"]: row["n"] for row in told} == {True: 2, False: 2}


@pytest.mark.long
def test_show_prints_solutions_as_labelled_beside_the_truth(tmp_path: Path) -> None:
    store = tmp_path / "store"
    ran = here("run", "process_arithmetic", "--engine", "local", "--limit", 4, "--store", store)
    assert ran.code == 0, ran
    query = """
        SELECT episode_id FROM annotations JOIN episodes USING (run_id, episode_id, attempt)
        WHERE arm = 'process' AND kind = 'step' AND data->>'label' = 'incorrect' LIMIT 1
    """
    shown = here("show", rows(store, query)[0]["episode_id"], "--store", store)
    assert shown.code == 0
    wrong = [line for line in shown.out.splitlines() if "[incorrect" in line]
    assert wrong
    assert all("<- the first mistake" in line for line in wrong)
    assert "solution 1, given: answer" in shown.out
    assert '"label"' not in shown.out  # the forms themselves are among the prompts
    assert "(computed, ok)" in shown.out
    exported = here(
        "export", rows(store, "SELECT run_id FROM runs")[0]["run_id"], "--format", "prm800k", "--store", store
    )
    assert exported.code == 0
    assert all(json.loads(line)["label"]["steps"] for line in exported.out.splitlines())


@pytest.mark.long
def test_the_stand_in_has_solutions_rewritten_and_both_versions_of_a_step_are_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-secret")
    questions(tmp_path, [ROWS[0] | {"id": f"q{n}", "prompt": f"What does note {n} name?"} for n in range(8)])
    store = tmp_path / "store"
    with LoopbackServer() as server:
        model = f"{{model: openai/gpt-4o-mini, api_base: '{server.api_base}'}}"
        experiment = write(
            tmp_path,
            f"name: anew\ntask: {{name: table, path: rows.jsonl}}\nmodels: {{overseer: {model}, strong: {model}}}\n"
            "protocols:\n  - process_supervision: {solutions: written, candidates: 2, revisions: 2}\n",
        )
        ran = here("run", experiment, "--engine", "local", "--store", store)
    assert ran.code == 0, ran
    rejected = rows(store, "SELECT run_id, data FROM annotations WHERE kind = 'rejected'")
    assert rejected
    exported = here("export", rejected[0]["run_id"], "--format", "prm800k", "--store", store)
    steps = [step for line in exported.out.splitlines() for step in json.loads(line)["label"]["steps"]]
    anew = [step for step in steps if len(step["completions"]) > 1]
    assert sum(len(step["completions"]) - 1 for step in anew) <= len(rejected)
    # What was rejected stands first; the last version is the one that was gone on from, unless it was rejected too.
    assert all(each["rating"] == -1 for step in anew for each in step["completions"][:-1])
    assert any(step["chosen_completion"] == 1 and step["completions"][1]["rating"] != -1 for step in anew)


@pytest.mark.long
def test_show_says_that_a_judgement_could_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-secret")
    questions(tmp_path, ROWS[:1])
    store = tmp_path / "store"
    with LoopbackServer(lambda body: "Hm." if "response_format" in body else answer(body)) as server:
        model = f"{{model: openai/gpt-4o-mini, api_base: '{server.api_base}'}}"
        experiment = write(
            tmp_path,
            f"name: hm\ntask: {{name: table, path: rows.jsonl}}\nmodels: {{overseer: {model}, strong: {model}}}\n"
            "protocols:\n  - outcome_supervision: {solutions: written, sees: solution}\n",
        )
        assert here("run", experiment, "--engine", "local", "--store", store).code == 0
    shown = here("show", rows(store, "SELECT episode_id FROM episodes")[0]["episode_id"], "--store", store)
    assert "no score, because the judgement could not be read" in shown.out
