"""``oversight export`` on a run of the two protocols that check solutions, and the tables that the run prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict

from cli.running import Ran, environment, full_disk, here
from oversight.core.belief import Belief
from oversight.core.message import Message
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.verdict import Verdict
from oversight.reports.transcripts import transcripts
from oversight.store import Store, Transcript, open_store

SECRET = "sk-thisisnobodyskey0123456789"
CANARY = "canary-7f3a"

PLUGINS = f'''\
"""Questions with solutions in steps, and models that say what a step tells them to."""

import json

from oversight import Answer, Item, Question
from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply
from oversight.core.question import Worked
from oversight.tasks.task import Task


class Sums(Task):
    """Two questions with two solutions each."""

    name = "sums"
    steps = (("Add.", "It is maybe 3.", "So 3."), ("It is wrong, 4.", "So 4."))

    def items(self, seed):
        for number in range(2):
            question = Question(
                id=f"{{self.name}}-{{number}}",
                prompt=f"What is 1 + 2? ({{number}})\\x1b[31m \\u202e \\x7f \\U0001f600 NaN",
                answers=(Answer(text="three"), Answer(text="four")),
                worked=tuple(Worked(answer=place, steps=steps) for place, steps in enumerate(self.steps)),
            )
            yield Item(question=question, gold=0, mistakes=(None, 0))


class Mumbled(Sums):
    """A solution with a step that nobody can label, and one with nothing else."""

    name = "mumbled"
    steps = (("Add.", "mumble", "So 3."), ("mumble",))


class Secret(Sums):
    """Not to be published."""

    name = "secret"
    restricted = True
    steps = (("Add {CANARY}.", "So 3."), ("It is wrong, 4.",))


class Overseer(ChatModel):
    """Labels the step that it was shown last."""

    async def chat(self, request):
        said = request.messages[-1].content
        if "mumble" in said:
            text = "I cannot say."
        elif "label" in request.json_schema["properties"]:
            label = "incorrect" if "wrong" in said else "neutral" if "maybe" in said else "correct"
            text = json.dumps({{"label": label, "p_correct": 0.1 if label == "incorrect" else 0.9}})
        else:
            text = json.dumps({{"p_correct": 0.7}})
        return ChatReply(text=text, model="overseer", provider="test", cost_usd=0.01)


class Solver(ChatModel):
    """Writes a solution whose third step is never looked at."""

    async def chat(self, request):
        text = "1. Add.\\n2. It is wrong, 4.\\n3. So 4.\\nAnswer: A"
        return ChatReply(text=text, model="solver", provider="test", cost_usd=0.01)


class Broken(ChatModel):
    """Fails, and tells a secret."""

    async def chat(self, request):
        raise CallFailed(FailureClass.INVALID_REQUEST, "no such thing for {SECRET}")
'''

PROCESS = '"oversight.protocols.process_supervision:ProcessSupervision"'
OUTCOME = '"oversight.protocols.outcome_supervision:OutcomeSupervision"'
EXPERIMENT = f"""\
name: checked
task: {{name: ./plugins.py:Sums}}
models: {{overseer: ./plugins.py:Overseer, strong: ./plugins.py:Solver}}
protocols:
  - {{{PROCESS}: {{}}, as: given}}
  - {{{PROCESS}: {{stop_at_error: false}}, as: all}}
  - {{{PROCESS}: {{solutions: written, candidates: 2}}, as: written}}
  - {{{PROCESS}: {{}}, as: mumbled, task: {{name: ./plugins.py:Mumbled}}}}
  - {{{PROCESS}: {{}}, as: secret, task: {{name: ./plugins.py:Secret}}}}
  - {{{PROCESS}: {{}}, as: broken, models: {{overseer: ./plugins.py:Broken}}}}
  - {{{OUTCOME}: {{}}, as: outcome}}
