"""BoolQ: yes-or-no questions about a passage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oversight.tasks.boolq import BoolQ
from tasks.reading import complaint, items, jsonl, record, right


def test_questions_become_sentences_and_passages_clusters(tmp_path: Path) -> None:
    records = [
        record(BoolQ, question="is the sea salt", answer=True),
        record(BoolQ, question="Écluse: is it a lock ?", answer=False),
        record(BoolQ, question="is it deep??", passage="Another one."),
    ]
    first, second, third = items(BoolQ, path=jsonl(tmp_path / "dev.jsonl", records))
    prompts = [item.question.prompt for item in (first, second, third)]
    assert prompts == ["Is the sea salt?", "Écluse: is it a lock?", "Is it deep?"]
    assert [right(item) for item in (first, second)] == ["Yes", "No"]
    assert first.question.material == record(BoolQ)["passage"]
    assert first.question.cluster == second.question.cluster != third.question.cluster


def test_the_id_and_the_answers_do_not_depend_on_which_is_right(tmp_path: Path) -> None:
    (yes,) = items(BoolQ, path=jsonl(tmp_path / "y.jsonl", [record(BoolQ, answer=True)]))
    (no,) = items(BoolQ, path=jsonl(tmp_path / "n.jsonl", [record(BoolQ, answer=False)]))
    assert yes.question == no.question
    assert yes.gold != no.gold


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"answer": "true"}, "dev.jsonl:1: answer: Input should be a valid boolean"),
        ({"question": "  "}, "field 'question' is blank"),
        ({"passage": ""}, "field 'passage' is blank"),
        ({"passage": None, "pasage": "x"}, "there is no field 'passage' - did you mean 'pasage'?"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert said in complaint(BoolQ, path=jsonl(tmp_path / "dev.jsonl", [record(BoolQ, **changes)]))
