"""``oversight export`` for training: chats, pairs of replies, and Parquet."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from cli.running import here
from oversight.models.chat_rows import problems
from oversight.store import Store, open_store

PLUGINS = '''\
"""A speaker who numbers its versions, and a judge whose belief in A is the number it heard last."""

import json
import re
from pathlib import Path

from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply
from oversight import Answer, Item, Question
from oversight.tasks.task import Task

LOG = Path(__file__).with_name("asked.jsonl")


class Rooms(Task):
    """Four questions."""

    name = "rooms"

    def items(self, seed):
        for number in range(4):
            answers = (Answer(text="yes"), Answer(text="no"))
            prompt = f"Is room {number} empty?"
            question = Question(id=f"room-{number}", prompt=prompt, answers=answers, material="Dust.")
            yield Item(question=question, gold=number % 2)


class Speaker(ChatModel):
    """What it says counts samples, so that every version and every repeat is another."""

    async def chat(self, request):
        version = request.sample % 10 + 3 * (request.sample // 1000)
        speech = sum(m.role == "assistant" for m in request.messages)
        text = f"Version {version} of speech {speech}: <quote>Dust</quote>"
        with LOG.open("a") as log:
            log.write(json.dumps([request.seat, [list(m) for m in request.messages], text]) + "\\n")
        return ChatReply(text=text, model="speaker", provider="test", cost_usd=0.01)


class Judge(ChatModel):
    """Believes in A by what was said last: not at all in version 9, fully in version 0."""

    async def chat(self, request):
        told = "\\n".join(m.content for m in request.messages)
        heard = [int(n) for n in re.findall(r"Version (\\d)", told)]
        p = 1 - heard[-1] / 9 if heard else 0.5
        stated = json.dumps({"A": p, "B": 1 - p, "abstain": False})
        return ChatReply(text=stated, model="judge", provider="test", cost_usd=0.01)


class Letters(ChatModel):
    """Says B two times of three."""

    async def chat(self, request):
        return ChatReply(text="A" if request.sample % 3 == 0 else "B", model="letters", provider="test", cost_usd=0.0)
'''

EXPERIMENT = """\
name: trained
task: {name: ./plugins.py:Rooms}
models:
  judge: {model: ./plugins.py:Judge, belief: stated}
  strong: {model: ./plugins.py:Speaker}
protocols:
"""
BEST = "{model: ./plugins.py:Speaker, best_of: 4}"
SAMPLED = "{model: ./plugins.py:Letters, belief: sampled, belief_samples: 3}"


class Made(NamedTuple):
    """A finished run."""

    folder: Path
    run: str

    @property
    def store(self) -> Store:
        return open_store(self.folder / "store")

    def export(self, form: str, *more: object) -> list[dict[str, Any]]:
        ran = here("export", self.run, "--format", form, "--store", self.folder / "store", *more)
        assert ran.code == 0, ran
        return [json.loads(line) for line in ran.out.splitlines()]

    @property
    def asked(self) -> list[tuple[str, list[list[str]], str]]:
        """Seat, prompt and reply of every call of the speaker."""
        return [tuple(json.loads(line)) for line in (self.folder / "asked.jsonl").read_text().splitlines()]


def make(folder: Path, *arms: str, repeat: int = 1) -> Made:
    (folder / "plugins.py").write_text(PLUGINS)
    (folder / "e.yaml").write_text(EXPERIMENT + "".join(f"  - {{{arm}}}\n" for arm in arms))
    ran = here("run", folder / "e.yaml", "--engine", "local", "--store", folder / "store", "--repeat", repeat)
    assert ran.code == 0, ran
    return Made(folder, open_store(folder / "store").sql("SELECT run_id FROM runs")["run_id"].iloc[0])


@pytest.fixture(scope="module")
def debates(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Debates and consultancies without anything to choose from."""
    return make(tmp_path_factory.mktemp("debates"), "debate: {rounds: 2}", "consultancy: {rounds: 2}")


def chat(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in row["messages"]]


# --- chats


def test_a_chat_is_what_the_seat_was_sent_and_what_it_said(debates: Made) -> None:
    chats = [chat(row) for row in debates.export("sft", "--role", "strong")]
    sent = [[*((role, content) for role, content in prompt), ("assistant", text)] for _, prompt, text in debates.asked]
    assert len(chats) == debates.store.sql("SELECT sum(len(sides)) AS n FROM episodes")["n"].iloc[0]
    assert all(each in sent for each in chats)
    # Whatever was asked of a seat is in the one chat that goes on to the end.
    assert all(any(each == whole[: len(each)] for whole in chats) for each in sent)


