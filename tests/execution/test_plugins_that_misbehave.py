"""Whatever a plugin does wrong is its episode's failure, or one line before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from cli.running import Ran, here

from execution.staging import rows

HEAD = '''\
import asyncio
import sys

from oversight import Belief, Protocol, Verdict


class Bad(Protocol):
    """Goes wrong."""

    name = "bad"
    roles = ("judge",)

    async def run(self, episode):
        judge = episode.seat("judge")
'''

BODIES = {
    "raises": "raise ValueError('no luck')",
    "divides by zero": "return 1 / 0",
    "returns nothing": "await judge.decide()",
    "returns a text": "return 'A'",
    "returns too many probabilities": "return Verdict(belief=Belief(probs=(0.2, 0.3, 0.5), source='stated'))",
    "lacks a template": "return await judge.decide('no_such_template')",
    "opens a seat twice": "episode.seat('judge')",
    "has no such role": "return await episode.seat('nobody', brief='judge').decide()",
    "reads what was not given": "return episode.question.gold",
    "exits": "sys.exit(3)",
    "cancels": "raise asyncio.CancelledError",
}


def experiment(folder: Path, protocols: str, **models: str) -> Path:
    path = folder / "e.yaml"
    bound = {"judge": "embedded/pixel-judge", **models}
    path.write_text(
        "name: bad\ntask: {name: digits, images: 3}\nmodels:\n"
        + "".join(f"  {role}: {model}\n" for role, model in bound.items())
        + f"protocols:\n  - direct\n{protocols}"
    )
    return path


class Misbehaved(NamedTuple):
    """One run with an arm for each body: what it printed, and each arm's episodes by status and failure."""

    ran: Ran
    arms: dict[str, list[tuple[str, str | None, int]]]


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory: pytest.TempPathFactory) -> Misbehaved:
    folder = tmp_path_factory.mktemp("misbehaved")
    protocols = ""
    for number, body in enumerate(BODIES.values()):
        (folder / f"bad{number}.py").write_text(HEAD + f"        {body}\n")
        protocols += f"  - {{./bad{number}.py:Bad: {{}}, as: bad{number}}}\n"
    store = folder / "store"
    ran = here("run", experiment(folder, protocols), "--keep-going", "--engine", "local", "--store", store)
    arms: dict[str, list[tuple[str, str | None, int]]] = {}
    for row in rows(store, "SELECT arm, status, failure, count(*) AS n FROM episodes GROUP BY ALL"):
        arms.setdefault(row["arm"], []).append((row["status"], row["failure"], row["n"]))
    return Misbehaved(ran, arms)


@pytest.mark.parametrize("number", range(len(BODIES)), ids=list(BODIES))
def test_a_plugin_that_misbehaves_fails_beside_others(misbehaved: Misbehaved, number: int) -> None:
    assert misbehaved.ran.code == 1, misbehaved.ran
    assert misbehaved.arms[f"bad{number}"] == [("failed", "plugin", 3)]
    assert misbehaved.arms["direct"] == [("judged", None, 3)]
    assert len(misbehaved.arms) == len(BODIES) + 1
    # Five failures are printed, the others are counted.
    assert misbehaved.ran.err.count("failed: ") == 5
    assert f"and {3 * len(BODIES) - 5} more" in misbehaved.ran.err


@pytest.mark.long
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_plugin_that_misbehaves_fails_alone(tmp_path: Path, body: str) -> None:
    (tmp_path / "bad.py").write_text(HEAD + f"        {body}\n")
    store = tmp_path / "store"
    ran = here("run", experiment(tmp_path, "  - ./bad.py:Bad\n"), "--keep-going", "--engine", "local", "--store", store)
    assert ran.code == 1, ran
    found = rows(store, "SELECT arm, status, failure, count(*) AS n FROM episodes GROUP BY ALL ORDER BY arm DESC")
    assert found == [
        {"arm": "direct", "status": "judged", "failure": None, "n": 3},
        {"arm": "bad", "status": "failed", "failure": "plugin", "n": 3},
    ]
    assert ran.err.count("failed: ") == 3


MODEL = '''\
from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply


class Bad(ChatModel):
    """Goes wrong."""

    {}

    async def chat(self, request):
        raise RuntimeError("no luck")
'''


