"""Plans are kept small, and what they hold small comes out whole; the ids of shipped experiments stay what they are."""

from __future__ import annotations

import hashlib
import json
import textwrap
from pathlib import Path

import pytest
from cli.running import here

from experiment.files import experiment, planned, questions, write
from oversight import Answer, Item, Question, Worked
from oversight.experiment.file import load_experiment
from oversight.experiment.plan import build_plan
from oversight.util.digest import digest

ROOT = Path(__file__).parents[2]

PLUGIN = '''
from oversight import Answer, Item, Question, Task, Worked


class Dated(Question):
    """A question of a class of its own."""

    year: int = 0


class Odd(Task):
    """Questions with everything that a question can have."""

    name = "odd"

    def items(self, seed):
        answers = (Answer(text="é", solution="because"), Answer(text="\\u4f60"), Answer(text="no"))
        worked = (Worked(answer=2, steps=("one", "two")), Worked(answer=0, steps=()))
        yield Item(
            question=Question(id="full", prompt="?", answers=answers, material="a story", cluster="c", worked=worked),
            gold=1,
            mistakes=(1, None),
        )
        yield Item(question=Question(id="bare", prompt="\\u200b?", answers=answers), gold=2)
        yield Item(question=Dated(id="dated", prompt="?", answers=answers, material="a story", year=1984), gold=0)
'''


def test_questions_come_out_of_a_plan_as_the_task_gave_them(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(PLUGIN, encoding="utf-8")
    plan = planned(experiment(tmp_path, task={"name": "./odd.py:Odd"}, protocols=["direct"]))
    full, bare, dated = (item for _, item in plan.items.values())
    answers = (Answer(text="é", solution="because"), Answer(text="你"), Answer(text="no"))
    worked = (Worked(answer=2, steps=("one", "two")), Worked(answer=0, steps=()))
    assert full == Item(
        question=Question(id="full", prompt="?", answers=answers, material="a story", cluster="c", worked=worked),
        gold=1,
        mistakes=(1, None),
    )
    assert bare == Item(question=Question(id="bare", prompt="\u200b?", answers=answers), gold=2)
    assert (type(dated.question).__name__, dated.question.model_dump()["year"]) == ("Dated", 1984)
    assert {task for task, _ in plan.items.values()} == {"odd"}
    # Not `Item.key`, which a plan keeps from when it packed the item.
    assert [digest(item.content()) for _, item in plan.items.values()] == list(plan.items)
    for episode in plan.episodes:
        item = plan.items[episode.spec.question_key][1]
        assert episode.spec.question == item.question.presented(episode.spec.answer_order)


@pytest.mark.parametrize(
    ("name", "limit", "run", "episodes", "ids"),
    [
        ("quickstart", 12, "quickstart-c924486d", 60, "e701b56b1d596e7a"),
        ("process_arithmetic", 10, "process_arithmetic-c2ee7ef2", 30, "0411f1df02766a51"),
        pytest.param("goodhart_digits", 2, "goodhart-digits-c6f9b783", 42, "0fb61b5015c145c9", marks=pytest.mark.long),
    ],
)
def test_the_ids_of_shipped_experiments_are_those_of_earlier_releases(
    name: str, limit: int, run: str, episodes: int, ids: str
) -> None:
    """Who ran one before must not pay for it again. An edit to a protocol's prompts or version changes them rightly."""
    plan = build_plan(load_experiment(ROOT / "experiments" / f"{name}.yaml"), limit)
    found = [episode.spec.episode_id for episode in plan.episodes]
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]
    assert (plan.run_id, len(found), digest) == (run, episodes, ids)


def test_the_stored_plan_says_what_the_episodes_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oversight.store.writer._PART", 3)  # as the parts of a large plan
    path = write(
        tmp_path,
        textwrap.dedent("""\
            name: tiny
            task: {name: digits, images: 4}
            models: {judge: embedded/pixel-judge, strong: embedded/pixel-debater}
            protocols: [direct, {debate: {rounds: 1}, as: short}]
            repeats: 2
            seed: 3
        """),
    )
    store = tmp_path / "store"
    assert here("run", path, "--engine", "local", "--store", store).code == 0
    assert here("run", path, "--engine", "local", "--store", store).code == 0  # which stores nothing twice
    (row,) = here(
        "sql",
        """
        SELECT
            (SELECT count(*) FROM plan) AS planned,
            (SELECT count(*) FROM questions) AS questions,
            count(*) AS same
        FROM plan JOIN episodes USING (run_id, episode_id, arm, task, protocol, question_key, seed, repeat)
        WHERE plan.options = episodes.options AND plan.judge = episodes.judge
            AND plan.strong IS NOT DISTINCT FROM episodes.strong AND plan.sides = len(episodes.assignment)
        """,
        "--store",
        store,
        "--format",
        "json",
    ).rows
    assert row == {"planned": 4 * 2 * (1 + 2), "questions": 4, "same": 4 * 2 * (1 + 2)}


def test_questions_of_one_story_share_it_in_memory(tmp_path: Path) -> None:
    story = "Once upon a time. " * 1000
    rows = [{"id": f"q{n}", "prompt": f"{n}?", "answers": ["a", "b"], "gold": 0, "material": story} for n in range(3)]
    questions(tmp_path, json.loads(json.dumps(rows)))
    plan = planned(experiment(tmp_path, task={"name": "table", "path": "rows.jsonl"}, protocols=["direct"]))
    materials = {id(item.question.material) for _, item in plan.items.values()}
    assert len(materials) == 1
