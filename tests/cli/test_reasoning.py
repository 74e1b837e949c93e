"""What models reason for themselves, what a token limit cut off, and unknown counts, from run to export."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from cli.running import Ran, here
from cli.test_reading import controls
from oversight.core.judge_view import judge_view
from oversight.core.message import Kind, Message, chat_history, visible_to
from oversight.judging.transcript_view import transcript_view
from oversight.reports.conversations import conversation_rows
from oversight.store import Store, open_store

PLUGINS = '''\
"""Debaters and a judge who reason before they speak; one debater runs into a token limit."""

from oversight import Answer, Item, Question
from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply
from oversight.tasks.task import Task


class Rooms(Task):
    """Two questions."""

    name = "rooms"

    def items(self, seed):
        for number in range(2):
            answers = (Answer(text="yes"), Answer(text="no"))
            question = Question(id=f"r{number}", prompt=f"Is room {number} empty?", answers=answers, material="Dust.")
            yield Item(question=question, gold=number % 2)


class Thinker(ChatModel):
    """Reasons, and says a sentence and a half."""

    async def chat(self, request):
        cut = request.seat == "debater_a" and not request.json_schema
        said = f"{request.seat} says so. And then it" if cut else f"{request.seat} says so."
        if request.json_schema:
            said = '{"A": 0.7, "B": 0.3, "abstain": false}'
        return ChatReply(
            text=said,
            finish_reason="length" if cut else "stop",
            model="thinker",
            provider="test",
            prompt_tokens=None if cut else 11,
            completion_tokens=5,
            thought=f"CANARY-{request.seat} \\x1b[31m[bold]hm[/bold] <quote>Dust</quote>\\nand so on",
        )
'''

EXPERIMENT = """\
name: thoughts
task: {name: ./plugins.py:Rooms}
models:
  judge: {model: ./plugins.py:Thinker, belief: stated}
  strong: {model: ./plugins.py:Thinker}
protocols:
  - debate: {rounds: 2, turns: sequential, beliefs: true, word_limit: 50}
