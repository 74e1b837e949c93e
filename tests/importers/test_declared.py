"""How an import is to be reported, and what it warns of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.running import here

from importers.writing import JSONL, brought, line, written
from oversight.errors import UsageError
from oversight.reports.report import report
from oversight.stats.crossed import crossed_proportion


def study(people: int = 6, stories: int = 8) -> list[dict[str, Any]]:
    """People who all judge the same transcripts, some of them better, some transcripts easier."""
    return [
        line(
            person * stories + story,
            question=f"Who let boat {story} go?",
            protocol="debate" if story % 2 else "consultancy",
            judge=f"reader-{person}",
            verdict={"answer": "Ann" if (person * 3 + story * 5) % 7 < 5 else "Ben"},
            beliefs=None,
        )
        for person in range(people)
        for story in range(stories)
    ]


def test_an_import_declares_what_its_intervals_generalise_over(tmp_path: Path) -> None:
    lines = study()
    store, done = brought(tmp_path, *lines, over="question, judge")
    assert done.warnings == ()
    (experiment,) = store.arrow("SELECT experiment FROM runs")["experiment"].to_pylist()
    assert json.loads(experiment)["report"] == {"over": ["question", "judge"]}
    for row in report(store):
        held = [each for each in lines if each["protocol"] == row.arm]
        right = [each["verdict"]["answer"] == "Ann" for each in held]
        factors = {name: [each[name] for each in held] for name in ("question", "judge")}
        expected = crossed_proportion(right, factors)
        assert row.interval == expected.method
        assert (row.low, row.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
        (alone,) = [each for each in report(store, over=["question"]) if each.arm == row.arm]
        assert alone.interval != row.interval


def test_an_import_names_its_baseline_and_its_ceiling(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, *_two_arms("naive", "expert"), baseline="naive", ceiling="expert")
    (experiment,) = store.arrow("SELECT experiment FROM runs")["experiment"].to_pylist()
    assert json.loads(experiment)["report"] == {"baseline": "naive", "ceiling": "expert"}
    by = {row.arm: row.baseline for row in report(store)}
    assert by == {"naive": None, "expert": "naive"}


def test_what_cannot_be_declared_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"baseline nave: .* did you mean 'naive'"):
        brought(tmp_path, *_two_arms("naive", "expert"), baseline="nave")
    path, store = written(tmp_path, study()), tmp_path / "store"
    said = here("import", JSONL, path, "--store", store, "--set", "over=question,judg").complaint()
    assert said.startswith("--set over: no column is called 'judg' - did you mean 'judge'?")
    assert not store.exists()


def test_the_command_line_takes_factors_with_commas_or_as_a_list(tmp_path: Path) -> None:
    path = written(tmp_path, study())
    for number, over in enumerate(("question,judge", "[question, judge]")):
        store = tmp_path / str(number)
        ran = here("import", JSONL, path, "--store", store, "--set", f"over={over}")
        assert ran.code == 0, ran
        assert "crossed" in ran.out


def test_the_same_import_declared_otherwise_says_that_the_first_declaration_holds(tmp_path: Path) -> None:
    lines = _two_arms("naive", "expert")
    brought(tmp_path, *lines)
    store, again = brought(tmp_path, *lines, baseline="naive")
    assert again.done_before
    (warning,) = again.warnings
    assert "as it was imported first" in warning
    other, named = brought(tmp_path, *lines, baseline="naive", name="other", task="published")
    assert (named.done_before, named.new, named.warnings) == (False, 0, ())
    assert len(other.arrow("SELECT run_id FROM runs")) == 2
    assert store.directory == other.directory


def _two_arms(one: str, other: str, **only_of_other: Any) -> list[dict[str, Any]]:
    """Four questions that two arms asked."""
    asked = [(arm, number) for arm in (one, other) for number in range(4)]
    return [
        line(
            place,
            question=f"Who let boat {number} go?",
            protocol="debate",
            arm=arm,
            **(only_of_other if arm == other else {}),
        )
        for place, (arm, number) in enumerate(asked)
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"material": "Another version of the story."}, "but another material"),
        ({"cluster": "the-ferry"}, "but another cluster"),
        ({"question_id": "boat"}, "but another name"),
    ],
)
def test_questions_that_only_look_the_same_are_warned_of(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    store, done = brought(tmp_path, *_two_arms("naive", "debate", **change), baseline="naive")
    (warning,) = done.warnings
    assert warning.startswith("4 questions have the same text and answers")
    assert "'debate', 'naive'" in warning
    assert said in warning
    # Which is what the warning is about: nothing is paired.
    assert [row.difference for row in report(store)] == [None, None]


def test_no_warning_where_arms_share_their_questions_or_ask_others(tmp_path: Path) -> None:
    same = _two_arms("naive", "debate")
    # One question text about two stories, in both arms: two questions, each paired.
    two = [*same, *({**each, "id": f"{each['id']}-b", "material": "Another story."} for each in same)]
    apart = [{**each, "question": f"{each['question']} ({each['arm']})"} for each in same]
    unjudged = [{**each, "verdict": {"unjudged": True}, "material": "x"} for each in same if each["arm"] == "debate"]
    for number, lines in enumerate((same, two, apart, [*same[:4], *unjudged])):
        _, done = brought(tmp_path / str(number), *lines)
        assert done.warnings == ()


def test_warnings_are_printed_below_the_report(tmp_path: Path) -> None:
    path = written(tmp_path, _two_arms("naive", "debate", material="Another version."))
    ran = here("import", JSONL, path, "--store", tmp_path / "store")
    assert ran.code == 0, ran
    assert "Note: 4 questions have the same text and answers in several of the arms 'debate', 'naive'" in ran.out
    assert "say in sees_material who read it." in ran.out