@pytest.mark.long
def test_chats_pass_the_rules_of_openai(debates: Made, tmp_path: Path) -> None:
    target = tmp_path / "sft.jsonl"
    ran = here("export", debates.run, "--format", "sft", "--store", debates.folder / "store", "--output", target)
    assert ran.code == 0
    assert "chats to" in ran.err
    assert problems(target) == []


@pytest.mark.long
def test_every_seat_has_a_chat_unless_a_role_is_named(debates: Made) -> None:
    everybody, strong, judge = (
        debates.export("sft", *more) for more in ((), ("--role", "strong"), ("--role", "judge"))
    )
    assert len(everybody) == len(strong) + len(judge)
    assert len(judge) == debates.store.sql("SELECT count(*) AS n FROM episodes")["n"].iloc[0]
    assert all("abstain" in chat(row)[-1][1] for row in judge)


@pytest.mark.long
def test_who_won_is_whom_the_judge_preferred(debates: Made) -> None:
    won = debates.export("sft", "--won")
    # The judge holds A for certain: both assignments of a consultancy, and one debater of each debate.
    argued = [brief[brief.index("<stance") :] for row in won for role, brief in chat(row) if role == "system"]
    assert all('argues="A"' in stance for stance in argued)
    debated = debates.store.sql("SELECT count(*) AS n FROM episodes WHERE protocol = 'debate'")["n"].iloc[0]
    consulted = debates.store.sql("SELECT count(*) AS n FROM episodes WHERE protocol = 'consultancy'")["n"].iloc[0]
    assert len(won) == debated + consulted // 2


@pytest.mark.long
def test_a_belief_counted_in_several_replies_is_one_reply(tmp_path: Path) -> None:
    made = make(tmp_path, f"direct: {{}}, models: {{judge: {SAMPLED}}}")
    assert {chat(row)[-1] for row in made.export("sft")} == {("assistant", "B")}


def imported(folder: Path, *lines: dict[str, Any]) -> tuple[Path, str]:
    """A store with published debates about one question, and the run."""
    debate = {
        "question": "Who?",
        "answers": ["Ann", "Ben"],
        "gold": 0,
        "protocol": "debate",
        "material": "Ann did it.",
        "sees_material": ["debater_a", "debater_b"],
    }
    (folder / "judged.jsonl").write_text("\n".join(json.dumps(debate | line) for line in lines), encoding="utf-8")
    assert here("import", "jsonl", folder / "judged.jsonl", "--store", folder / "store").code == 0
    return folder / "store", open_store(folder / "store").sql("SELECT run_id FROM runs")["run_id"].iloc[0]


def one_says(text: str, side: int, p: float, **more: Any) -> dict[str, Any]:
    """A debate in which debater_a says one thing."""
    said = {"author": "debater_a", "text": text}
    sides = {"debater_a": side, "debater_b": 1 - side}
    verdict = {"probs": [p, 1 - p], "text": "I think so."}
    return {"id": text, "sides": sides, "messages": [said], "verdict": verdict, **more}


@pytest.mark.long
def test_imported_seats_without_a_brief_have_neither_chats_nor_pairs(tmp_path: Path) -> None:
    store, run = imported(tmp_path, one_says("Ann.", 0, 0.9), one_says("Ben.", 1, 0.8))
    ran = here("export", run, "--format", "sft", "--store", store)
    assert ran.out == ""
    # Of the judges' verdicts there are no words either.
    assert "left out 4 chats of seats whose brief is not on record, or with an empty message" in ran.err
    # The material was all that both are known to have read, but they argued for opposite answers.
    assert here("export", run, "--format", "preferences", "--store", store).out == ""
    said = here("export", run, "--format", "sft", "--role", "judge", "--store", store).complaint()
    assert "no call of it is on record" in said


# --- pairs


def pair(row: dict[str, Any]) -> tuple[str, str]:
    (chosen,), (rejected,) = row["chosen"], row["rejected"]
    assert chosen["role"] == rejected["role"] == "assistant"
    speech = f"of speech {sum(message['role'] == 'assistant' for message in row['prompt'])}:"
    assert speech in chosen["content"]
    assert speech in rejected["content"]
    return chosen["content"].split()[1], rejected["content"].split()[1]


