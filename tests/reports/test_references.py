"""What is compared with what: only arms that are alike in all but the protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.running import here
from importers.writing import brought, line
from store.samples import copy_as_version

from oversight.errors import UsageError
from oversight.experiment.file import load_experiment
from oversight.experiment.plan import build_plan
from oversight.reports.references import arms_of
from oversight.reports.report import ReportRow, report
from oversight.reports.report_measures import measured
from oversight.store import Store, StoreWriter, open_store

# What share of 40 questions each judge gets right: alone, and after a debate. The strict judge gains nothing.
_RIGHT = {"lenient": (10, 30), "strict": (30, 30)}
_QUESTIONS = 40


def _alone(number: int, right: bool, **changes: Any) -> dict[str, Any]:
    verdict = {"answer": "Ann" if right else "Ben"}
    nothing = {"sides": None, "messages": None, "beliefs": None}
    return line(number, protocol="direct", verdict=verdict, **(nothing | changes))


def _lines() -> Iterator[dict[str, Any]]:
    number = 0
    for judge, (alone, debated) in _RIGHT.items():
        for at in range(_QUESTIONS):
            asked = {"judge": judge, "question": f"Question {at}?"}
            yield _alone(number, at < alone, **asked)
            yield line(number + 1, verdict={"answer": "Ann" if at < debated else "Ben"}, **asked)
            number += 2


def _by(rows: list[ReportRow]) -> dict[tuple[str, ...], ReportRow]:
    return {tuple(row.group.values()): row for row in rows}


def test_a_judge_is_compared_with_itself_alone(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, *_lines())
    rows = _by(report(store, by=["judge", "arm"]))
    lenient, strict = rows["lenient", "debate"], rows["strict", "debate"]
    assert (lenient.difference, strict.difference) == (0.5, 0.0)
    assert lenient.difference_n == strict.difference_n == _QUESTIONS
    pooled = _by(report(store))["debate",]
    assert (pooled.difference, pooled.difference_n) == (0.25, _QUESTIONS)


def test_a_judge_who_never_decided_alone_has_no_difference_and_the_report_says_so(tmp_path: Path) -> None:
    lines = [each for each in _lines() if (each["judge"], each["protocol"]) != ("strict", "direct")]
    store, _ = brought(tmp_path, *lines)
    rows = _by(report(store, by=["judge", "arm"]))
    assert rows["strict", "debate"].difference is None
    assert rows["strict", "debate"].no_difference == "no baseline has its judge, models, seed and questions"
    assert rows["lenient", "debate"].difference == 0.5
    said = here("report", "--store", store.directory, "--by", "judge,arm").out
    assert "No difference for strict/debate: no baseline has its judge, models, seed and questions." in said
    pooled = _by(report(store))["debate",]
    assert pooled.difference == 0.5, "the strict judge's debates are compared with nothing"


@pytest.mark.long
def test_seeds_are_compared_with_themselves(tmp_path: Path) -> None:
    lines = [
        each | {"id": f"{each['id']}-{seed}", "seed": seed}
        for seed in (1, 2)
        for each in _lines()
        if each["judge"] == ("lenient" if seed == 1 else "strict")
    ]
    store, _ = brought(tmp_path, *(each | {"judge": "one"} for each in lines))
    rows = _by(report(store, by=["seed", "arm"]))
    assert (rows["1", "debate"].difference, rows["2", "debate"].difference) == (0.5, 0.0)


@pytest.mark.long
def test_measures_follow_the_rows_of_the_report(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, *_lines())
    rows = {tuple(row.group.values()): row for row in measured(store, by=["judge", "arm"])}
    lenient, strict = rows["lenient", "debate"], rows["strict", "debate"]
    assert lenient.persuasion is not None
    assert strict.persuasion is not None
    assert (lenient.persuasion.value, lenient.persuasion.n) == (0.0, 10)
    assert (strict.persuasion.value, strict.persuasion.n) == (0.0, 30)
    printed = here("report", "--store", store.directory, "--by", "judge,arm", "--measures", "--format", "json").rows
    assert {(row["judge"], row["arm"]): row["measures"]["n"] for row in printed} == dict.fromkeys(rows, _QUESTIONS)


@pytest.mark.long
def test_many_groups_are_rows_and_few_are_columns(tmp_path: Path) -> None:
    lines = [_alone(at, right=True, judge=f"judge-{at % 9}", question=f"Question {at}?") for at in range(18)]
    store, _ = brought(tmp_path, *lines)
    said = here("report", "--store", store.directory, "--by", "judge", "--measures").out.partition("\nMeasures")[2]
    found = {tuple(text.split()[:2]) for text in said.splitlines() if text.startswith(" judge-")}
    assert found == {(f"judge-{at}", "2") for at in range(9)}
    few = here("report", "--store", store.directory, "--by", "protocol", "--measures").out.partition("\nMeasures")[2]
    assert re.search(r"^ measure +direct", few, re.MULTILINE)


@pytest.mark.long
def test_a_row_that_pools_the_baseline_with_others_has_no_difference(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, *_lines())
    row = _by(report(store, by=["judge"]))["lenient",]
    assert (row.difference, row.no_difference) == (None, "the row pools the baseline with other arms")


@pytest.mark.long
def test_the_baseline_can_be_named(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, *_lines())
    rows = _by(report(store, by=["judge", "arm"], baseline="debate"))
    assert rows["lenient", "direct"].difference == -0.5
    assert rows["lenient", "debate"].difference is None
    with pytest.raises(UsageError, match="--baseline debat: no arm is called so - did you mean 'debate'"):
        report(store, baseline="debat")


@pytest.mark.long
def test_people_who_saw_each_question_once_are_compared_when_they_stand_for_others(tmp_path: Path) -> None:
    lines = [
        each for each in _lines() if (each["judge"], each["protocol"]) in (("lenient", "direct"), ("strict", "debate"))
    ]
    store, _ = brought(tmp_path, *lines)
    assert _by(report(store))["debate",].difference is None
    row = _by(report(store, over=["question", "judge"]))["debate",]
    assert (row.difference, row.difference_low) == (0.5, None)
    assert any("cannot generalise over judge" in note for note in row.notes), "one person says nothing of others"


@pytest.mark.long
def test_a_margin_is_tested_by_what_the_interval_generalises_over(tmp_path: Path) -> None:
    """Judges who differ by a half leave open whether protocols are equivalent, however many questions they share."""
    store, _ = brought(tmp_path, *_lines())
    fixed, crossed = (
        _by(report(store, margin=0.4, over=over))["debate",] for over in (["question"], ["question", "judge"])
    )
    assert fixed.equivalence_p is not None
    assert crossed.equivalence_p is not None
    assert fixed.equivalence_p < 0.05 < crossed.equivalence_p
    assert fixed == _by(report(store, margin=0.4))["debate",], "questions are what reports generalise over anyway"
    assert (crossed.difference_low or 0) < -0.4
    assert crossed.over == ("question", "judge")


@pytest.mark.long
def test_whole_clusters_are_not_generalised_over_judges(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, *_lines())
    said = here("report", "--store", store.directory, "--unit", "cluster", "--over", "question,judge").complaint()
    assert said == "--over: with unit cluster whole clusters of questions are counted; take unit episode"


@pytest.mark.long
def test_in_a_crossover_each_question_finds_the_other_half_of_the_people(tmp_path: Path) -> None:
    """Each of two people judges one half of the questions alone, and the other half after a debate."""
    lines = []
    for at in range(_QUESTIONS):
        one, other = ("p1", "p2") if at % 2 else ("p2", "p1")
        lines.append(_alone(2 * at, right=at < 10, judge=one, question=f"Question {at}?"))
        verdict = {"answer": "Ann" if at < 30 else "Ben"}
        lines.append(line(2 * at + 1, judge=other, question=f"Question {at}?", verdict=verdict))
    store, _ = brought(tmp_path, *lines)
    row = _by(report(store, over=["question", "judge"]))["debate",]
    assert (row.difference, row.difference_n) == (0.5, _QUESTIONS)
    # Every question has one judge of either kind, and who the one is tells who the other is: two levels in all.
    assert row.difference_interval == "crossed jackknife t, 2 judge"
    assert _by(report(store))["debate",].no_difference == "no baseline has its judge, models, seed and questions"


@pytest.mark.long
def test_each_task_has_a_baseline_of_its_own(tmp_path: Path) -> None:
    lines = []
    for task in ("one", "two"):
        for at in range(4):
            asked = {"task": task, "question": f"Question {at} of {task}?"}
            number = len(lines)
            lines.append(_alone(number, right=at < 2, arm=f"{task} alone", **asked))
            lines.append(line(number + 1, arm=f"{task} debated", verdict={"answer": "Ann"}, **asked))
    store, _ = brought(tmp_path, *lines)
    rows = _by(report(store))
    found = {arm: (rows[f"{arm} debated",].baseline, rows[f"{arm} debated",].difference) for arm in ("one", "two")}
    assert found == {"one": ("one alone", 0.5), "two": ("two alone", 0.5)}


EXPERIMENT = """
name: casts
task: {name: digits, images: 6}
models:
  judge: {model: embedded/pixel-judge, pixels: 4}
  strong: {model: embedded/pixel-debater, pixels: 4}
