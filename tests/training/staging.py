"""An iterated experiment on a loopback server, and what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from cli.running import Ran, here
from execution.staging import rows

from oversight.prompting.markup import find, unescape
from oversight.testing.loopback import Reply, default_responder

__all__ = [
    "COST",
    "HELD",
    "TRAIN",
    "Calls",
    "Dividing",
    "command",
    "distilled",
    "lay_out",
    "lay_out_files",
    "questions",
    "rounds",
    "scores",
]

Row = Mapping[str, Any]

COST = 0.25  # exact in binary, so that sums are

MODELS = f'''\
"""Models that answer by the hash of what they read, keep a list of it, and fail or never answer as told."""

import asyncio
import hashlib
import json
import os
import re

from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply


def told(what):
    return os.environ.get(f"OVERSIGHT_TEST_{{what}}")


class X0(ChatModel):
    """The first of several."""

    async def chat(self, request):
        with open(told("CALLS"), "a") as calls:
            calls.write(json.dumps([type(self).__name__, request.messages, request.sample, request.seat]) + "\\n")
        if told("HANG") and re.match(told("HANG"), f"{{type(self).__name__}} {{request.messages}}"):
            await asyncio.Event().wait()
        read = request.messages[0].content
        if told("FAIL") and told("FAIL") in read:
            raise CallFailed(FailureClass.REFUSED, "failing as told")
        drawn = hashlib.sha256(repr((type(self).__name__, request.messages)).encode())
        text, probs = f"It is {{drawn.hexdigest()}}.", None
        if request.choices:
            share = drawn.digest()[0] / 255
            probs = dict(zip(request.choices, (share, 1 - share)))
            text = max(probs, key=probs.get)
        elif request.json_schema is not None:
            asked = hashlib.sha256(read.encode()).hexdigest()
            first = "What ink is it?" if "training note 0 " in read else f"What is {{asked}}?"
            text = json.dumps({{"questions": [first, f"Whose is {{asked}}?"]}})
        return ChatReply(text=text, choice_probs=probs, model="file", provider="test", cost_usd={COST})


class X1(X0):
    """The second."""


class X2(X0):
    """The third."""


class Ceiling(X0):
    """Another."""


class Overseer(X0):
    """Divides in two."""
'''


def questions(count: int, what: str, first: int = 0) -> list[dict[str, Any]]:
    """Questions about notes, whose answers alternate."""
    return [
        {
            "id": f"{what}-{n}",
            "prompt": f"What does {what} note {n} name?",
            "answers": ["the mill", "the harbour"],
            "gold": n % 2,
            "material": f"{what.capitalize()} note {n}. The second paragraph settles it.",
        }
        for n in range(first, first + count)
    ]


TRAIN, HELD = questions(10, "training"), questions(4, "other")
"""Ten, because a fine-tuning file has at least ten rows, and a ceiling's has one for each question."""


class Dividing:
    """Divides questions in two, or as its table says, and is otherwise the server's usual responder.

    Args:
        table: what some questions are divided into.
        replies: what is said instead to requests whose last message holds a text.
    """

    def __init__(
        self, table: Mapping[str, Sequence[str]] | None = None, replies: Mapping[str, str | Reply] | None = None
    ) -> None:
        self.table = dict(table or {})
        self.replies = dict(replies or {})

    def __call__(self, body: Mapping[str, Any]) -> Reply | str:
        last = body["messages"][-1]["content"]
        for text, reply in self.replies.items():
            if text in last:
                return reply
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
        if "questions" in schema.get("properties", {}):
            asked = question_of(body)
            return json.dumps({"questions": self.table.get(asked, [f"Who wrote of “{asked}”?", f"When, “{asked}”?"])})
        return default_responder(body)


def question_of(body: Mapping[str, Any]) -> str:
    """The question of the node that a seat works on, without its answers."""
    content = find("question", body["messages"][0]["content"])[0].content
    return unescape(content.partition("<answer")[0].strip())


def lay_out(
    folder: Path,
    api_base: str,
    *,
    train: Sequence[Row] = TRAIN,
    held: Sequence[Row] = HELD,
    distil: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    models: Mapping[str, Any] | None = None,
    overseer: Mapping[str, Any] | None = None,
    strong: Mapping[str, Any] | None = None,
    iterate: Mapping[str, Any] | None = None,
    **more: Any,
) -> Path:
    """Write an iterated experiment of one round with its questions; return the experiment file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, those in (("train", train), ("held", held)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in those))
    model = {"api_base": api_base, "timeout": 20}
    data = {
        "name": "ida",
        "models": {
            "overseer": {"model": "openai/gpt-4o-mini", **model, **(overseer or {})},
            "strong": {"model": "openai/gpt-4o", **model, **(strong or {})},
            **(models or {}),
        },
        "protocols": [{"amplification": {"depth": 1, "breadth": 2, **(options or {})}}],
        "iterate": {
            "rounds": 1,
            "train": {"name": "table", "path": "train.jsonl"},
            "evaluate": {"name": "table", "path": "held.jsonl"},
            "distil": {"method": "openai", "poll_s": 0.02, **(distil or {})},
            **(iterate or {}),
        },
        **more,
    }
    path = folder / "e.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def lay_out_files(folder: Path, *, distil: Mapping[str, Any] | None = None, **more: Any) -> Path:
    """As `lay_out`, with models from a file, the trained ones named beforehand."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(MODELS)
    usual = {"overseer": {"model": "./model.py:Overseer"}, "strong": {"model": "./model.py:X0"}}
    bound = {**usual, **more.pop("models", {})}
    path = lay_out(folder, "", **more)
    data = yaml.safe_load(path.read_text())
    data["models"] = bound
    data["iterate"]["distil"] = distil or {"method": "export", "models": ["./model.py:X1", "./model.py:X2"]}
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


class Calls:
    """What the models of `lay_out_files` were asked: each the model's class, messages, sample and seat."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        return len(self.path.read_text().splitlines()) if self.path.exists() else 0

    def __iter__(self) -> Iterator[list[Any]]:
        return map(json.loads, self.path.read_text().splitlines() if self.path.exists() else ())


def command(experiment: Path, *options: object) -> Ran:
    """Run an experiment in this process, into ``store`` beside it."""
    return here("run", experiment, "--engine", "local", "--store", experiment.parent / "store", *options)


def distilled(store: Path, round: int = 1, name: str = "round-{:03}.jsonl") -> bytes:
    """The rows of a round, as they were written."""
    (path,) = store.glob(f"rounds/*/{name.format(round)}")
    return path.read_bytes()


def rounds(store: Path) -> dict[tuple[int, str], dict[str, Any]]:
    """What is stored of each phase."""
    found = rows(store, "SELECT round, phase, data FROM rounds ORDER BY ended_at")
    assert len({(row["round"], row["phase"]) for row in found}) == len(found)
    return {(row["round"], row["phase"]): json.loads(row["data"]) for row in found}


def scores(store: Path) -> list[dict[str, Any]]:
    """Every score, without its time."""
    return rows(store, "SELECT round, who, part, correct, n FROM round_scores ORDER BY ALL")
