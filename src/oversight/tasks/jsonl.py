"""Questions from a JSON-lines file of the user's."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

from pydantic import Field, ValidationError

from oversight.errors import UsageError
from oversight.question import Answer, Item, Question
from oversight.registry import nearest
from oversight.tasks.base import InputPath, Task

__all__ = ["Jsonl"]


class Jsonl(Task):
    """Questions from a JSON-lines file, one object per line; options name the fields.

    A row's answers are a list of texts, or of objects ``{"text": …, "solution": …}``; its gold answer is the
    place of the right one, from 0, or its text.
    """

    name = "jsonl"

    class Options(Task.Options):
        """Where the rows are and what their fields are called."""

        path: InputPath = Field(description="the file; a relative path starts at the experiment file's folder")
        prompt: str = Field("prompt", description="field with the question")
        answers: str = Field("answers", description="field with the list of candidate answers")
        gold: str = Field("gold", description="field with the right answer: its place from 0, or its text")
        material: str = Field("material", description="field with what only experts see, if rows have it")
        cluster: str = Field("cluster", description="field that rows from one source share, if rows have it")
        id: str = Field("id", description="field with a unique name; without it, the line number")
        skip_bad_rows: bool = Field(False, description="leave out rows that cannot be read, and say how many")

    def items(self, seed: int) -> Iterator[Item]:
        """Read the file."""
        path = self.options.path
        skipped = []
        try:
            with path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, start=1):
                    if not line.strip():
                        continue
                    try:
                        yield self._item(line, number)
                    except ValueError as error:
                        if not self.options.skip_bad_rows:
                            raise UsageError(f"{path}:{number}: {error}") from None
                        skipped.append(number)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise UsageError(f"{path}: is not UTF-8: {error.reason} at byte {error.start}") from None
        if skipped:
            warnings.warn(
                f"{path}: left out {len(skipped)} rows that cannot be read, the first on line {skipped[0]}",
                stacklevel=2,
            )

    def _item(self, line: str, number: int) -> Item:
        names = self.options
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"not valid JSON: {error.msg} at column {error.colno}") from None
        if not isinstance(row, dict):
            raise ValueError("a row is a JSON object")
        for field in (names.prompt, names.answers, names.gold):
            if field not in row:
                raise ValueError(f"there is no field '{field}'{nearest(field, row)}")
        if not isinstance(row[names.answers], list):
            raise ValueError(f"field '{names.answers}' is a list of answers")
        try:
            answers = tuple(_answer(raw) for raw in row[names.answers])
            question = Question(
                id=str(row.get(names.id, f"line-{number}")),
                prompt=row[names.prompt],
                answers=answers,
                material=row.get(names.material),
                cluster=str(row.get(names.cluster, "")),
            )
            return Item(question=question, gold=_place(row[names.gold], answers))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None


def _answer(raw: Any) -> Answer:
    return Answer.model_validate(raw if isinstance(raw, dict) else {"text": str(raw)})


def _place(gold: object, answers: tuple[Answer, ...]) -> int:
    if isinstance(gold, int) and not isinstance(gold, bool):
        if not 0 <= gold < len(answers):
            raise ValueError(f"gold is {gold}, but there are {len(answers)} answers, counted from 0")
        return gold
    places = [place for place, answer in enumerate(answers) if answer.text == str(gold)]
    if len(places) != 1:
        raise ValueError(f"gold {gold!r} is not one of the answers")
    return places[0]
