"""A debater can say nothing to a model judge that a person who reads the transcript does not see."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from cli.running import here

from dashboard import hostile
from dashboard.browsing import boxes, kinds, opened, said, texts
from dashboard.conftest import watch

UNSEEN = re.compile(r"([\d,]+) invisible characters?")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("invisible") / "store"
    hostile.write(directory)
    return directory


def hidden(text: str) -> int:
    """How many characters of the corpus's attacks have no look of their own."""
    plain = {"\n", "\t"}
    odd = [each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp") and each not in plain]
    return len(odd) + text.count("a\ufe0f")


def is_seen(text: str) -> bool:
    return hidden(text) == 0


@pytest.mark.parametrize("episode", [hostile.SPOKEN, hostile.WORKED, hostile.FAILED])
def test_the_dashboard_marks_and_counts_them(store: Path, episode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(store, monkeypatch)
    at = opened("transcripts", episode=episode)
    assert is_seen(said(at))
    count = hidden(hostile.EVERYTHING)
    assert count > 10
    notes = [text for box in kinds(boxes(at), "unseen") for text in texts(box["p"])]
    assert f"{count} invisible characters" in notes
    for turn in kinds(boxes(at), "turn"):
        (body, *_) = kinds(turn["p"], "body")
        marks = sum(text.count("\N{REPLACEMENT CHARACTER}") for text in texts(body["p"]))
        told = [int(UNSEEN.fullmatch(text)[1]) for box in kinds(body["p"], "unseen") for text in texts(box["p"])]  # type: ignore[index]
        assert told == ([marks] if marks else [])


@pytest.mark.parametrize("options", [(), ("--prompts", "--reasoning")])
@pytest.mark.parametrize("episode", [hostile.SPOKEN, hostile.WORKED])
def test_show_marks_and_counts_them(store: Path, episode: str, options: tuple[str, ...]) -> None:
    shown = here("show", episode, "--store", store, *options)
    assert shown.code == 0, shown.err
    assert is_seen(shown.out)
    assert f"[{hidden(hostile.EVERYTHING)} invisible characters]" in shown.out