"""


def _run(folder: Path, text: str) -> Store:
    (folder / "casts.yaml").write_text(EXPERIMENT + text, encoding="utf-8")
    ran = here("run", folder / "casts.yaml", "--engine", "local", "--store", folder / "store")
    assert ran.code == 0, ran
    return open_store(folder / "store")


@pytest.mark.long
def test_a_grid_over_judges_and_arms_named_for_them_find_their_own_baseline(tmp_path: Path) -> None:
    grid = """
protocols: [direct, {consultancy: {rounds: 1}}]
grid: {models.judge.pixels: [2, 4]}
"""
    (tmp_path / "a").mkdir()
    rows = _by(report(_run(tmp_path / "a", grid)))
    assert {key[0]: row.baseline for key, row in rows.items() if row.baseline} == {
        "consultancy pixels=2": "direct pixels=2",
        "consultancy pixels=4": "direct pixels=4",
    }
    (tmp_path / "b").mkdir()
    named = """
protocols:
  - {direct: {}, as: two alone, models: {judge: {model: embedded/pixel-judge, pixels: 2}}}
  - {direct: {}, as: four alone}
  - {consultancy: {rounds: 1}, as: two with help, models: {judge: {model: embedded/pixel-judge, pixels: 2}}}
  - {consultancy: {rounds: 1}, as: four with help}
