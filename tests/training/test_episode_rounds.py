"""Rounds that are made of episodes: each phase once, nothing that finished again, no held-out question learnt."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from cli.running import Ran, here
from execution.staging import Running, count, rows

from training.staging import COST, HELD, TRAIN, Calls, command, distilled, lay_out_files, questions, rounds, scores

pytestmark = pytest.mark.long

FEW, TWO = questions(3, "training"), HELD[:2]
ALONE, TREE = 1, 4
"""Calls: X by itself; two sub-questions divided, answered and decided on."""
EVALUATED, AMPLIFIED, SHARED = 2 * (ALONE + TREE), 3 * TREE, 2
"""What one phase takes. How an overseer divides a question is asked once, whoever answers the parts."""
ONE_ROUND = EVALUATED + AMPLIFIED + EVALUATED - SHARED
PHASES = [(0, "evaluated"), (1, "amplified"), (1, "distilled"), (1, "evaluated")]
MORE = [(2, "amplified"), (2, "distilled"), (2, "evaluated")]


def lay_out(folder: Path, **more: Any) -> Path:
    """Three questions to train on, and two to test on."""
    return lay_out_files(folder, **{"train": FEW, "held": TWO, **more})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def run_id(ran: Ran) -> str:
    return next(line for line in ran.out.splitlines() if line.startswith("run ")).removeprefix("run ")


class Finished(NamedTuple):
    """One round, the same again, then a second round, then what is left of one.

    Attributes:
        ran: the four commands.
        made: by class, the calls of each.
        written: the files of rows before the second command and after it.
        phases: what was stored after each.
    """

    experiment: Path
    store: Path
    planned: list[dict[str, Any]]
    ran: list[Ran]
    made: list[Counter[str]]
    written: list[dict[str, bytes]]
    phases: list[list[tuple[int, str]]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERSIGHT_TEST_CALLS", str(folder / "calls"))
        calls = Calls(folder / "calls")
        experiment = lay_out(folder / "e", models={"ceiling": "./model.py:Ceiling"})
        store = folder / "e" / "store"
        done = Finished(experiment, store, here("plan", experiment, "--format", "json").rows, [], [], [], [])
        assert not store.exists()
        for options in ((), (), ("--set", "iterate.rounds=2"), ()):
            before = Counter(name for name, *_ in calls)
            done.ran.append(command(experiment, *options))
            done.made.append(Counter(name for name, *_ in calls) - before)
            done.written.append(contents(store / "rounds"))
            done.phases.append(list(rounds(store)))
    return done


def test_every_phase_once_and_in_order(finished: Finished) -> None:
    assert [ran.code for ran in finished.ran] == [0] * 4, finished.ran
    assert finished.phases[0] == PHASES
    assert finished.made[0] == {"Overseer": 2 * 2 + 3 * 2 + 2, "X0": 2 + 2 * 2 + 3 * 2, "X1": 2 + 2 * 2, "Ceiling": 2}
    # All of what was planned is what was done, with X_0 in everybody's place; shared calls count there.
    total = finished.planned[-1]
    assert total["calls"] == ONE_ROUND + SHARED + 2
    assert total["episodes"] == 2 * 2 + 3 + 2 * 2 + 2
    assert [row["arm"] for row in rows(finished.store, "SELECT arm FROM accuracy ORDER BY arm_no")] == [
        *("X_0", "amplified X_0", "ceiling", "training, X_0", "X_1", "amplified X_1"),
        *("training, X_1", "X_2", "amplified X_2"),
    ]


def test_the_same_command_again_makes_no_call_and_writes_no_rows(finished: Finished) -> None:
    assert finished.made[1] == {}
    assert "0 episodes run with 0 model calls" in finished.ran[1].out
    assert finished.written[1] == finished.written[0]


def test_the_same_command_again_says_what_had_been_judged(finished: Finished) -> None:
    judged = 2 * 2 + 3 + 2 * 2 + 2
    assert f"{judged} had been judged before" in finished.ran[1].out


def test_one_round_more_goes_on_in_the_same_run(finished: Finished) -> None:
    assert len({run_id(ran) for ran in finished.ran}) == 1
    assert finished.phases[2] == [*PHASES, *MORE]
    # X_1 is amplified, X_2 asked alone and amplified; divisions were asked for before.
    assert finished.made[2] == {"Overseer": 3 + 2, "X1": 3 * 2, "X2": 2 + 2 * 2}
    assert {row["round"] for row in scores(finished.store)} == {0, 1, 2}
    # A smaller number asks for nothing.
    assert finished.made[3] == {}
    assert finished.phases[3] == finished.phases[2]


def test_a_store_says_what_each_phase_came_to(finished: Finished) -> None:
    found = rounds(finished.store)
    assert found[1, "amplified"]["episodes"] == 3
    for number in (1, 2):
        of = found[number, "distilled"]
        assert of["model"] == f"./model.py:X{number}"
        written = distilled(finished.store, number)
        assert of["rows"] == len(written.splitlines()) == 3 * 3
        assert of["rows_sha256"] == hashlib.sha256(written).hexdigest()
        assert (of["overseer_rows"], of["left_out"]) == (3 * 2, {})
    truth = {row["arm"]: row for row in rows(finished.store, "SELECT arm, n, accuracy FROM accuracy")}
    assert len(scores(finished.store)) >= 7
    for row in scores(finished.store):
        arm = {"alone": "X_{round}", "amplified": "amplified X_{round}", "ceiling": "ceiling"}[row["who"]]
        of = truth[arm.format(**row)]
        assert (row["n"], row["correct"]) == (of["n"], round(of["accuracy"] * of["n"]))


def test_the_ceiling_is_scored_where_it_was_evaluated(finished: Finished) -> None:
    """Of later rounds it is known from there (`oversight.reports.rounds_report`)."""
    assert [row["round"] for row in scores(finished.store) if row["who"] == "ceiling"] == [0]


def test_true_answers_are_in_no_row(tmp_path: Path, calls: Calls) -> None:
    """With every gold answer of the training questions another, the rows are the same, byte for byte."""
    train = TRAIN[:5]
    flipped = [{**row, "gold": 1 - int(row["gold"])} for row in train]
    files = []
    for name, those in (("as-is", train), ("flipped", flipped)):
        assert command(lay_out(tmp_path / name, train=those, held=HELD[:1])).code == 0
        store = tmp_path / name / "store"
        files.append([distilled(store), distilled(store, name="round-{:03}.overseer.jsonl")])
    (own, overseer), (own_flipped, overseer_flipped) = files
    assert sorted(own.splitlines()) == sorted(own_flipped.splitlines())
    assert sorted(overseer.splitlines()) == sorted(overseer_flipped.splitlines())
    # The order of rows is something that a learner is taught too.
    assert own == own_flipped
    assert overseer == overseer_flipped


def refused(experiment: Path, *options: object) -> str:
    """What is said where nothing may be begun."""
    before = contents(experiment.parent)
    said = command(experiment, *options).complaint()
    assert here("plan", experiment, *options).complaint() == said
    assert contents(experiment.parent) == before
    assert not (experiment.parent / "store").exists()
    return said


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="the same"),
        pytest.param({"prompt": "WHAT does  training\tnote 1 name"}, id="case, space and end"),
        pytest.param({"prompt": " What does training note 1 name?! \n"}, id="around it"),
        pytest.param({"id": "z", "answers": ["the port", "the mill"], "cluster": "c"}, id="other answers"),
        pytest.param({"id": "z", "material": None}, id="through a task without material"),
        pytest.param({"id": "z", "material": "The second paragraph settles it."}, id="through a task with an excerpt"),
        pytest.param({"material": "Another note."}, id="through a task that gives its questions other material"),
    ],
)
def test_a_question_on_both_sides_is_refused_before_anything_is_done(
    tmp_path: Path, calls: Calls, change: dict[str, Any]
) -> None:
    said = refused(lay_out(tmp_path, held=[*TWO, {**FEW[1], **change}]))
    assert "iterate.train" in said
    assert "'training-1'" in said
    assert "choose another split or limit" in said
    line = said.removeprefix(f"{tmp_path / 'e.yaml'}:").partition(":")[0]
    assert "train:" in (tmp_path / "e.yaml").read_text().splitlines()[int(line) - 1]
    assert len(calls) == 0


def test_the_same_words_about_other_material_are_allowed(tmp_path: Path, calls: Calls) -> None:
    assert here("plan", lay_out(tmp_path, held=[{**FEW[1], "id": "z", "material": "Another note."}])).code == 0


def test_where_every_question_has_the_same_words_its_material_tells_them_apart(tmp_path: Path, calls: Calls) -> None:
    def about(*notes: str) -> list[dict[str, Any]]:
        same = {"prompt": "What is it?", "answers": ["ink", "wax"], "gold": 0}
        return [{**same, "id": str(n), "material": note} for n, note in enumerate(notes)]

    held = about("note 1", "note 2")
    assert here("plan", lay_out(tmp_path, train=about("note 3", "note"), held=held)).code == 0
    assert "'1'" in refused(lay_out(tmp_path, train=about("note 3", "NOTE  1"), held=held))
    assert "'0'" in refused(lay_out(tmp_path, train=about("", "note 3"), held=held))


def test_where_x_sees_no_material_other_material_makes_no_other_question(tmp_path: Path, calls: Calls) -> None:
    held = [{**FEW[1], "id": "z", "material": "Another note."}]
    experiment = lay_out(tmp_path, held=held, iterate={"alone": {"sees": "nothing"}})
    assert "'training-1'" in refused(experiment)


def test_a_sub_question_that_is_evaluated_on_is_withheld(tmp_path: Path, calls: Calls) -> None:
    """Found out while it runs, because nobody knows before what an overseer will ask."""
    held = [{**HELD[0], "prompt": "what INK is it", "material": FEW[0]["material"]}]
    assert command(lay_out(tmp_path, held=held)).code == 0
    found = rounds(tmp_path / "store")[1, "distilled"]
    assert (found["rows"], found["left_out"]) == (3 * 3 - 1, {"held_out": 1})
    assert b"What ink is it?" not in distilled(tmp_path / "store")


RESTRICTED = '''\
"""Questions that must not be published."""

from oversight.tasks.table import Table


class Secret(Table):
    """Whose authors ask for it."""

    name = "secret"
    restricted = True
'''


def test_what_must_not_be_published_is_not_trained_on(tmp_path: Path, calls: Calls) -> None:
    experiment = lay_out(tmp_path)
    (tmp_path / "task.py").write_text(RESTRICTED)
    secret = ("--set", "iterate.train={name: './task.py:Secret', path: train.jsonl}")
    said = refused(experiment, *secret)
    assert "iterate.train: the authors of 'secret' ask that no model be trained on it" in said
    # To test on it is what it is for.
    held = ("--set", "iterate.evaluate={name: './task.py:Secret', path: held.jsonl}")
    assert here("plan", experiment, *held).code == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"models": {"strong": None}}, ("models", "'strong'", "X_0"), id="no X"),
        pytest.param({"models": {"strong": ["./model.py:X0", "./model.py:X1"]}}, ("'strong'",), id="two X"),
        pytest.param({"models": {"overseer": None}}, ("models", "'overseer'"), id="no overseer"),
        pytest.param({"protocols": ["direct"]}, ("'direct' cannot be distilled", "'amplification'"), id="direct"),
        pytest.param({"protocols": ["amplification", "direct"]}, ("protocols", "one protocol"), id="two protocols"),
        pytest.param({"protocols": None}, ("protocols", "one protocol"), id="no protocol"),
        pytest.param(
            {"protocols": [{"amplification": {}, "models": {"strong": "./model.py:X2"}}]},
            ("protocols.0", "strong"),
            id="an arm that binds X anew",
        ),
        pytest.param(
            {"protocols": [{"amplification": {}, "task": {"limit": 1}}]}, ("protocols.0", "task"), id="an arm's task"
        ),
        pytest.param(
            {"protocols": [{"amplification": {"adversary": "one"}}]}, ("adversary",), id="every tree is steered"
        ),
        pytest.param({"models": {"ceiling": "./model.py:X0"}}, ("models.ceiling",), id="X is its own ceiling"),
    ],
)
def test_what_cannot_be_iterated_is_refused_with_what_to_do(
    tmp_path: Path, calls: Calls, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    experiment = lay_out(tmp_path, models=changes.get("models", {}))
    data = yaml.safe_load(experiment.read_text())
    data["models"] = {role: bound for role, bound in data["models"].items() if bound is not None}
    data |= {"protocols": changes["protocols"]} if "protocols" in changes else {}
    experiment.write_text(yaml.safe_dump({key: value for key, value in data.items() if value is not None}))
    said = refused(experiment)
    assert all(word in said for word in words), said


def test_failed_episodes_stop_the_round_and_just_those_are_retried(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, store = lay_out(tmp_path), tmp_path / "store"
    monkeypatch.setenv("OVERSIGHT_TEST_FAIL", "training note 1 ")
    ran = command(experiment)
    assert ran.code == 1, ran
    assert ran.err.count("failed: ") == 1
    assert list(rounds(store)) == PHASES[:1]
    made = len(calls)
    again = command(experiment)
    assert again.code == 1
    assert list(rounds(store)) == PHASES[:1]
    assert all("training note 1 " in str(messages) for _, messages, *_ in list(calls)[made:])
    monkeypatch.delenv("OVERSIGHT_TEST_FAIL")
    assert command(experiment).code == 0
    assert list(rounds(store)) == PHASES
    assert rounds(store)[1, "amplified"]["failed"] == 0
    asked = Counter(json.dumps(call) for call in calls)
    assert len(asked) == ONE_ROUND
    assert all("training note 1 " in call for call, times in asked.items() if times > 1)
    events = rows(store, "SELECT event FROM run_events ORDER BY event_at")
    assert [row["event"] for row in events] == ["started", "interrupted"] * 2 + ["started", "finished"]


def test_as_many_as_may_fail_do_not_stop_it(tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, store = lay_out(tmp_path, iterate={"max_failed": 0.33}), tmp_path / "store"
    monkeypatch.setenv("OVERSIGHT_TEST_FAIL", "training note 1 ")
    ran = command(experiment)
    assert ran.code == 1
    assert list(rounds(store)) == PHASES[:1]
    # To allow one of three goes on in the same run.
    more = command(experiment, "--set", "iterate.max_failed=0.34")
    assert run_id(more) == run_id(ran)
    assert more.err.count("failed: ") == 1
    assert list(rounds(store)) == PHASES
    assert rounds(store)[1, "amplified"] == rounds(store)[1, "amplified"] | {"failed": 1, "episodes": 3}
    assert rounds(store)[1, "distilled"]["rows"] == 2 * 3
    assert "training note 1 " not in distilled(store).decode()
    # The round has ended: nothing is tried again that its model was not trained on.
    made = len(calls)
    assert command(experiment, "--set", "iterate.max_failed=0.34").code == 0
    assert len(calls) == made


def test_a_budget_stops_it_and_a_higher_one_goes_on(tmp_path: Path, calls: Calls) -> None:
    experiment, store = lay_out(tmp_path), tmp_path / "store"
    most = EVALUATED + TREE
    for _ in range(2):
        ran = command(experiment, "--max-cost", most * COST, "--concurrency", 1)
        assert ran.code == 3, ran
        assert f"budget of ${most * COST:g} reached: raise --max-cost" in ran.err
        assert (len(calls), list(rounds(store))) == (most, PHASES[:1])
    last = command(experiment, "--max-cost", ONE_ROUND * COST, "--concurrency", 1)
    assert (last.code, len(calls)) == (0, ONE_ROUND), last
    assert list(rounds(store)) == PHASES


def test_killed_between_phases_and_interrupted_it_goes_on(tmp_path: Path, calls: Calls, finished: Finished) -> None:
    two = ("--set", "iterate.rounds=2")
    experiment = lay_out(tmp_path, models={"ceiling": "./model.py:Ceiling"})
    store = tmp_path / "store"
    options = (*two, "--engine", "local", "--store", store, "--concurrency", 1)
    run = Running(tmp_path, experiment, *options, CALLS=calls.path, HANG="X1 ")
    run.until(lambda: rows_of(store, "SELECT 1 FROM rounds WHERE phase = 'distilled'"), "the first round's rows")
    run.process.kill()
    run.ended()
    assert list(rounds(store)) == PHASES[:3]
    run = Running(tmp_path, experiment, *options, CALLS=calls.path, HANG="X1 .*Training note 2[.]")
    try:
        run.until(lambda: rows_of(store, "SELECT 1 FROM episodes WHERE arm = 'training, X_1'"), "the second round")
        run.interrupt()
    finally:
        ran = run.ended(30)
    assert ran.code == 130, ran
    assert "Traceback" not in ran.err + ran.out
    assert "interrupted: what finished is kept" in ran.err
    assert list(rounds(store)) == PHASES
    kept = rows(store, "SELECT episode_id, attempt FROM episodes ORDER BY ALL")
    (last,) = rows(store, "SELECT arg_max(event, event_at) AS event FROM run_events")
    assert last["event"] == "interrupted"
    assert command(experiment, *two).code == 0
    after = rows(store, "SELECT episode_id, attempt FROM episodes ORDER BY ALL")
    assert all(row in after for row in kept)
    assert {row["attempt"] for row in after} == {0}
    assert list(rounds(store)) == finished.phases[2]
    assert scores(store) == scores(finished.store)
    for number in (1, 2):
        assert distilled(store, number) == distilled(finished.store, number)
    # One episode at a time was in flight, with its two leaves, at a kill and at an interruption.
    assert len(calls) <= sum(sum(made.values()) for made in finished.made) + 2 * 2
    assert max(Counter(json.dumps(call) for call in calls).values()) <= 2


def rows_of(store: Path, query: str) -> list[dict[str, Any]]:
    """As `rows`; nothing while there is no store."""
    return rows(store, query) if count(store, "runs") else []


@pytest.mark.parametrize(
    "setting",
    [
        "description=in other words",
        "models.strong.max_concurrency=7",
        "models.overseer.requests_per_minute=60000",
        "iterate.max_failed=0.1",
        "iterate.rounds=3",
        "iterate.distil.models=['./model.py:X1']",
    ],
)
def test_what_says_how_and_not_what_is_no_other_run(finished: Finished, setting: str) -> None:
    """Else a second run would be tuned and paid for."""
    assert run_id(here("plan", finished.experiment, "--set", setting)) == run_id(finished.ran[0])


@pytest.mark.parametrize(
    "options",
    [
        ("--set", "iterate.alone={sees: nothing}"),
        ("--set", "protocols.amplification.breadth=3"),
        ("--set", "models.strong.belief=stated"),
        ("--set", "iterate.train.limit=2"),
        ("--limit", 1),
        ("--seed", 1),
        ("--repeat", 2),
    ],
)
def test_what_changes_the_work_is_another_run(finished: Finished, options: tuple[object, ...]) -> None:
    """Else phases that ended would be taken for those that are asked for."""
    planned = here("plan", finished.experiment, *options)
    assert planned.code == 0, planned
    assert run_id(planned) != run_id(finished.ran[0])


def test_published_numbers_stand_beside_any_arm(tmp_path: Path) -> None:
    published = [{"arm": "X_1", "accuracy": 0.5}, {"arm": "training, X_0", "accuracy": 0.25}]
    planned = here("plan", lay_out(tmp_path, published=published))
    assert planned.code == 0, planned