"""


class Done(NamedTuple):
    """A finished run."""

    ran: Ran
    directory: Path
    run: str

    @property
    def store(self) -> Store:
        return open_store(self.directory)

    def export(self, form: str, *more: object, run: str | None = None) -> Ran:
        return here("export", run or self.run, "--format", form, "--store", self.directory, *more)

    def rows(self, form: str) -> list[dict[str, Any]]:
        ran = self.export(form)
        assert ran.code == 0
        return [json.loads(line) for line in ran.out.splitlines()]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("export")
    (folder / "plugins.py").write_text(PLUGINS)
    (folder / "e.yaml").write_text(EXPERIMENT)
    ran = here("run", folder / "e.yaml", "--engine", "local", "--store", folder / "store")
    store = open_store(folder / "store")
    return Done(ran, folder / "store", store.sql("SELECT run_id FROM runs")["run_id"].iloc[0])


def arm_of(row: dict[str, Any], done: Done) -> str:
    (arm,) = done.store.sql("SELECT arm FROM episodes WHERE started_at = ?::TIMESTAMPTZ", [row["timestamp"]])["arm"]
    return str(arm)


# --- what is printed


@pytest.mark.long
def test_the_run_and_the_report_print_what_overseers_did(done: Done) -> None:
    assert done.ran.code == 1
    for printed in (done.ran.out, here("report", "--store", done.directory).out):
        for title in ("First wrong steps found", "Step labels.", "The best-scored solutions.", "The best of n candid"):
            assert printed.count(title) == 1
        lines = [line.split() for line in printed.splitlines()]
        assert ["given", "2", "+", "2", "1.000"] in [line[:5] for line in lines]
        # Two labels of each question could not be read, and the second solution's first step is wrong.
        assert ["mumbled", "2", "+", "2", "0.000"] in [line[:5] for line in lines]
        # Two solutions for each of two questions: one of every two is right, the best-scored always is.
        assert ["given", "1", "2", "0.500"] in [line[:4] for line in lines]
        assert ["given", "2", "2", "1.000"] in [line[:4] for line in lines]


def test_the_tables_fit_a_terminal_of_120_columns(done: Done) -> None:
    printed = here("report", "--store", done.directory).out
    tables = printed[printed.index("First wrong steps found") :]
    ruled = [line for line in tables.splitlines() if "─" in line]
    assert len(ruled) == 4
    assert all(len(line.rstrip()) <= 120 for line in ruled)


@pytest.mark.long
def test_a_report_without_checked_solutions_says_nothing_of_them(done: Done, tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(
        "name: none\ntask: {name: digits, images: 1}\nmodels: {judge: embedded/pixel-judge}\nprotocols: [direct]\n"
    )
    ran = here("run", tmp_path / "e.yaml", "--engine", "local", "--store", tmp_path / "store")
    assert ran.code == 0
    assert "run none-" in ran.out
    assert "solution" not in ran.out
    run = open_store(tmp_path / "store").sql("SELECT run_id FROM runs")["run_id"].iloc[0]
    for form in ("prm800k", "trl-steps"):
        exported = here("export", run, "--format", form, "--store", tmp_path / "store")
        assert (exported.code, exported.out, exported.err) == (0, "", "wrote 0 solutions with step labels\n")
    assert len(here("export", run, "--format", "episodes", "--store", tmp_path / "store").out.splitlines()) == 1


@pytest.mark.long
def test_only_tables_with_something_in_them_are_printed(done: Done, tmp_path: Path) -> None:
    (tmp_path / "plugins.py").write_text(PLUGINS)
    head, _, arms = EXPERIMENT.partition("protocols:\n")
    (tmp_path / "e.yaml").write_text(f"{head}protocols:\n{arms.splitlines()[-1]}\n")
    ran = here("run", tmp_path / "e.yaml", "--engine", "local", "--store", tmp_path / "store")
    assert ran.code == 0
    assert "The best-scored solutions." in ran.out
    assert "The best of n candidates." in ran.out
    assert "First wrong steps" not in ran.out
    assert "Step labels" not in ran.out


@pytest.mark.long
def test_a_number_that_json_lacks_becomes_null(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "from oversight import Annotation, Protocol\n\n\n"
        'class Odd(Protocol):\n    """Notes no number."""\n\n    name = "odd"\n    roles = ("judge",)\n\n'
        "    async def run(self, episode):\n"
        '        verdict = await episode.seat("judge").decide()\n'
        '        step = {"solution": 0, "step": 0, "label": "correct", "text": "so"}\n'
        '        notes = [Annotation(kind="step", data=step)]\n'
        '        notes.append(Annotation(kind="solution", data={"solution": 0, "score": float("nan")}))\n'
        '        return verdict.model_copy(update={"annotations": tuple(notes)})\n'
    )
    (tmp_path / "e.yaml").write_text(
        "name: odd\ntask: {name: digits, images: 1}\nmodels: {judge: embedded/pixel-judge}\nprotocols: [./odd.py:Odd]\n"
    )
    assert here("run", tmp_path / "e.yaml", "--engine", "local", "--store", tmp_path / "store").code == 0
    run = open_store(tmp_path / "store").sql("SELECT run_id FROM runs")["run_id"].iloc[0]
    ran = here("export", run, "--format", "episodes", "--store", tmp_path / "store")
    assert json.loads(ran.out)["annotations"][1]["data"] == {"solution": 0, "score": None}
    ran = here("export", run, "--format", "prm800k", "--store", tmp_path / "store")
    assert json.loads(ran.out)["question"]["pre_generated_verifier_score"] is None


# --- episodes


def rebuilt(row: dict[str, Any]) -> Transcript:
    """The transcript that a line was made from."""
    ids = {"episode_id": row["episode"], "attempt": row["attempt"]}
    messages = [dict(message, belief=None) for message in row["messages"]]
    for held in row["beliefs"]:
        assert messages[held["message"]]["author"] == held["seat"]
        messages[held["message"]]["belief"] = {name: held[name] for name in Belief.model_fields}
    verdict = row["verdict"] and Verdict.model_validate({"belief": row["verdict"], "annotations": row["annotations"]})
    kept = {name: row[name] for name in EpisodeOutcome.model_fields if name in row}
    return Transcript(
        run_id=row["made_by_run"],
        spec=EpisodeSpec.model_validate(row["spec"] | ids),
        outcome=EpisodeOutcome.model_validate(
            kept | ids | {"messages": [Message.model_validate(each) for each in messages], "verdict": verdict}
        ),
        gold=row["gold"],
        mistakes=row["mistakes"],
    )


def test_episodes_hold_everything_that_the_store_does(done: Done) -> None:
    rows = done.rows("episodes")
    assert {row["run"] for row in rows} == {done.run}
    free = done.store.sql("SELECT episode_id FROM episodes WHERE arm <> 'secret'")["episode_id"]
    assert sorted(row["episode"] for row in rows) == sorted(free)
    assert {row["status"] for row in rows} == {"judged", "failed"}
    for row in rows:
        stored = done.store.transcript(row["episode"]).model_dump_json().replace(SECRET, "[redacted]")
        assert rebuilt(row) == Transcript.model_validate_json(stored)
        assert (row["verdict"] is None) == (row["status"] == "failed")


@pytest.mark.long
def test_pages_of_transcripts_are_what_the_store_gives_one_by_one(done: Done) -> None:
    ids = done.store.sql("SELECT episode_id FROM episodes ORDER BY episode_id DESC")["episode_id"].tolist()
    expected = [done.store.transcript(episode) for episode in ids]
    for page in (1, 3, 100):
        assert list(transcripts(done.store, [(episode, 0) for episode in ids], page)) == expected


@pytest.mark.long
@pytest.mark.parametrize("form", ["episodes", "sft", "preferences", "prm800k", "trl-steps"])
def test_an_export_is_the_same_however_little_is_read_at_a_time(
    done: Done, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = done.export(form)
    for name, few in (("_SURVEY", 5), ("_PAGE_BYTES", 3000), ("_DECODED", 2)):
        monkeypatch.setattr(f"oversight.reports.transcripts.{name}", few)
    monkeypatch.setattr("oversight.reports.episode_rows._AT_ONCE", 2)
    assert done.export(form) == at_once


@pytest.mark.long
def test_transcripts_of_several_runs_are_read_together(done: Done, tmp_path: Path) -> None:
    for seed in (1, 2):
        (tmp_path / "e.yaml").write_text(
            "name: several\ntask: {name: digits, images: 2}\n"
            "models: {judge: embedded/pixel-judge}\nprotocols: [direct]\n"
        )
        ran = here("run", tmp_path / "e.yaml", "--engine", "local", "--seed", seed, "--store", tmp_path / "store")
        assert ran.code == 0
    store = open_store(tmp_path / "store")
    ids = store.sql("SELECT episode_id FROM episodes ORDER BY hash(episode_id)")["episode_id"].tolist()
    read = list(transcripts(store, [(episode, 0) for episode in ids]))
    assert read == [store.transcript(episode) for episode in ids]
    assert len({transcript.run_id for transcript in read}) == 2


@pytest.mark.long
def test_beliefs_of_seats_are_exported_too(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(
        "name: held\ntask: {name: digits, images: 1}\n"
        "models: {judge: embedded/pixel-judge, strong: embedded/pixel-debater}\nprotocols: [{debate: {rounds: 1}}]\n"
    )
    assert here("run", tmp_path / "e.yaml", "--engine", "local", "--store", tmp_path / "store").code == 0
    store = open_store(tmp_path / "store")
    run = store.sql("SELECT run_id FROM runs")["run_id"].iloc[0]
    lines = here("export", run, "--format", "episodes", "--store", tmp_path / "store").out.splitlines()
    assert len(lines) == 2
    for row in map(json.loads, lines):
        assert row["beliefs"]
        assert any(message["quotes"] for message in row["messages"])
        assert rebuilt(row) == store.transcript(row["episode"])


def test_no_secret_is_exported(done: Done) -> None:
    ran = done.export("episodes")
    failed = [row for row in map(json.loads, ran.out.splitlines()) if row["status"] == "failed"]
    assert [row["failure"] for row in failed] == ["invalid_request"] * 2
    assert all("[redacted]" in row["detail"] for row in failed)
    assert all("[redacted]" in call["detail"] for row in failed for call in row["calls"])
    assert SECRET not in ran.out + ran.err


# --- PRM800K


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Completion(Strict):
    text: str
    rating: Literal[-1, 0, 1] | None
    flagged: bool | None


class Step(Strict):
    completions: list[Completion]
    human_completion: None
    chosen_completion: int | None


class Label(Strict):
    steps: list[Step]
    total_time: int | None
    finish_reason: Literal["found_error", "solution", "bad_problem", "give_up"]


class Asked(Strict):
    problem: str
    ground_truth_solution: str | None
    ground_truth_answer: str
    pre_generated_steps: list[str] | None
    pre_generated_answer: str | None
    pre_generated_verifier_score: float | None


class Labelled(Strict):
    """A line of PRM800K, by its README."""

    labeler: str
    timestamp: str
    generation: int | None
    is_quality_control_question: bool
    is_initial_screening_question: bool
    question: Asked
    label: Label


def prm800k(done: Done, arm: str) -> list[Labelled]:
    return [Labelled.model_validate(row) for row in done.rows("prm800k") if arm_of(row, done) == arm]


def ratings(line: Labelled) -> list[int | None]:
    return [step.completions[0].rating for step in line.label.steps]


def test_prm800k_lines_have_its_schema(done: Done) -> None:
    rows = done.rows("prm800k")
    assert {arm_of(row, done) for row in rows} == {"given", "all", "written", "mumbled"}
    for row in rows:
        line = Labelled.model_validate(row)
        assert line.labeler == "./plugins.py:Overseer"
        assert line.question.ground_truth_answer == "three"
        assert all(len(step.completions) == 1 for step in line.label.steps)


def test_prm800k_labels_of_given_solutions(done: Done) -> None:
    lines = {line.question.pre_generated_answer: line for line in prm800k(done, "given")}
    right, wrong = lines["three"], lines["four"]
    assert ratings(right) == [1, 0, 1]
    assert [step.completions[0].text for step in right.label.steps] == right.question.pre_generated_steps
    assert (right.label.finish_reason, right.question.pre_generated_verifier_score) == (
        "solution",
        pytest.approx(0.729),
    )
    # Labelling stopped at the first error, but the whole solution is known.
    assert (ratings(wrong), wrong.label.finish_reason) == ([-1], "found_error")
    assert wrong.label.steps[0].chosen_completion is None
    assert wrong.question.pre_generated_steps == ["It is wrong, 4.", "So 4."]
    # Where labelling goes on, the rejected step was gone on from.
    everything = {line.question.pre_generated_answer: line for line in prm800k(done, "all")}["four"]
    assert ratings(everything) == [-1, 1]
    assert [step.chosen_completion for step in everything.label.steps] == [0, 0]


@pytest.mark.long
def test_prm800k_labels_of_written_and_unreadable_steps(done: Done) -> None:
    written = prm800k(done, "written")
    assert len(written) == 4
    assert {(tuple(ratings(line)), line.question.pre_generated_steps is None) for line in written} == {((1, -1), True)}
    mumbled = {line.question.pre_generated_answer: line for line in prm800k(done, "mumbled")}["three"]
    assert (ratings(mumbled), mumbled.label.finish_reason) == ([1, None, 1], "give_up")
    assert [step.completions[0].flagged for step in mumbled.label.steps] == [False, True, False]


# --- TRL


def test_trl_rows_are_stepwise_supervision(done: Done) -> None:
    rows = done.rows("trl-steps")
    for row in rows:
        assert row.keys() == {"prompt", "completions", "labels"}
        assert row["prompt"].startswith("What is 1 + 2?")
        assert len(row["completions"]) == len(row["labels"]) > 0
        assert all(isinstance(step, str) for step in row["completions"])
        assert all(isinstance(label, bool) for label in row["labels"])
    found = {(tuple(row["completions"]), tuple(row["labels"])) for row in rows}
    assert found == {
        (("Add.", "It is maybe 3.", "So 3."), (True, True, True)),
        (("It is wrong, 4.",), (False,)),
        (("It is wrong, 4.", "So 4."), (False, True)),
        (("Add.", "It is wrong, 4."), (True, False)),
        # Cut before the step that could not be labelled; a solution of nothing else is not there.
        (("Add.",), (True,)),
    }
    assert "cut 4 solutions short" in done.export("trl-steps").err


# --- what is not exported, and where it goes


@pytest.mark.parametrize("form", ["episodes", "sft", "preferences", "prm800k", "trl-steps"])
def test_restricted_questions_are_left_out_of_every_form(done: Done, form: str) -> None:
    ran = done.export(form)
    assert CANARY in done.store.sql("SELECT string_agg(data::VARCHAR) AS all FROM annotations")["all"].iloc[0]
    assert CANARY not in ran.out + ran.err
    assert "secret" not in ran.out
    of = 10 if form in ("prm800k", "trl-steps") else 14
    left_out = [line for line in ran.err.splitlines() if "left out" in line]
    assert left_out == [f"left out 2 of {of} episodes: their 2 questions must not be published"]


@pytest.mark.parametrize("form", ["episodes", "sft", "prm800k", "trl-steps"])
def test_nothing_exported_can_steer_a_terminal(done: Done, form: str) -> None:
    out = done.export(form).out
    assert out.isascii()
    assert not any(ord(character) < 32 and character != "\n" for character in out)
    assert "\\u001b[31m" in out


@pytest.mark.long
def test_a_file_is_written_whole_and_never_overwritten_unasked(done: Done, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    ran = done.export("prm800k", "--output", target)
    assert (ran.code, ran.out) == (0, "")
    assert f"wrote 16 solutions with step labels to {target}" in ran.err.replace("\n", " ")
    assert target.read_text() == done.export("prm800k").out
    assert "--force" in done.export("trl-steps", "--output", target).complaint()
    assert target.read_text() == done.export("prm800k").out
    assert done.export("trl-steps", "--output", target, "--force").code == 0
    assert target.read_text() == done.export("trl-steps").out
    assert "cannot be written" in done.export("episodes", "--output", tmp_path / "no" / "such").complaint()
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    (tmp_path / "folder").mkdir()
    assert done.export("episodes", "--output", tmp_path / "folder", "--force").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "out.jsonl"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_an_export_that_fails_halfway_leaves_no_file_and_an_older_one_alone(
    done: Done, tmp_path: Path, name: str
) -> None:
    target = tmp_path / name
    with full_disk(4096):
        assert "cannot be written" in done.export("episodes", "--output", target).complaint()
    assert list(tmp_path.iterdir()) == []
    target.write_text("what was there before")
    with full_disk(4096):
        assert done.export("episodes", "--output", target, "--force").code == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert target.read_text() == "what was there before"


def test_unknown_formats_and_runs_are_named(done: Done) -> None:
    complaint = done.export("dpo").complaint()
    assert all(form in complaint for form in ("episodes", "sft", "preferences", "prm800k", "trl-steps"))
    assert f"did you mean '{done.run}'" in done.export("episodes", run=done.run + "x").complaint()
    assert "no store" in here("export", "r", "--format", "episodes", "--store", done.directory / "no").complaint()


@pytest.mark.long
def test_a_reader_that_has_enough_is_no_error(done: Done) -> None:
    script = "import sys; from oversight.cli import main; sys.argv[0] = 'oversight'; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "export", done.run, "--format", "episodes", "--store", str(done.directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert "Traceback" not in complaint
    assert "BrokenPipe" not in complaint
    assert process.wait(60) == 0
