"""Chat rows: the same bytes for the same rows, the documented form, and every rule that a provider has for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oversight.core.chat import ChatMessage
from oversight.errors import UsageError
from oversight.models.chat_rows import ChatRow, problems, read_rows, write_rows

PROMPT = (ChatMessage("system", "You judge."), ChatMessage("user", "Which?\nA) this\nB) that"))
NASTY = '\x85 \u2028 \u2029 é 漢 🙂 "quoted" \\ </tag>\r\n\ttab \x00'


def rows(count: int = 10) -> list[ChatRow]:
    return [ChatRow.of(PROMPT, f"answer {number}") for number in range(count)]


def test_a_row_is_the_documented_object_and_nothing_else() -> None:
    assert json.loads(ChatRow.of(PROMPT, "A").to_json()) == {
        "messages": [
            {"role": "system", "content": "You judge."},
            {"role": "user", "content": "Which?\nA) this\nB) that"},
            {"role": "assistant", "content": "A"},
        ]
    }


def test_rows_come_back_and_are_written_again_byte_for_byte(tmp_path: Path) -> None:
    before = [*rows(), ChatRow.of((ChatMessage("user", NASTY),), NASTY)]
    digest = write_rows(tmp_path / "new folder" / "a.jsonl", before)
    content = (tmp_path / "new folder" / "a.jsonl").read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    assert content.count(b"\n") == len(content.decode().splitlines()) == len(before), "whoever splits it"
    assert "漢 🙂" in content.decode()

    again = read_rows(tmp_path / "new folder" / "a.jsonl")
    assert list(again) == before
    assert write_rows(tmp_path / "b.jsonl", again) == digest
    assert (tmp_path / "b.jsonl").read_bytes() == content


@given(st.text(), st.text())
def test_any_text_is_a_row_that_comes_back_or_is_refused(asked: str, said: str) -> None:
    try:
        row = ChatRow.of((ChatMessage("user", asked),), said)
    except ValueError:
        assert not asked.strip() or not said.strip()
    else:
        assert json.loads(row.to_json())["messages"][1]["content"] == said
        assert len(row.to_json().splitlines()) == 1


@pytest.mark.parametrize(
    ("prompt", "reply", "word"),
    [
        ((ChatMessage("user", " "),), "A", "user message is empty"),
        (PROMPT, "", "assistant message is empty"),
        ((ChatMessage("judge", "x"),), "A", "no role 'judge'"),
        ((ChatMessage("user", "half a pair: \ud83d"),), "A", "not valid Unicode"),
    ],
)
def test_what_is_no_lesson_is_no_row_and_is_not_repeated(
    prompt: tuple[ChatMessage, ...], reply: str, word: str
) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        ChatRow.of(prompt, reply)
    assert "half a pair" not in str(caught.value)


def test_a_row_ends_with_the_assistant() -> None:
    for messages in ((), PROMPT):
        with pytest.raises(ValueError, match="last message"):
            ChatRow(messages=messages)


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_rows(path, rows())
    before = path.read_bytes()

    def broken() -> Iterator[ChatRow]:
        yield rows()[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_rows(path, broken())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{", "not valid JSON"),
        ("[]", "not of the form"),
        ('{"messages": [], "extra": 1}', "not of the form"),
        ('{"messages": [{"role": "assistant", "content": "x", "name": "n"}]}', "a role and a content"),
        ('{"messages": [{"role": "assistant", "content": 3}]}', "valid string"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "last message"),
    ],
)
def test_reading_says_which_line_is_no_row(tmp_path: Path, line: str, word: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{rows()[0].to_json()}\n{line}\n")
    with pytest.raises(UsageError, match=rf"rows\.jsonl, line 2: .*{word}"):
        read_rows(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_rows(tmp_path / "none.jsonl")


def line(*messages: Any, **more: Any) -> str:
    return json.dumps({"messages": list(messages), **more})


USER = {"role": "user", "content": "x"}
ASSISTANT = {"role": "assistant", "content": "y"}


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ('"text"', "an example is a JSON object"),
        ('{"prompt": "x", "completion": "y"}', "unknown key 'completion'"),
        ('{"messages": "hello"}', "'messages' must be a list"),
        ('{"messages": []}', "'messages' must be a list"),
        (line("hello", ASSISTANT), "message 1: a message is a JSON object"),
        (line(USER, {**ASSISTANT, "mood": "good"}), "message 2: unknown key 'mood'"),
        (line({"role": "judge", "content": "x"}, ASSISTANT), 'message 1: there is no role "judge"'),
        (line({"role": ["user"], "content": "x"}, ASSISTANT), "message 1: there is no role"),
        (line({"role": "user"}, ASSISTANT), "message 1: 'content' must be"),
        (line({"role": "user", "content": 3}, ASSISTANT), "message 1: 'content' must be"),
        (line({"role": "user", "content": " "}, ASSISTANT), "message 1: 'content' must be"),
        (line({"role": "user", "content": "\ud83d"}, ASSISTANT), "message 1: 'content' must be"),
        (line(USER), "no message is the assistant's"),
        (line(ASSISTANT, USER), "the last message must be the assistant's"),
        (line({"role": "user", "content": "word " * 60_000}, ASSISTANT), "tokens; beyond 65,536"),
    ],
)
def test_each_of_openais_rules_is_checked_and_the_line_is_named(tmp_path: Path, bad: str, word: str) -> None:
    """The rules' sources are named in `problems`."""
    lines = [row.to_json() for row in rows()]
    lines[3] = bad
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n")
    found = problems(path)
    assert found
    assert all(each.startswith("line 4: ") for each in found)
    assert any(word in each for each in found)