@pytest.mark.long
def test_a_model_that_raises_fails_its_episodes(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL.format(""))
    arms = "  - {direct: {}, as: bad, models: {judge: './model.py:Bad'}}\n"
    store = tmp_path / "store"
    ran = here("run", experiment(tmp_path, arms), "--engine", "local", "--store", store)
    assert ran.code == 1
    report = {row["arm"]: row for row in here("report", "--store", store, "--format", "json").rows}
    assert (report["direct"]["n"], report["direct"]["n_failed"]) == (3, 0)
    assert (report["bad"]["n"], report["bad"]["n_failed"]) == (0, 3)
    assert report["bad"]["accuracy"] is None


@pytest.mark.long
def test_a_model_that_cannot_be_made_ready_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    prepare = "@classmethod\n    def prepare(cls, settings, seed):\n        raise OSError('no weights here')"
    (tmp_path / "model.py").write_text(MODEL.format(prepare))
    arms = "  - {direct: {}, as: bad, models: {judge: './model.py:Bad'}}\n"
    store = tmp_path / "store"
    said = here("run", experiment(tmp_path, arms), "--engine", "local", "--store", store).complaint()
    assert "no weights here" in said
    assert "./model.py:Bad" in said


@pytest.mark.long
def test_a_task_of_the_user_s_that_raises_is_one_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(
        "from oversight.tasks.task import Task\n\n\nclass Bad(Task):\n    name = 'bad'\n\n"
        "    def items(self, seed):\n        raise KeyError('no such column')\n"
    )
    path = experiment(tmp_path, "")
    path.write_text(path.read_text().replace("{name: digits, images: 3}", "{name: './task.py:Bad'}"))
    said = here("run", path, "--engine", "local", "--store", tmp_path / "store").complaint()
    assert said.startswith(f"{path}:2: ")
    assert "no such column" in said
    assert not (tmp_path / "store").exists()


@pytest.mark.long
def test_a_task_of_the_user_s_is_asked(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(
        "from oversight import Answer, Item, Question\nfrom oversight.tasks.task import Task\n\n\n"
        "class Digit(Task):\n    name = 'mine'\n\n    def items(self, seed):\n"
        "        answers = (Answer(text='3'), Answer(text='8'))\n"
        "        yield Item(question=Question(id='one', prompt='Which digit?', answers=answers), gold=1)\n"
    )
    path = experiment(tmp_path, "")
    path.write_text(path.read_text().replace("{name: digits, images: 3}", "{name: './task.py:Digit'}"))
    store = tmp_path / "store"
    assert here("run", path, "--engine", "local", "--store", store).code == 0
    assert here("report", "--store", store, "--format", "json").rows[0]["task"] == "mine"


@pytest.mark.long
def test_a_key_that_a_plugin_blurts_out_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PROVIDER_API_KEY", "very-private-42")
    (tmp_path / "bad.py").write_text(
        HEAD + "        import os\n        raise ValueError(os.environ['MY_PROVIDER_API_KEY'])\n"
    )
    store = tmp_path / "store"
    ran = here("run", experiment(tmp_path, "  - ./bad.py:Bad\n"), "--keep-going", "--engine", "local", "--store", store)
    (detail,) = {row["detail"] for row in rows(store, "SELECT detail FROM episodes WHERE status = 'failed'")}
    assert "ValueError: [redacted]" in detail
    assert "very-private-42" not in ran.out + ran.err + detail


@pytest.mark.long
def test_what_failed_is_reported_by_side(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        HEAD.replace('roles = ("judge",)', 'roles = ("judge", "strong")')
        + "        episode.seat('expert', role='strong', brief='judge', argues=episode.assigned)\n"
        + "        raise ValueError('no luck')\n"
    )
    store = tmp_path / "store"
    path = experiment(tmp_path, "  - ./bad.py:Bad\n", strong="embedded/pixel-debater")
    assert here("run", path, "--keep-going", "--engine", "local", "--store", store).code == 1
    found = here("report", "--store", store, "--by", "arm,honest", "--format", "json").rows
    assert {row["honest"]: row["n_failed"] for row in found if row["arm"] == "bad"} == {"expert": 3, "none": 3}