"""


class Thoughts(NamedTuple):
    """A finished run of debates by models that reason."""

    directory: Path
    run: str

    @property
    def store(self) -> Store:
        return open_store(self.directory)

    @property
    def episode(self) -> str:
        return str(self.store.sql("SELECT min(episode_id) AS id FROM episodes")["id"].iloc[0])

    def export(self, form: str) -> str:
        ran = here("export", self.run, "--format", form, "--store", self.directory)
        assert ran.code == 0, ran
        return ran.out

    def show(self, *options: str) -> Ran:
        return here("show", self.episode, "--store", self.directory, *options)

    def report(self, *options: str) -> Ran:
        return here("report", "--store", self.directory, *options)


def make(folder: Path, plugins: str = PLUGINS) -> Thoughts:
    """Run the experiment in a folder."""
    (folder / "plugins.py").write_text(plugins)
    (folder / "e.yaml").write_text(EXPERIMENT)
    ran = here("run", folder / "e.yaml", "--engine", "local", "--store", folder / "store")
    assert ran.code == 0, ran
    return Thoughts(folder / "store", str(open_store(folder / "store").sql("SELECT run_id FROM runs")["run_id"][0]))


@pytest.fixture(scope="module")
def thoughts(tmp_path_factory: pytest.TempPathFactory) -> Thoughts:
    return make(tmp_path_factory.mktemp("thoughts"))


def test_a_transcript_has_one_line_for_what_a_model_reasoned_unless_it_is_asked_for(thoughts: Thoughts) -> None:
    folded, prompts, whole = thoughts.show(), thoughts.show("--prompts"), thoughts.show("--reasoning")
    for ran in (folded, prompts):
        assert "CANARY" not in ran.out
        assert ran.out.count("reasoning of debater_a, turn 1 (6 words; --reasoning shows it)") == 1
        assert ran.out.index("reasoning of debater_a, turn 1") < ran.out.index("debater_a says so.")
    assert whole.out.count("CANARY-debater_a ") == 2
    assert "reasoning of debater_a, turn 1, which no seat reads" in whole.out
    assert "[bold]hm[/bold]" in whole.out
    assert "--reasoning shows it" not in whole.out
    assert not controls(whole.out)


def test_a_transcript_marks_what_a_token_limit_cut_off(thoughts: Thoughts) -> None:
    out = thoughts.show().out
    assert "And then" not in out
    assert out.count("[cut off by a token limit; 3 words were left out]") == 2


@pytest.mark.long
def test_no_view_of_any_seat_and_nobody_who_judges_again_gets_reasoning(thoughts: Thoughts) -> None:
    transcript = thoughts.store.transcript(thoughts.episode)
    reasoning = [message for message in transcript.messages if message.kind is Kind.REASONING]
    assert {message.author for message in reasoning} == {"debater_a", "debater_b", "judge"}
    assert len(transcript.reasoned) == len(reasoning)
    for seat in ("debater_a", "debater_b", "judge"):
        assert all(message.kind is not Kind.REASONING for message in visible_to(seat, transcript.messages))
        assert "CANARY" not in "".join(part.content for part in chat_history(seat, transcript.messages))
    heard = judge_view(transcript.messages)
    assert heard.asked is not None
    assert all(message.kind is not Kind.REASONING for message in heard.messages)
    assert "CANARY" not in transcript_view(transcript).model_dump_json()
    # Nor do they miss anything else for it.
    without = [message for message in transcript.messages if message.kind is not Kind.REASONING]
    assert heard == judge_view(without)


@pytest.mark.long
def test_exports_of_speech_have_no_reasoning_and_the_episodes_have_it_with_its_kind(
    thoughts: Thoughts, tmp_path: Path
) -> None:
    for form in ("sft", "preferences"):
        assert "CANARY" not in thoughts.export(form)
    chats = [json.loads(line)["messages"] for line in thoughts.export("sft").splitlines()]
    assert len(chats) == 4 * 3
    assert all(chat[-1]["role"] == "assistant" for chat in chats)
    rows = [json.loads(line) for line in thoughts.export("episodes").splitlines()]
    file = tmp_path / "episodes.parquet"
    ran = here("export", thoughts.run, "--format", "episodes", "--store", thoughts.directory, "--output", file)
    assert ran.code == 0, ran
    for row, same in zip(rows, pq.read_table(file).to_pylist(), strict=True):
        told = [message for message in row["messages"] if "CANARY" in message["text"]]
        assert len(told) == 4 + 2 + 1
        assert {(message["kind"], tuple(message["audience"])) for message in told} == {("reasoning", ())}
        assert [m["text"] for m in row["messages"] if m["truncated"]] == ["debater_a says so."] * 2
        assert {call["prompt_tokens"] for call in row["calls"]} == {None, 11}
        assert [(m["kind"], m["truncated"]) for m in same["messages"]] == [
            (m["kind"], m["truncated"]) for m in row["messages"]
        ]
        assert [call["prompt_tokens"] for call in same["calls"]] == [call["prompt_tokens"] for call in row["calls"]]


@pytest.mark.long
def test_a_chat_ends_with_the_last_reply_and_not_with_what_was_reasoned_after_it(thoughts: Thoughts) -> None:
    transcript = thoughts.store.transcript(thoughts.episode)
    late = [
        Message(author=seat, audience=(), kind=Kind.REASONING, text="CANARY")
        for seat in ("debater_a", "judge", "extra")
    ]
    longer = transcript.outcome.model_copy(update={"messages": (*transcript.messages, *late)})
    found, expected = (
        list(conversation_rows(each, None, won=False))
        for each in (transcript.model_copy(update={"outcome": longer}), transcript)
    )
    assert found == expected
    assert len(expected) == 3


@pytest.mark.long
def test_what_was_exported_can_be_imported_with_its_reasoning(thoughts: Thoughts, tmp_path: Path) -> None:
    (row, *_) = [json.loads(line) for line in thoughts.export("episodes").splitlines()]
    line: dict[str, Any] = {
        "id": row["episode"],
        "question": row["spec"]["question"]["prompt"],
        "answers": [answer["text"] for answer in row["spec"]["question"]["answers"]],
        "gold": row["gold"],
        "material": row["spec"]["question"]["material"],
        "protocol": "debate",
        "messages": [
            {"author": m["author"], "text": m["text"], "kind": m["kind"], "turn": m["turn"], "to": m["audience"]}
            for m in row["messages"]
            if m["kind"] in ("speech", "reasoning")
        ],
        "verdict": {"probs": row["verdict"]["probs"]},
    }
    (tmp_path / "again.jsonl").write_text(json.dumps(line))
    ran = here("import", "jsonl", tmp_path / "again.jsonl", "--store", tmp_path / "store")
    assert ran.code == 0, ran
    store = open_store(tmp_path / "store")
    transcript = store.transcript(str(store.sql("SELECT episode_id AS id FROM episodes")["id"][0]))
    found = [m.text for m in transcript.messages if m.kind is Kind.REASONING]
    assert found == [m["text"] for m in row["messages"] if m["kind"] == "reasoning"]
    assert "CANARY" not in transcript_view(transcript).model_dump_json()
    shown = here("show", transcript.spec.episode_id, "--store", tmp_path / "store")
    assert "reasoning of debater_a, turn 1 (6 words" in shown.out


@pytest.mark.long
def test_the_report_says_which_side_was_cut_off_and_what_is_unknown(thoughts: Thoughts) -> None:
    (row,) = thoughts.report("--format", "json").rows
    # Debater_a argues the right answer in half of the episodes, and speaks twice in each.
    assert row["truncated"] == {"dishonest": 4, "honest": 4}
    assert row["prompt_tokens"] is row["cached_share"] is row["label_mass"] is None
    assert row["completion_tokens"] == 5 * row["calls"] == 5 * 4 * 7
    by_seat = {row["honest"]: row["truncated"] for row in thoughts.report("--by", "honest", "--format", "json").rows}
    assert by_seat == {"debater_a": {"honest": 4}, "debater_b": {"dishonest": 4}}
    (cells,) = csv.DictReader(io.StringIO(thoughts.report("--format", "csv").out))
    assert (json.loads(cells["truncated"]), cells["prompt_tokens"], cells["completion_tokens"]) == (
        row["truncated"],
        "",
        str(row["completion_tokens"]),
    )
    out = thoughts.report().out
    assert "Texts that a token limit cut off, kept up to their last whole sentence, by side." in out
    _, rule, *rows = out[out.index(" arm      side") :].splitlines()
    assert set(rule) <= {" ", "─"}
    assert [line.split() for line in rows[:2]] == [["debate", "dishonest", "4", "2"], ["debate", "honest", "4", "2"]]
    assert "answers' labels" not in out