def test_a_file_must_be_there_and_hold_ten_examples(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_rows(path, rows(9))
    assert problems(path) == ["there are 9 examples; at least 10 are needed"]
    write_rows(path, rows(0))
    assert problems(path) == ["there are 0 examples; at least 10 are needed"]
    write_rows(path, rows(10))
    assert problems(path) == []
    [missing] = problems(tmp_path / "none.jsonl")
    assert "cannot be read" in missing
    path.write_bytes(b"\xff\xfe" + path.read_bytes())
    assert "line 1: not valid JSON in UTF-8" in problems(path)[0]


def test_what_openai_knows_beyond_our_rows_is_no_problem(tmp_path: Path) -> None:
    called = {"role": "assistant", "tool_calls": [{"id": "c1"}], "content": None}
    told = {"role": "tool", "tool_call_id": "c1", "content": "42"}
    path = tmp_path / "rows.jsonl"
    path.write_text((line(USER, called, told, {**ASSISTANT, "weight": 1}, tools=[]) + "\n") * 10)
    assert problems(path) == []


def test_the_file_loads_in_the_format_that_trl_documents(tmp_path: Path) -> None:
    """TRL's "conversational language modeling" type: a column ``messages``, a list of ``role`` and ``content``.

    Source: https://huggingface.co/docs/trl/dataset_formats and https://huggingface.co/docs/trl/sft_trainer
    ("Expected dataset type and format"), where it is
    ``{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}``; the features are
    those of TRL's own sets of that type (trl-lib/Capybara). TRL itself is not installed: what `SFTTrainer` reads
    is what `datasets` loads.
    """
    datasets = pytest.importorskip("datasets")
    path = tmp_path / "rows.jsonl"
    written = [*rows(), ChatRow.of((ChatMessage("user", NASTY),), NASTY)]
    write_rows(path, written)
    loaded = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == ["messages"]
    text = datasets.Value("string")
    assert loaded.features == datasets.Features({"messages": datasets.List({"role": text, "content": text})})
    for row, example in zip(written, loaded, strict=True):
        assert example["messages"] == [message._asdict() for message in row.messages]
    assert {message["role"] for example in loaded for message in example["messages"]} <= {"system", "user", "assistant"}
    assert all(example["messages"][-1]["role"] == "assistant" for example in loaded)
