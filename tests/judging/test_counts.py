"""What people said is counted beside what models said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.running import here

from oversight.judging import PersonLabel
from oversight.judging.step_labelling import Label
from oversight.reports.process_report import process
from oversight.reports.rejudge_report import rejudged, rejudged_by_people
from oversight.store import open_store

from . import staging


def label(directory: Path, judge: str, said: dict[str, list[Label]]) -> None:
    """Label every solution; what is said of a solution depends on its last step."""
    at = staging.session(directory, judge, about="steps")
    while (assignment := at.next()[0]) is not None:
        labels = said[at.solution(assignment).steps[-1]]
        for step, each in enumerate(labels):
            at.show(assignment, step)
            at.label(assignment, step, PersonLabel(label=each, p_correct=0.1 if each == "incorrect" else 0.8))
        assert at.finish(assignment) is not None, assignment
    assert at.flush() == 0


WRONG, RIGHT = staging.STEPS[-1], "5 + 1 = 6"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = staging.lay_out_solutions(tmp_path_factory.mktemp("store"))
    label(directory, "good-eye", {WRONG: ["correct", "incorrect"], RIGHT: ["neutral", "correct"]})
    label(directory, "bad-eye", {WRONG: ["incorrect"], RIGHT: ["correct", "correct"]})
    return directory


def test_a_persons_labels_are_measured_beside_the_overseers(labelled: Path) -> None:
    rows = {(row.arm, row.labeller): row for row in process(open_store(labelled))}
    assert set(rows) == {("process", None), ("again", None), ("process", "good-eye"), ("process", "bad-eye")}
    good, bad, overseer = rows["process", "good-eye"], rows["process", "bad-eye"], rows["process", None]
    assert [(row.solutions, row.steps) for row in (good, bad, overseer)] == [(4, 8), (4, 6), (4, 10)]
    values = [
        [None if share is None else share.value for share in (r.on_erroneous, r.on_correct, r.first_error_f1)]
        for r in (good, bad, overseer)
    ]
    assert values == [[1, 1, 1], [0, 1, 0], [0, 1, 0]]
    assert [r.step_accuracy.value for r in (good, bad, overseer) if r.step_accuracy] == [1, 4 / 6, 6 / 8]
    assert (good.best_of, good.final_error, good.cost_per_correct_accept) == ((), None, None)
    # 0.8 * 0.8 for the right solutions, 0.8 * 0.1 for the wrong ones.
    assert (good.accepted, good.accepted_right) == (2, 2)


@pytest.mark.long
def test_the_report_and_the_exports_know_whose_labels_they_are(labelled: Path) -> None:
    report = here("report", "--store", labelled)
    assert report.code == 0, report
    assert "process, labels of good-eye" in report.out
    ran = here("export", staging.RUN, "--format", "prm800k", "--by", "bad-eye", "--store", labelled)
    assert ran.code == 0, ran
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line["labeler"] for line in lines] == ["bad-eye"] * 4
    assert sorted(line["label"]["finish_reason"] for line in lines) == ["found_error"] * 2 + ["solution"] * 2
    assert {tuple(line["question"]["pre_generated_steps"]) for line in lines} >= {staging.STEPS}
    assert all(line["label"]["total_time"] >= 0 for line in lines)
    ran = here("export", staging.RUN, "--format", "trl-steps", "--by", "good-eye", "--store", labelled)
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert sorted(row["labels"] for row in rows) == [[True, False]] * 2 + [[True, True]] * 2
    overseers = here("export", staging.RUN, "--format", "trl-steps", "--store", labelled)
    assert len(overseers.out.splitlines()) == 8
    assert (
        "did you mean 'bad-eye'"
        in here("export", staging.RUN, "--format", "trl-steps", "--by", "bad-eyes", "--store", labelled).complaint()
    )
    assert (
        "--by is for step labels"
        in here("export", staging.RUN, "--format", "episodes", "--by", "bad-eye", "--store", labelled).complaint()
    )


@pytest.mark.long
def test_labels_of_steps_are_no_verdicts(labelled: Path) -> None:
    assert rejudged(open_store(labelled), staging.RUN) == []
    assert "labels IS NULL" not in here("report", "--store", labelled).out


@pytest.mark.long
def test_verdicts_of_people_stand_beside_the_first_judges(tmp_path: Path) -> None:
    staging.lay_out(tmp_path, 4)  # the right answers are A, B, A, B, and the model says A
    for judge, probs in (("says-b", (0.1, 0.9)), ("says-a", (0.9, 0.1)), ("abstains", ())):
        at = staging.session(tmp_path, judge)
        for _ in range(4):
            staging.judge_next(at, *probs)
        at.flush()
    rows = {row.judge: row for row in rejudged_by_people(open_store(tmp_path))}
    assert set(rows) == {"says-b", "says-a", "abstains", "3 people"}
    found = {name: (row.n, row.accuracy, row.first_accuracy, row.agreement) for name, row in rows.items()}
    assert found == {
        "says-b": (4, 0.5, 0.5, 0),
        "says-a": (4, 0.5, 0.5, 1),
        "abstains": (0, None, None, None),
        "3 people": (8, 0.5, 0.5, 0.5),
    }
    assert (rows["abstains"].n_abstained, rows["3 people"].people, rows["3 people"].mode) == (4, 3, "stepped")
    assert {row.kind for row in rows.values()} == {"human"}
    printed = here("report", "--store", tmp_path).out
    assert "People who judged transcripts of run run-1" in printed
    assert "3 people" in printed


@pytest.mark.long
def test_of_very_many_people_only_the_rows_on_all_of_them_are_printed(tmp_path: Path) -> None:
    judged = [
        {"judge": f"reader-{n}", "answer": 0, "settings": {"section": section}} for n in range(13) for section in (1, 2)
    ]
    line = {
        "id": "one",
        "question": "Who?",
        "answers": ["Ann", "Ben"],
        "gold": 0,
        "protocol": "debate",
        "verdict": {"answer": 1},
        "judgements": judged,
    }
    (tmp_path / "judged.jsonl").write_text(json.dumps(line), encoding="utf-8")
    ran = here("import", "jsonl", tmp_path / "judged.jsonl", "--store", tmp_path / "store")
    assert ran.code == 0, ran
    printed = here("report", "--store", tmp_path / "store").out
    assert "reader-" not in printed
    rows = [line.split() for line in printed.splitlines() if "13 people" in line]
    assert [row[3:6] for row in rows] == [["section", "1", "13"], ["section", "2", "13"]]
    assert "One by one: oversight sql" in printed
    assert (
        len(rejudged(open_store(tmp_path / "store"), open_store(tmp_path / "store").sql("FROM runs")["run_id"][0]))
        == 28
    )