"""
    rows = _by(report(_run(tmp_path / "b", named)))
    assert {key[0]: row.baseline for key, row in rows.items() if row.baseline} == {
        "two with help": "two alone",
        "four with help": "four alone",
    }


@pytest.mark.long
def test_a_store_of_the_release_before_compares_as_it_did(tmp_path: Path) -> None:
    protocols = "protocols: [direct, {direct: {sees: material}, as: expert}, {consultancy: {rounds: 1}}]\n"
    new = _run(tmp_path, protocols)
    copy_as_version(6, new.directory, tmp_path / "old")
    StoreWriter.open(tmp_path / "old").close()
    old = open_store(tmp_path / "old")
    assert report(old) == report(new)
    stands_for = [(arm.arm, arm.baseline, arm.ceiling) for (those,) in [arms_of(old).values()] for arm in those]
    assert stands_for == [("direct", True, False), ("expert", False, True), ("consultancy", False, False)]


@pytest.mark.long
def test_the_file_names_baseline_and_ceiling_and_a_wrong_name_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "named.yaml"
    text = "protocols: [direct, {consultancy: {rounds: 1}}]\nreport: {baseline: consultancy}\n"
    file.write_text(EXPERIMENT + text, encoding="utf-8")
    assert build_plan(load_experiment(file)).baseline == "consultancy"
    file.write_text(EXPERIMENT + text.replace("baseline: consultancy", "ceiling: consultncy"), encoding="utf-8")
    complaint = here("plan", file).complaint()
    assert "named.yaml:8: report.ceiling: no arm is called 'consultncy' - did you mean 'consultancy'?" in complaint


@pytest.mark.long
def test_two_protocols_of_one_name_are_two_rows_and_the_report_warns(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from oversight import Episode, Protocol, Verdict\n\n\n"
        "class Mine(Protocol):\n"
        '    """Ask the judge."""\n\n'
        '    name = "consultancy"\n'
        '    roles = ("judge",)\n\n'
        "    async def run(self, episode: Episode) -> Verdict:\n"
        '        return await episode.seat("judge").decide()\n',
        encoding="utf-8",
    )
    store = _run(tmp_path, "protocols: [{consultancy: {rounds: 1}}, {'./mine.py:Mine': {}, as: mine}]\n")
    rows = report(store, by=["protocol"])
    assert [row.n_asked for row in rows] == [12, 6]
    assert rows[0].protocol.startswith("consultancy [oversight.protocols.consultancy:Consultancy 1+")
    assert rows[1].protocol.startswith("consultancy [mine.py:Mine 1+")
    said = here("report", "--store", store.directory, "--by", "protocol").out
    assert "the run has several protocols of one name; here it is consultancy [mine.py:Mine" in said
    assert [row.protocol for row in report(store, by=["task"])] == [f"{rows[0].protocol}, {rows[1].protocol}"]


@pytest.mark.long
def test_a_new_protocol_may_not_have_the_name_of_an_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    complaint = here("new", "protocol", "debate").complaint()
    assert complaint == "a protocol called 'debate' is installed already, and reports would show two under one name"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_ties_have_a_column_of_their_own_when_there_are_any(tmp_path: Path) -> None:
    tied = [line(at, question=f"Question {at}?", verdict={"probs": [0.5, 0.5]}) for at in range(3)]
    store, _ = brought(tmp_path, *tied, line(3, question="Question 3?"))
    (row,) = report(store)
    assert (row.n, row.n_ties, row.accuracy) == (4, 3, 0.25)
    said = here("report", "--store", store.directory).out
    assert "Ties: the right answer shared the highest probability" in said
    assert " ties " in said
    (tmp_path / "b").mkdir()
    decided, _ = brought(tmp_path / "b", line(0))
    assert " ties " not in here("report", "--store", decided.directory).out


@pytest.mark.long
def test_verdicts_that_are_only_choices_have_no_scores(tmp_path: Path) -> None:
    chosen = [line(at, question=f"Question {at}?", verdict={"answer": "Ann" if at else "Ben"}) for at in range(4)]
    store, _ = brought(tmp_path, *chosen)
    (row,) = report(store)
    assert (row.accuracy, row.brier, row.log_score, row.ece) == (0.75, None, None, None)
    (measures,) = measured(store)
    assert (measures.brier, measures.log_score, measures.ece, measures.judge_score) == (None, None, None, None)
    assert "Brier" not in here("report", "--store", store.directory).out
    (tmp_path / "b").mkdir()
    stated, _ = brought(tmp_path / "b", line(0, verdict={"answer": "Ann", "source": "stated"}))
    assert report(stated)[0].brier == 0.0, "a judge who states certainty can be scored"


@pytest.mark.long
def test_failures_bound_the_accuracy_and_a_side_that_fails_more_is_named(tmp_path: Path) -> None:
    """100 episodes of which 60 are right; 30 of the 40 errors fail instead."""
    lines = [
        line(
            at,
            question=f"Question {at}?",
            sides={"alice": 0, "bob": 1} if at < 60 else {"alice": 1, "bob": 0},
            verdict={"answer": "Ann"} if at < 60 else {"failed": "truncated"} if at < 90 else {"answer": "Ben"},
        )
        for at in range(100)
    ]
    store, _ = brought(tmp_path, *lines)
    (row,) = report(store)
    assert (row.n, row.n_failed) == (70, 30)
    assert row.accuracy == pytest.approx(60 / 70)
    assert (row.failures_wrong, row.failures_right) == (0.6, 0.9)
    assert [(part.honest, part.n_asked, part.n_failed) for part in row.by_honest] == [("alice", 40, 30), ("bob", 60, 0)]
    assert any(note.startswith("the share of failures differs by honest seat (Fisher") for note in row.notes)
    said = here("report", "--store", store.directory).out
    assert "0.600..0.900" in said
    assert "alice: 30 of 40 failed, accuracy 0.000 (0.000..0.750)" in said


@pytest.mark.long
def test_several_differences_are_counted_and_their_p_adjusted(tmp_path: Path) -> None:
    lines = []
    for arm, right in (("direct", 20), ("a", 30), ("b", 24), ("c", 22)):
        for at in range(_QUESTIONS):
            number = len(lines)
            asked = {"question": f"Question {at}?", "arm": arm}
            lines.append(
                _alone(number, at < right, **asked)
                if arm == "direct"
                else line(number, verdict={"answer": "Ann" if at < right else "Ben"}, **asked)
            )
    store, _ = brought(tmp_path, *lines)
    rows = _by(report(store))
    ps = {arm: rows[arm,].difference_p for arm in "abc"}
    assert all(p is not None for p in ps.values())
    assert rows["a",].difference_p_holm == pytest.approx(min(1, 3 * (ps["a"] or 0)))
    assert rows["a",].differences == 3
    said = here("report", "--store", store.directory).out
    assert "3 differences against one baseline: p is adjusted for them (Holm), intervals are not." in said
    two = [row for row in report(store, by=["arm"]) if row.group["arm"] != "x"]
    assert json.dumps([row.model_dump(mode="json") for row in two])


@pytest.mark.long
def test_equivalence_is_tested_within_the_margin_that_was_asked_for(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, *(each for each in _lines() if each["judge"] == "strict"))
    row = _by(report(store, margin=0.2))["debate",]
    assert row.margin == 0.2
    assert row.equivalence_p is not None
    assert row.equivalence_p < 0.05
    assert "Within 0.2: p equivalent" in here("report", "--store", store.directory, "--margin", "0.2").out
    assert "lies above 0 and below 1" in here("report", "--store", store.directory, "--margin", "2").complaint()
