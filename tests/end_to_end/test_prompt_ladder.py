"""A ladder of judge prompts on stored speeches, over a real server: only the judge's words change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cli.running import here
from execution.staging import rows

from oversight.cli.output import Format
from oversight.cli.rejudge_command import print_ladder
from oversight.errors import UsageError
from oversight.execution.execute import RunSettings
from oversight.execution.judge_prompt import JudgePrompt
from oversight.execution.rejudge import RejudgeResult, rejudge
from oversight.reports.ladder import LadderRow, ladder
from oversight.store import open_store
from oversight.testing.loopback import LoopbackServer, Reply

from .test_api import EPISODES

pytestmark = pytest.mark.long

ALL = sum(EPISODES.values())
JUDGE = "openai/gpt-4.1-nano"


def answer(body: Mapping[str, Any]) -> Reply | str:
    """A judge that leans to A unless its prompt says to doubt; everybody else says something of its own."""
    if body.get("logprobs"):
        p = 0.2 if "Doubt" in str(body["messages"]) else 0.9
        return Reply("A", first_token={"A": p, "B": 1 - p})
    return f"So I say: {len(str(body['messages']))}."


def prompt(folder: Path, text: str, name: str = "words.j2") -> JudgePrompt:
    (folder / name).write_text(text)
    return JudgePrompt.read(folder / name)


def judged(
    run: tuple[Path, str], server: LoopbackServer, *prompts: JudgePrompt, **settings: Any
) -> tuple[RejudgeResult, list[LadderRow]]:
    store, run_id = run
    where = RunSettings(store, "local", **settings)
    done = rejudge(run_id, {"model": JUDGE, "api_base": server.api_base}, where, prompts=prompts)
    return done, ladder(open_store(store), run_id, JUDGE, done.settings)


def test_each_prompt_is_put_to_the_judge_behind_the_same_speeches(
    run: tuple[Path, str], server: LoopbackServer, tmp_path: Path
) -> None:
    store, _ = run
    before = rows(store, "SELECT * FROM messages ORDER BY ALL")
    plain, doubting = prompt(tmp_path, "Which is it?", "plain.j2"), prompt(tmp_path, "Doubt them all.", "doubting.j2")
    done, found = judged(run, server, plain, doubting)
    assert (done.driven.judged, done.already, done.driven.failed) == (2 * ALL, 0, [])
    last = [body["messages"][-1]["content"] for body in server.bodies]
    for words in ("Which is it?", "Doubt them all."):
        assert sum(f"{words}\n\nReply with the letter" in text for text in last) == ALL
    assert not any("Decide now" in text for text in last)
    # The speeches are those that the first judge read, and nothing of them is asked for again.
    speeches = {row["text"] for row in before if row["kind"] == "speech" and row["author"] != "judge"}
    assert all(any(speech in str(body["messages"]) for body in server.bodies) for speech in speeches)
    assert rows(store, "SELECT * FROM messages ORDER BY ALL") == before
    stored = rows(
        store,
        "SELECT settings->'prompt'->>'name' AS name, settings->'prompt'->>'digest' AS digest, count(*) AS n "
        "FROM judgements GROUP BY ALL ORDER BY name",
    )
    assert [(row["name"], row["n"]) for row in stored] == [("doubting.j2", ALL), ("plain.j2", ALL)]
    assert len({row["digest"] for row in stored}) == 2
    assert [(row.arm, row.prompt, row.n) for row in found] == [
        (arm, name, n) for arm, n in EPISODES.items() for name in ("plain.j2", "doubting.j2")
    ]
    # The same again asks nothing, in either order.
    again, _ = judged(run, server, doubting, plain)
    assert (again.driven.judged, again.already, len(server.bodies)) == (0, 2 * ALL, 2 * ALL)


def test_the_stored_words_as_a_template_are_the_stored_prompt_and_cost_nothing(
    run: tuple[Path, str], server: LoopbackServer, tmp_path: Path
) -> None:
    """Which proves that nothing but the words changes: the cache knows calls by their prompts."""
    judged(run, server)
    asked = len(server.bodies)
    same = tmp_path / "same"
    same.mkdir()
    prompt(same, "{{ asked }}", "decide.j2")
    done, found = judged(run, server, prompt(same, "{{ brief }}", "judge.j2").read(same))
    assert (done.driven.judged, done.driven.calls, len(server.bodies)) == (ALL, 0, asked)
    assert [row.calls for row in found] == [0, 0, 0]
    query = "SELECT DISTINCT episode_id, probs FROM judgements WHERE (settings->'prompt') IS {} NULL ORDER BY ALL"
    assert rows(run[0], query.format("")) == rows(run[0], query.format("NOT"))


def test_a_folder_words_the_brief_and_what_else_it_holds_does_not_count(
    run: tuple[Path, str], server: LoopbackServer, tmp_path: Path
) -> None:
    prompt(tmp_path, "Doubt {% for seat, label in defended.items() %}{{ seat }} ({{ label }}) {% endfor %}", "who.j2")
    prompt(tmp_path, "You are strict.\n{% include 'who' %}", "judge.j2")
    prompt(tmp_path, "not used", "argue.j2")
    folder = JudgePrompt.read(tmp_path)
    assert set(folder.templates) == {"judge", "who"}
    _, found = judged(run, server, folder)
    briefs = [body["messages"][0]["content"] for body in server.bodies]
    assert all(text.startswith("You are strict.\nDoubt") and "<question>" in text for text in briefs)
    assert not any("You are the judge" in text for text in briefs)
    assert sum("Doubt debater_a (" in text for text in briefs) == EPISODES["debate"]
    assert all("Decide now which answer is right." in body["messages"][-1]["content"] for body in server.bodies)
    assert [row.n for row in found] == list(EPISODES.values())
    prompt(tmp_path, "still not used", "argue.j2")
    assert JudgePrompt.read(tmp_path) == folder


def test_the_table_compares_with_the_first_judge_and_the_first_prompt(
    run: tuple[Path, str], server: LoopbackServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = judged(run, server, prompt(tmp_path, "Which?", "a.j2"), prompt(tmp_path, "Doubt.", "b.j2"))
    by = {(row.arm, row.prompt): row for row in found}
    for arm, n in EPISODES.items():
        one, other = by[arm, "a.j2"], by[arm, "b.j2"]
        assert one.accuracy is not None
        assert other.accuracy is not None
        assert other.accuracy == pytest.approx(1 - one.accuracy)
        assert one.to_first_prompt is None
        same, flips = one.to_first_judge, other.to_first_prompt
        assert same is not None
        assert flips is not None
        # The first judge leans as the first prompt does; the second prompt turns every verdict round.
        assert (same.n, same.difference, same.right_to_wrong, same.wrong_to_right) == (n, 0, 0, 0)
        assert flips.right_to_wrong == one.accuracy * n
        assert flips.wrong_to_right == other.accuracy * n
        assert flips.difference == pytest.approx(other.accuracy - one.accuracy)
        # Direct has one transcript a question; the others have two, which McNemar's test would count as independent.
        assert flips.test.startswith("McNemar, exact") == (arm == "direct")
        assert "4 clusters" in flips.test or arm == "direct"
    print_ladder(found, Format.TABLE)
    said = capsys.readouterr().out
    assert "McNemar, exact" in said
    assert "several transcripts" in said
    print_ladder(found, Format.CSV)
    header, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(found)
    assert "to_first_prompt.p_holm" in header.split(",")
    assert "to_first_prompt" not in header.split(",")
    print_ladder(found, Format.JSON)
    assert json.loads(capsys.readouterr().out)[1]["to_first_prompt"]["n"] == EPISODES["direct"]


def test_a_slip_in_a_template_costs_no_call(run: tuple[Path, str], server: LoopbackServer, tmp_path: Path) -> None:
    for text, said in (
        ("{{ gold }}", "'gold' is undefined; names it may use: question, labels"),
        ("{{ options.ruonds }}", "no attribute 'ruonds'"),
        ("{% if %}", "the template 'decide', line 1"),
        (" \n", "is blank"),
    ):
        with pytest.raises(UsageError, match=said):
            judged(run, server, prompt(tmp_path, text))
    empty = tmp_path / "empty"
    empty.mkdir()
    for path, said in ((empty, "holds neither decide.j2"), (tmp_path / "gone.j2", "cannot be read")):
        with pytest.raises(UsageError, match=said):
            JudgePrompt.read(path)
    assert server.bodies == []
    assert rows(run[0], "SELECT count(*) AS n FROM judgements") == [{"n": 0}]


def test_a_budget_stops_a_ladder_and_the_rest_is_judged_later(
    run: tuple[Path, str], server: LoopbackServer, tmp_path: Path
) -> None:
    steps = prompt(tmp_path, "Which?", "a.j2"), prompt(tmp_path, "Doubt.", "b.j2")
    done, found = judged(run, server, *steps, max_cost=0.0)
    assert done.driven.stopped is not None
    assert (server.bodies, found) == ([], [])
    done, found = judged(run, server, *steps)
    assert (done.driven.judged, len(server.bodies)) == (2 * ALL, 2 * ALL)
    assert len(found) == 2 * len(EPISODES)


def test_a_ladder_is_replayed_from_stored_replies(
    run: tuple[Path, str], server: LoopbackServer, tmp_path: Path
) -> None:
    store, run_id = run
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    steps = prompt(tmp_path, "Which?", "a.j2"), prompt(tmp_path, "Doubt.", "b.j2")
    _, found = judged(run, server, *steps)
    asked = len(server.bodies)
    done, again = judged((copy, run_id), server, *steps, replay=store)
    assert (done.driven.judged, len(server.bodies)) == (2 * ALL, asked)
    assert [row.accuracy for row in again] == [row.accuracy for row in found]
    other = prompt(tmp_path, "Who knows?", "c.j2")
    done, _ = judged((copy, run_id), server, other, replay=store)
    assert (done.driven.judged, len(server.bodies)) == (0, asked)


def test_the_command_takes_several_prompts_and_prints_the_ladder(
    run: tuple[Path, str], server: LoopbackServer, tmp_path: Path
) -> None:
    store, run_id = run
    prompt(tmp_path, "Which?", "a.j2")
    prompt(tmp_path, "Doubt.", "b.j2")
    asked = ("--judge", JUDGE, "--set", f"api_base={server.api_base}", "--store", store)
    ran = here("rejudge", run_id, *asked, "--prompt", tmp_path / "a.j2", "--prompt", tmp_path / "b.j2")
    assert ran.code == 0, ran
    assert f"{2 * ALL} judgements by {JUDGE}" in ran.err
    assert "a.j2" in ran.out
    assert "McNemar, exact" in ran.out
    # What a report says of the same judge tells the prompts apart.
    again = here("rejudge", run_id, *asked, "--format", "json")
    assert {row["asked"] for row in again.rows} == {"a.j2", "b.j2", ""}
