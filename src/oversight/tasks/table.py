"""Questions from a table of the user's: a file of rows, or a Hugging Face dataset."""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from oversight.core.question import Answer, Item, Question
from oversight.errors import UsageError
from oversight.plugins import nearest
from oversight.tasks.dataset_files import FileTask
from oversight.tasks.gold import GoldIs, place_of
from oversight.tasks.row_files import Row, explain, read_rows, row_problems, text_of
from oversight.tasks.task import InputPath

__all__ = ["Table"]


class Table(FileTask):
    """Questions from the rows of a file or of a Hugging Face dataset; options name the columns.

    The file is JSON lines, JSON, CSV, TSV or Parquet, by the end of its name. A column inside another is
    named with a dot, as in ``choices.text``. Answers are texts, or objects ``{"text": …, "solution": …}``;
    in a CSV cell a list is written as JSON. Numbers and booleans become text as JSON writes them (3, true);
    ``rename`` turns such texts into others. Without a cluster column every question is its own cluster.
    """

    name: ClassVar[str] = "table"
    sample: ClassVar[Mapping[str, Any]] = {
        "id": "tides-1",
        "prompt": "On which days of the month does the ferry not run?",
        "answers": ["Around full and new moon", "Around the first and last quarter"],
        "gold": 0,
        "material": "Timetable. The channel is too shallow at the lowest tides, which come with a full or a new moon.",
        "cluster": "tides",
    }

    class Options(FileTask.Options):
        """Where the rows are and what their columns are called."""

        path: InputPath | None = Field(None, description="the file (.jsonl, .json, .csv, .tsv or .parquet)")
        dataset: str | None = Field(None, description="instead of a file, a Hugging Face dataset: owner/name")
        subset: str | None = Field(None, description="the dataset's subset (configuration), if it has several")
        split: str | None = Field(None, description="the dataset's split, if it has several")
        prompt: str = Field("prompt", description="column with the question")
        answers: str | list[str] = Field(
            "answers", description="column with the list of candidate answers, or a list of columns with one each"
        )
        choices: list[str] = Field([], description="the answers of every question, where rows have none: [yes, no]")
        solutions: str | list[str] | None = Field(
            None, description="column with the list of worked solutions, or a list of columns, in the answers' order"
        )
        gold: str | None = Field(
            None,
            description="column with the right answer; without it 'gold', or where each answer has a column, the "
            "first one is right",
        )
        gold_is: GoldIs = Field(
            "clear",
            description="how gold names the answer: its 'place' from 0, its 'number' from 1, its 'letter' from A or "
            "its 'text'; 'clear' takes numbers for places and text for texts or letters, and refuses what "
            "could be two of these",
        )
        rename: dict[str, str] = Field({}, description="other words for answers: {'true': 'yes', 'false': 'no'}")
        material: str = Field("material", description="column with what only experts see, if rows have it")
        cluster: str = Field("cluster", description="column that rows from one source share, if rows have it")
        id: str = Field("id", description="column with a unique name; without it, the line or record number")
        skip_bad_rows: bool = Field(False, description="leave out rows that cannot be read, and say how many")

        @model_validator(mode="after")
        def _one_source(self) -> Self:
            if (self.path is None) == (self.dataset is None):
                raise ValueError("give either 'path: FILE' or 'dataset: OWNER/NAME'")
            if self.path is not None and (self.subset or self.split):
                raise ValueError("only a dataset has a subset and a split, not a file")
            if self.choices and "answers" in self.model_fields_set:
                raise ValueError("give either 'answers' or 'choices'")
            return self

    def rows(self) -> Iterator[Row]:
        """The rows of the file or of the dataset."""
        if self.options.path is not None:
            return read_rows(self.options.path)
        return _hugging_face(self.options.dataset, self.options.subset, self.options.split)

    def items(self, seed: int) -> Iterator[Item]:
        """Yield one question a row."""
        skipped = []
        told: dict[bytes, tuple[int, int]] = {}
        for row in self.rows():
            try:
                with row_problems(row):
                    items = list(self.parse(row, seed))
                    for item in items:
                        _check_agreement(item, row, told)
                yield from items
            except UsageError:
                if not self.options.skip_bad_rows:
                    raise
                skipped.append(row.where)
        if skipped:
            warnings.warn(f"left out {len(skipped)} rows that cannot be read, the first is {skipped[0]}", stacklevel=2)

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """The question in one row."""
        fields, names = row.fields, self.options
        answers = self._answers(fields)
        material = self._optional(fields, "material")
        if material is not None and not isinstance(material, str):
            raise ValueError(f"field '{names.material}' is not text")
        name, cluster = self._optional(fields, "id"), self._optional(fields, "cluster")
        asked = {
            "id": f"row-{row.number}" if name is None else text_of(name, names.id),
            "prompt": _column(fields, names.prompt),
            "answers": answers,
            "material": material,
            "cluster": "" if cluster is None else text_of(cluster, names.cluster),
        }
        question = Question(**asked)
        yield Item(question=question, gold=self._gold(fields, question.answers))

    def _answers(self, fields: Mapping[str, Any]) -> list[Answer | dict[str, Any]]:
        """List the answers, those that are only texts as what `Question` makes them of itself."""
        names, renamed = self.options, self.options.rename
        texts = names.choices or _list(fields, names.answers, "a list of answers")
        if names.solutions is None:
            return [
                self._answer(raw) if isinstance(raw, dict) or renamed else {"text": text_of(raw, "answers")}
                for raw in texts
            ]
        solutions = _list(fields, names.solutions, "a list of solutions")
        if len(solutions) != len(texts):
            raise ValueError(f"there are {len(solutions)} solutions to {len(texts)} answers")
        return [
            self._answer({"text": text, "solution": solution}) for text, solution in zip(texts, solutions, strict=True)
        ]

    def _answer(self, raw: Any) -> Answer:
        fields = raw if isinstance(raw, dict) else {"text": raw}
        if "text" in fields:
            text = text_of(fields["text"], "answers")
            fields = {**fields, "text": self.options.rename.get(text, text)}
        return Answer(**fields)

    def _gold(self, fields: Mapping[str, Any], answers: tuple[Answer, ...]) -> int:
        names = self.options
        if names.gold is None and isinstance(names.answers, list):
            return 0
        return place_of(
            _column(fields, names.gold or "gold"), [answer.text for answer in answers], names.gold_is, names.rename
        )

    def _optional(self, fields: Mapping[str, Any], option: str) -> Any:
        """A value that rows may lack, or None; a column that the user named must be there."""
        name = getattr(self.options, option)
        if name not in fields and option not in self.options.model_fields_set:
            return None
        value = _column(fields, name)
        return None if value == "" else value


