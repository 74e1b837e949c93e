"""Lines to import, and the stores they become."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from oversight.errors import UsageError
from oversight.importers.import_run import ImportResult, import_transcripts
from oversight.importers.jsonl import JsonLines
from oversight.store import Store, Transcript, open_store

JSONL = "oversight.importers.jsonl:JsonLines"
NYU2023 = "oversight.importers.nyu2023_debates:Nyu2023Rooms"

STORY = "Ann let the boat go. Ben slept until noon."


def line(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A debate, whole and right; a change to None leaves a field out."""
    fields = {
        "id": f"t{number}",
        "question": "Who let the boat go?",
        "answers": ["Ben", "Ann"],
        "gold": "Ann",
        "material": STORY,
        "protocol": "debate",
        "judge": "gpt-4",
        "strong": "claude",
        "sides": {"alice": 0, "bob": "Ann"},
        "messages": [
            {"author": "alice", "text": "Ben did: <quote>Ben rowed</quote>", "turn": 0, "together": 0},
            {"author": "bob", "text": "Ann let the boat go.", "turn": 0, "together": 0, "quotes": ["Ann let the boat"]},
        ],
        "beliefs": [{"probs": [0.5, 0.5]}, {"turn": 0, "probs": [0.4, 0.6]}],
        "verdict": {"probs": [0.25, 0.75], "source": "logprob"},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def written(folder: Path, lines: Iterable[object], name: str = "published.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return folder / name


def brought(folder: Path, *lines: object, everything: bool = False, **options: Any) -> tuple[Store, ImportResult]:
    """A store with these lines imported."""
    path = written(folder, lines)
    done = import_transcripts(JsonLines(JsonLines.Options(**options)), path, folder / "store", everything=everything)
    return open_store(folder / "store"), done


def only(store: Store) -> Transcript:
    (episode,) = store.arrow("SELECT episode_id FROM episodes")["episode_id"].to_pylist()
    return store.transcript(str(episode))


def refused(folder: Path, *lines: object) -> str:
    """What is said of lines that cannot be imported, without their place; and nothing was written."""
    path = written(folder, lines)
    with pytest.raises(UsageError) as caught:
        import_transcripts(JsonLines(), path, folder / "store")
    said = str(caught.value)
    assert "\n" not in said
    assert not (folder / "store").exists()
    assert said.startswith(f"{path}:"), said
    return said.removeprefix(f"{path}:")


TABLES = ("runs", "plan", "questions", "episodes", "messages", "beliefs", "calls", "annotations", "judgements")


def content(store: Store) -> dict[str, list[str]]:
    """Everything stored, but for when the import ran."""
    return {
        table: sorted(
            json.dumps({k: v for k, v in row.items() if k != "created_at"}, default=str, sort_keys=True)
            for row in store.arrow(f"SELECT * FROM {table}").to_pylist()
        )
        for table in TABLES
    }
