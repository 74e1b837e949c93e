"""Which answer a table's gold column means, and when that is not clear enough to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.reading import ROW, bad, one, right

CLEAR = [
    (0, ["a", "b"], "a"),
    (1, ["a", "b"], "b"),
    ("b", ["a", "b"], "b"),
    ("B", ["x", "y"], "y"),
    (" c ", ["x", "y", "z"], "z"),
    (7, [5, 7], "7"),
    ("7", [5, 7], "7"),
    (1, ["0", "1"], "1"),
    ("B", ["A", "B"], "B"),
    (True, [False, True], "true"),
    (0.5, [0.5, 1.5], "0.5"),
]


@pytest.mark.parametrize(("gold", "answers", "text"), CLEAR)
def test_a_clear_gold(tmp_path: Path, gold: object, answers: list[object], text: str) -> None:
    assert right(one(tmp_path, {**ROW, "answers": answers, "gold": gold})) == text


UNCLEAR = [
    (1, ["1", "0"], "could be a text or a place"),
    ("A", ["B", "A"], "could be a text or a letter"),
    ("1", ["x", "y"], "'gold_is: number'"),
    (2, ["x", "y"], "'gold_is: number' counts from 1"),
    (-1, ["x", "y"], "gold is -1"),
    ("C", ["x", "y"], "not one of the answers"),
    (True, ["x", "y"], "not one of the answers"),
    (1.0, ["x", "y"], "not one of the answers"),
    ("", ["x", "y"], "blank"),
    (None, ["x", "y"], "blank"),
    (["x"], ["x", "y"], "holds a list where a text belongs"),
]


@pytest.mark.parametrize(("gold", "answers", "words"), UNCLEAR)
def test_an_unclear_gold_is_refused(tmp_path: Path, gold: object, answers: list[object], words: str) -> None:
    assert words in bad(tmp_path, {**ROW, "answers": answers, "gold": gold})


SAID = [
    ("place", 1, ["1", "0"], "0"),
    ("place", "1", ["1", "0"], "0"),
    ("number", 1, ["2", "1"], "2"),
    ("number", "2", ["2", "1"], "1"),
    ("letter", "A", ["B", "A"], "B"),
    ("letter", "b", ["B", "A"], "A"),
    ("text", "A", ["B", "A"], "A"),
    ("text", 0, [1, 0], "0"),
]


@pytest.mark.parametrize(("gold_is", "gold", "answers", "text"), SAID)
def test_what_gold_is_can_be_said(tmp_path: Path, gold_is: str, gold: object, answers: Any, text: str) -> None:
    assert right(one(tmp_path, {**ROW, "answers": answers, "gold": gold}, gold_is=gold_is)) == text


@pytest.mark.parametrize(
    ("gold_is", "gold"), [("place", 3), ("place", -1), ("place", "a"), ("number", 0), ("letter", "D"), ("text", "A")]
)
def test_a_gold_that_is_not_what_was_said(tmp_path: Path, gold_is: str, gold: object) -> None:
    assert "gold" in bad(tmp_path, {**ROW, "gold": gold}, gold_is=gold_is)


def test_two_answers_of_one_text_have_no_gold_by_text(tmp_path: Path) -> None:
    twice = [{"text": "4", "solution": "2+2"}, {"text": "4", "solution": "2*2"}]
    assert "more than one" in bad(tmp_path, {**ROW, "answers": twice, "gold": "4"})
    assert one(tmp_path, {**ROW, "answers": twice, "gold": 1}).gold == 1