def _check_agreement(item: Item, row: Row, told: dict[bytes, tuple[int, int]]) -> None:
    """Refuse a question that an earlier row answers otherwise.

    ``told`` holds, for each question, that row's number and the place of its answer among the sorted ones: numbers
    only, because there may be hundreds of thousands.
    """
    question = item.question
    texts = [answer.text for answer in question.answers]
    answers = sorted(texts)
    asked = hashlib.blake2b(repr((question.prompt, answers, question.material)).encode(), digest_size=16).digest()
    right = answers.index(texts[item.gold])
    number, other = told.setdefault(asked, (row.number, right))
    if other != right:
        raise ValueError(
            f"asks what row {number} asks, but the right answer there is {answers[other]!r:.60}, "
            f"not {answers[right]!r:.60}"
        )


def _list(fields: Mapping[str, Any], names: str | list[str], what: str) -> list[Any]:
    if isinstance(names, list):
        return [_column(fields, name) for name in names]
    value = _column(fields, names)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"field '{names}' is a list that is not written as JSON: {value:.40}") from None
    if not isinstance(value, list):
        raise ValueError(f"field '{names}' is {what}")
    return value


def _column(fields: Mapping[str, Any], name: str) -> Any:
    """A column by its name, or else a field inside others by its dotted one.

    Raises:
        ValueError: there is none; the message names the nearest one that there is.
    """
    if name in fields:
        return fields[name]
    value: Any = fields
    for part in name.split("."):
        value = _inside(value, part)
        if value is _NOTHING:
            raise ValueError(f"there is no field '{name}'{nearest(name, _dotted(fields))}")
    return value


_NOTHING = object()


def _inside(value: Any, part: str) -> Any:
    """A field of an object, an entry of a list by its place, or that field of each of a list's objects."""
    if isinstance(value, dict):
        return value.get(part, _NOTHING)
    if not isinstance(value, list):
        return _NOTHING
    if part.isdecimal():
        return value[int(part)] if int(part) < len(value) else _NOTHING
    inner = [_inside(entry, part) for entry in value]
    return _NOTHING if not inner or _NOTHING in inner else inner


def _dotted(fields: Mapping[str, Any]) -> list[str]:
    inner = [f"{name}.{part}" for name, value in fields.items() if isinstance(value, dict) for part in value]
    return [*fields, *inner]


def _hugging_face(name: str, subset: str | None, split: str | None) -> Iterator[Row]:
    try:
        import datasets
    except ImportError:
        raise UsageError("a Hugging Face dataset needs the package 'datasets': pip install 'oversight[data]'") from None
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        found = datasets.load_dataset(name, subset, split=split)
    except Exception as error:  # the library raises what its storage, its formats and the network raise
        reason = explain(error) if isinstance(error, ValueError) else " ".join(str(error).split())
        raise UsageError(f"dataset '{name}' cannot be loaded: {type(error).__name__}: {reason:.300}") from None
    if isinstance(found, dict):
        if len(found) > 1:
            raise UsageError(f"dataset '{name}' has several splits: name one of {', '.join(found)} with 'split:'")
        (found,) = found.values()
    where = "/".join(part for part in (name, subset, split) if part)
    for number, record in enumerate(found, start=1):
        yield Row(f"{where}: record {number}", number, dict(record))
