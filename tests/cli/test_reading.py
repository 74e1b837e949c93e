"""What ``report``, ``plan``, ``show``, ``sql``, ``protocols`` and ``tasks`` print."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from pathlib import Path

import pytest

from cli.conftest import EXPERIMENT, Seen
from cli.running import here

ARMS = ["direct", "consultancy", "debate", "loud"]
EPISODES = {"direct": 4, "consultancy": 8, "debate": 8, "loud": 8}
CALLS = {"direct": 4, "consultancy": 8 * 3, "debate": 8 * 5, "loud": 8 * 2}


def controls(text: str) -> set[str]:
    """Characters that could steer a terminal or turn the writing around."""
    return {c for c in text if c != "\n" and (unicodedata.category(c) == "Cc" or "\u202a" <= c <= "\u2069")} - {
        "\u2028"
    }


def table(markdown: str) -> list[dict[str, str]]:
    """The rows of a Markdown table."""
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in markdown.splitlines()]
    head, rule, *rows = lines
    assert set("".join(rule)) <= set("-:")
    assert all(len(row) == len(head) for row in rows)
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_the_run_printed_its_report_and_finished(seen: Seen) -> None:
    assert seen.ran.code == 0
    assert all(arm in seen.ran.out for arm in ARMS)
    assert f"{sum(EPISODES.values())} episodes run with {sum(CALLS.values())} model calls" in seen.ran.out


def test_report_json_has_what_was_promised(seen: Seen) -> None:
    rows = seen.report("--format", "json").rows
    assert [row["arm"] for row in rows] == ARMS
    for row in rows:
        arm = row["arm"]
        assert row["run"].startswith("seen-")
        assert (row["task"], row["judge"]) == ("digits", "embedded/pixel-judge")
        assert row["protocol"] == ("consultancy" if arm == "loud" else arm)
        assert isinstance(row["options"], dict)
        assert (row["n"], row["n_failed"], row["calls"]) == (EPISODES[arm], 0, CALLS[arm])
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
        assert row["interval"] in ("wilson", "cluster score, 4 clusters")
        assert 0 <= row["brier"] <= 1
        assert row["log_score"] <= 0
        assert 0 <= row["ece"] <= 1
        assert row["cost_usd"] == 0
        assert (row["label_mass"], row["truncated"]) == (pytest.approx(1), {})
    assert [row["strong"] for row in rows] == [None, *["embedded/pixel-debater"] * 2, "./loud.py:Loud"]


def test_report_says_how_much_of_the_token_probability_lay_on_the_labels(seen: Seen) -> None:
    assert "Token probability on the answers' labels, median: 1.000.\n" in seen.report().out


@pytest.mark.long
def test_report_csv_and_markdown_say_the_same(seen: Seen) -> None:
    expected = seen.report("--format", "json").rows
    rows = list(csv.DictReader(io.StringIO(seen.report("--format", "csv").out)))
    assert [row["arm"] for row in rows] == ARMS
    for found, row in zip(rows, expected, strict=True):
        assert found.keys() == row.keys()
        assert (int(found["n"]), float(found["accuracy"])) == (row["n"], row["accuracy"])
        assert found["strong"] == (row["strong"] or "")
    for found, row in zip(table(seen.report("--format", "markdown").out), expected, strict=True):
        assert (found["arm"], int(found["n"])) == (row["arm"], row["n"])
        assert found["accuracy [95 %]"].startswith(f"{row['accuracy']:.3f} [{row['low']:.3f}, ")


def test_report_by_honest_seat(seen: Seen) -> None:
    rows = seen.report("--by", "arm,honest", "--format", "json").rows
    assert {(row["arm"], row["honest"]): row["n"] for row in rows} == {
        ("direct", "none"): 4,
        ("consultancy", "consultant"): 4,
        ("consultancy", "none"): 4,
        ("debate", "debater_a"): 4,
        ("debate", "debater_b"): 4,
        ("loud", "consultant"): 4,
        ("loud", "none"): 4,
    }


@pytest.mark.long
def test_report_by_cluster_counts_an_image_as_one(seen: Seen) -> None:
    by_episode = {row["arm"]: row for row in seen.report("--format", "json").rows}
    rows = {row["arm"]: row for row in seen.report("--unit", "cluster", "--format", "json").rows}
    assert {row["unit"] for row in rows.values()} == {"cluster"}
    assert rows["direct"]["n"] == 4
    # An image counts once for each seat that was honest about it.
    assert rows["debate"]["n"] == 8
    assert all(rows[arm]["accuracy"] <= by_episode[arm]["accuracy"] for arm in ARMS)
    assert "n counts clusters" in seen.report("--unit", "cluster").out


def test_report_of_one_run(seen: Seen) -> None:
    run = seen.report("--format", "json").rows[0]["run"]
    assert seen.report("--run", run, "--format", "json").rows == seen.report("--format", "json").rows


def test_plan_foretells_the_calls_and_writes_nothing(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(seen.experiment.parent))
    *arms, total = here("plan", seen.experiment, "--format", "json").rows
    assert {row["arm"]: row["episodes"] for row in arms} == EPISODES
    assert {row["arm"]: row["calls"] for row in arms} == CALLS
    assert (total["arm"], total["calls"], total["episodes"]) == ("total", sum(CALLS.values()), sum(EPISODES.values()))
    assert total["prompt_tokens"] == sum(row["prompt_tokens"] for row in arms) > 0
    assert arms[0]["cost_usd"] == 0
    # Nobody knows what a model from a file costs.
    assert arms[-1]["cost_usd"] is None
    assert total["cost_usd"] is None
    assert not os.listdir(tmp_path)
    assert sorted(os.listdir(seen.experiment.parent)) == before


@pytest.mark.long
def test_plan_and_run_speak_of_the_same_run(seen: Seen) -> None:
    run = seen.report("--format", "json").rows[0]["run"]
    assert f"run {run}" in here("plan", seen.experiment).out


def test_show_prints_the_transcript_without_the_prompts(seen: Seen) -> None:
    ran = here("show", seen.episode("debate"), "--store", seen.store)
    assert ran.code == 0
    assert "Which digit does this handwritten image show?" in ran.out
    assert "argued by debater_a" in ran.out
    assert "the right answer" in ran.out
    assert ran.out.index("debater_a, turn 1") < ran.out.index("debater_b, turn 1") < ran.out.index("debater_a, turn 2")
    assert ran.out.count("[verified]") == 4
    assert "logprob" in ran.out.splitlines()[-1]
    assert "judge" in ran.out.splitlines()[-1]
    for hidden in ("You are the judge of a debate", "Decide now", "r0c0=0 "):
        assert hidden not in ran.out


def test_show_with_prompts_adds_what_each_seat_was_told(seen: Seen) -> None:
    ran = here("show", seen.episode("debate")[:12], "--prompts", "--store", seen.store)
    for told in ("You are the judge of a debate", "Decide now", "brief to debater_a"):
        assert told in ran.out


def test_show_marks_quotes_and_never_lets_a_model_steer_the_terminal(seen: Seen) -> None:
    for options in ((), ("--prompts",)):
        out = here("show", seen.episode("loud"), "--store", seen.store, *options).out
        assert not controls(out), controls(out)
        assert "“r0c0=0” [verified]" in out
        assert "“r9c9=9” [NOT FOUND]" in out
        # What looks like the terminal library's own markup is only text.
        assert "[bold]lamp[/bold] :smile:" in out


def test_show_names_the_unknown_and_the_ambiguous(seen: Seen) -> None:
    assert "no episode" in here("show", "no-such-id", "--store", seen.store).complaint()
    assert "several episodes" in here("show", "", "--store", seen.store).complaint()
    assert "no episode" in here("show", "' OR 1=1 --", "--store", seen.store).complaint()


def test_sql_prints_every_format(seen: Seen) -> None:
    query = "SELECT arm, count(*) AS n, NULL AS nothing FROM episodes GROUP BY arm ORDER BY arm"
    expected = [{"arm": arm, "n": EPISODES[arm], "nothing": None} for arm in sorted(ARMS)]
    assert seen.sql(query, "--format", "json").rows == expected
    rows = list(csv.DictReader(io.StringIO(seen.sql(query, "--format", "csv").out)))
    assert [(row["arm"], int(row["n"]), row["nothing"]) for row in rows] == [(r["arm"], r["n"], "") for r in expected]
    assert [row["n"] for row in table(seen.sql(query, "--format", "markdown").out)] == [str(r["n"]) for r in expected]
    assert "consultancy" in seen.sql(query).out


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_sql_never_lets_a_model_steer_the_terminal(seen: Seen, form: str) -> None:
    ran = seen.sql("SELECT text FROM messages WHERE author = 'consultant' AND text LIKE 'Before%'", "--format", form)
    assert "Before" in ran.out
    assert not controls(ran.out)


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_a_query_without_rows_is_no_error(seen: Seen, form: str) -> None:
    ran = seen.sql("SELECT arm FROM episodes WHERE false", "--format", form)
    assert (ran.code, ran.err) == (0, "")
    assert "Traceback" not in ran.out


def test_protocols_and_tasks_are_listed_and_explained() -> None:
    listed = here("protocols").out
    assert all(name in listed for name in ("direct", "consultancy", "debate"))
    assert "The judge decides alone" in listed
    detail = here("protocols", "debate").out
    assert "roles: judge, strong" in detail
    assert "simultaneous | sequential" in detail
    assert "turns of each debater" in detail
    assert "prompt judge.j2" in detail
    assert "You are the judge of a debate" in detail
    assert "prompt decide.j2 (the framework's)" in detail

    listed = here("tasks").out
    assert all(name in listed for name in ("digits", "table"))
    assert "Which digit does this handwritten image show?" in here("tasks", "digits").out
    assert "gold_is" in here("tasks", "table").out


def test_a_plugin_of_the_user_s_is_explained_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiment.files import ask_plugin

    ask_plugin(tmp_path)
    monkeypatch.chdir(tmp_path)
    detail = here("protocols", "./ask.py:Ask").out
    assert "Ask the judge." in detail
    assert "Please decide." in detail


def test_the_store_can_come_from_the_environment(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERSIGHT_STORE", str(seen.store))
    assert len(here("report", "--format", "json").rows) == len(ARMS)


@pytest.mark.long
def test_the_experiment_can_say_how_it_is_reported(seen: Seen, tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    text = EXPERIMENT.replace("./loud.py", str(seen.experiment.parent / "loud.py"))
    path.write_text(text + "report: {by: [arm, honest], unit: cluster}\npublished: [{arm: direct, accuracy: 0.5}]\n")
    ran = here("run", path, "--engine", "local", "--store", tmp_path / "store", "--limit", "2")
    assert ran.code == 0
    assert "n counts clusters" in ran.out
    assert "paper" in here("report", "--by", "arm", "--store", tmp_path / "store").out
    rows = here("report", "--store", tmp_path / "store", "--format", "json").rows
    assert {row["unit"] for row in rows} == {"cluster"}
    assert ("debate", "debater_b") in {(row["arm"], row["honest"]) for row in rows}


@pytest.mark.long
def test_report_with_measures(seen: Seen) -> None:
    rows = seen.report("--measures", "--format", "json").rows
    plain = seen.report("--format", "json").rows
    assert [{key: value for key, value in row.items() if key != "measures"} for row in rows] == plain
    by_arm = {row["arm"]: row["measures"] for row in rows}
    for row in rows:
        assert row["measures"]["n"] == row["n"]
        assert row["measures"]["brier"]["value"] == pytest.approx(row["brier"])
        assert row["measures"]["ece"] == pytest.approx(row["ece"])
    assert by_arm["direct"]["asd"] is None
    assert by_arm["consultancy"]["sycophancy"]["n"] == EPISODES["consultancy"]
    assert by_arm["debate"]["adherence"]["value"] == 1
    shown = seen.report("--measures").out
    assert "ASD (log), bits" in shown
    assert "Intervals: cluster score, " in shown


@pytest.mark.long
def test_plan_says_what_the_design_can_detect_and_json_stays_json(seen: Seen) -> None:
    shown = here("plan", seen.experiment)
    assert "debate against direct: 4 questions in 4 clusters, 2 against 1 episodes each" in shown.out
    assert {row["arm"] for row in here("plan", seen.experiment, "--format", "json").rows} == {*ARMS, "total"}
