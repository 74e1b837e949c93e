"""The rows of a round: what was amplified, in one file that is whole or not there."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from oversight.errors import UsageError
from oversight.training.embedded.factored_task import Tokens

__all__ = ["Rows", "check_key", "read_rows", "write_rows"]

_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


class Rows(NamedTuple):
    """Questions about instances, with the answers to learn."""

    facts: Tokens
    """(B, F, slots)"""
    questions: Tokens
    """(B, Q, slots)"""
    targets: Tokens
    """(B, Q)"""
    summary: dict[str, Any]
    """What is told of them; JSON-serialisable."""


def write_rows(path: Path, key: str, rows: Rows) -> None:
    """Write rows under a key that stands for everything which determined them."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file,
            facts=rows.facts,
            questions=rows.questions,
            targets=rows.targets,
            notes=np.array(json.dumps({"key": key, "summary": rows.summary})),
        )
    os.replace(temporary, path)


def read_rows(path: Path, key: str) -> Rows | None:
    """The rows of a file, or None if there is no whole file.

    Raises:
        UsageError: they were written under another key.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            notes = json.loads(str(file["notes"]))
            rows = Rows(file["facts"], file["questions"], file["targets"], notes["summary"])
    except _UNREADABLE:
        return None
    check_key(path, notes["key"], key)
    return rows


def check_key(path: Path, found: str, key: str) -> None:
    """Refuse a file that other settings made.

    Raises:
        UsageError: the keys differ.
    """
    if found != key:
        raise UsageError(
            f"{path} was made with another task, seed or settings: give this experiment a folder of its own"
        )