@pytest.mark.long
def test_of_several_versions_the_best_for_the_own_side_is_chosen_and_the_worst_rejected(tmp_path: Path) -> None:
    """A published study took the worst wherever sides were swapped."""
    made = make(tmp_path, f"consultancy: {{rounds: 2}}, models: {{strong: {BEST}}}")
    rows = made.export("preferences")
    # Two speeches of both assignments of four questions.
    assert len(rows) == 2 * 2 * 4
    assert {pair(row) for row in rows if 'argues="A"' in row["prompt"][0]["content"]} == {("0", "3")}
    assert {pair(row) for row in rows if 'argues="B"' in row["prompt"][0]["content"]} == {("3", "0")}
    assert all(row["score_chosen"] > row["score_rejected"] for row in rows)
    sent = [prompt for _, prompt, _ in made.asked]
    assert all([[m["role"], m["content"]] for m in row["prompt"]] in sent for row in rows)


@pytest.mark.long
def test_of_repeated_episodes_the_reply_before_the_better_verdict_is_chosen(tmp_path: Path) -> None:
    made = make(tmp_path, "consultancy: {rounds: 1}", repeat=3)
    rows = made.export("preferences", "--role", "strong")
    stances: dict[str, set[tuple[str, str]]] = {"A": set(), "B": set()}
    for row in rows:
        brief = row["prompt"][0]["content"]
        stances["A" if 'argues="A"' in brief else "B"].add(pair(row))
    assert all(chosen < rejected for chosen, rejected in stances["A"])
    assert all(chosen > rejected for chosen, rejected in stances["B"])
    # Repeats draw an order of answers of their own, so that not all of three meet.
    assert stances["A"]
    assert stances["B"]
    said = {brief for row in rows for brief in [json.dumps(row["prompt"])]}
    assert len(said) == len(rows)


@pytest.mark.long
def test_where_nothing_was_chosen_from_there_is_no_pair_and_the_way_to_some_is_told(debates: Made) -> None:
    ran = here("export", debates.run, "--format", "preferences", "--store", debates.folder / "store")
    assert (ran.code, ran.out) == (0, "")
    assert "best_of" in ran.err
    assert "--repeat" in ran.err


# --- filters that fit nothing


@pytest.mark.long
def test_filters_that_fit_nothing_are_refused(debates: Made, tmp_path: Path) -> None:
    def complaint(form: str, *more: object) -> str:
        return here("export", debates.run, "--format", form, "--store", debates.folder / "store", *more).complaint()

    assert "there are judge, strong" in complaint("sft", "--role", "stron")
    assert "--role is for" in complaint("episodes", "--role", "strong")
    assert "--won is for sft" in complaint("preferences", "--won")
    assert "--by is for step labels" in complaint("sft", "--by", "hazel-otter-4711")
    assert "not Parquet" in complaint("prm800k", "--output", tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


# --- Parquet


def as_json(value: Any, like: Any) -> Any:
    """A value that was read from Parquet as JSON lines have it."""
    if isinstance(value, datetime):
        return datetime.fromisoformat(like) == value and like
    if isinstance(like, dict) and isinstance(value, str):
        return json.loads(value)
    if isinstance(like, dict):
        assert value.keys() == like.keys()
        return {name: as_json(value[name], like[name]) for name in like}
    if isinstance(like, list):
        assert len(value) == len(like)
        return [as_json(*each) for each in zip(value, like, strict=True)]
    return value


@pytest.mark.long
@pytest.mark.parametrize("form", ["episodes", "sft"])
def test_parquet_holds_what_json_lines_do(debates: Made, tmp_path: Path, form: str) -> None:
    target = tmp_path / "rows.parquet"
    made = here("export", debates.run, "--format", form, "--store", debates.folder / "store", "--output", target)
    assert (made.code, made.out) == (0, "")
    assert as_json(pq.read_table(target).to_pylist(), rows := debates.export(form)) == rows


@pytest.mark.long
def test_pairs_are_parquet_too(tmp_path: Path) -> None:
    made = make(tmp_path, f"consultancy: {{rounds: 1}}, models: {{strong: {BEST}}}")
    made.export("preferences", "--output", tmp_path / "pairs.parquet")
    assert pq.read_table(tmp_path / "pairs.parquet").to_pylist() == made.export("preferences")
