"""MMLU: multiple-choice questions from 57 subjects."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from oversight.core.question import Answer, Item, Question, distinct
from oversight.tasks.dataset_files import Download, FileTask, locate
from oversight.tasks.row_files import Row, only, read_csv, read_rows
from oversight.util.digest import draw

__all__ = ["Mmlu"]

_URL = "https://huggingface.co/datasets/cais/mmlu/resolve/c30699e8356da336a370243923dbaf21066bb9fe/all"
_SPLITS = {"test": "test", "validation": "val", "dev": "dev"}
_COLUMNS = ("question", "A", "B", "C", "D", "answer")
_CHOICES = 4


class _Record(BaseModel):
    question: str
    subject: str = ""
    choices: list[str] = Field(min_length=_CHOICES, max_length=_CHOICES)
    answer: int = Field(ge=0, lt=_CHOICES)


class Mmlu(FileTask):
    """Multiple-choice questions from 57 subjects of school, university and work.

    Hendrycks et al. (2021), "Measuring Massive Multitask Language Understanding" (MIT licence): 14,042 test,
    1,531 validation and 285 dev questions. Reads the Parquet files of the authors' organisation (cais/mmlu)
    or the original ones, SUBJECT_test.csv, alone or in a folder. There is no hidden material. Each question is
    its own cluster. Questions with a blank choice or two equal ones are left out.
    """

    name: ClassVar[str] = "mmlu"
    sample: ClassVar[Mapping[str, Any]] = {
        "question": "Which of these is a prime number?",
        "subject": "elementary_mathematics",
        "choices": ["51", "53", "55", "57"],
        "answer": 1,
    }

    class Options(FileTask.Options):
        """Which questions, and how many answers."""

        split: Literal["test", "validation", "dev"] = Field(
            "test", description="which published files, unless path names a file"
        )
        subjects: list[str] = Field([], description="only these, as in college_physics; all if empty")
        answers: Literal[4, 2] = Field(4, description="4, or 2: the right one and a wrong one drawn by seed")

    def rows(self) -> Iterator[Row]:
        """The questions, whose fields are those of the Parquet files, of the subjects asked for.

        Raises:
            UsageError: a subject has no question.
        """
        return only("subject", self.options.subjects, self._all_rows())

    def _all_rows(self) -> Iterator[Row]:
        path, split = self.options.path, self.options.split
        if path is not None and path.is_dir():
            files = sorted(path.glob(f"*_{_SPLITS[split]}.csv"))
            if files:
                for file in files:
                    yield from _original(file)
                return
        name = f"{split}-00000-of-00001.parquet"
        file = locate(path, Download(f"{_URL}/{name}", f"mmlu/{name}"))
        yield from _original(file) if file.suffix.lower() == ".csv" else read_rows(file)

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """One question, unless its choices cannot be told apart."""
        record = row.read_as(_Record)
        if not distinct(record.choices):
            return
        name = f"{record.subject or 'question'}-{row.number}"
        kept = list(range(_CHOICES))
        if self.options.answers != _CHOICES:
            wrong = [place for place in kept if place != record.answer]
            kept = sorted((record.answer, draw(seed, "mmlu", "wrong answer", name).choice(wrong)))
        answers = tuple(Answer(text=record.choices[place].strip()) for place in kept)
        question = Question(id=name, prompt=record.question.strip(), answers=answers)
        yield Item(question=question, gold=kept.index(record.answer))


def _original(file: Path) -> Iterator[Row]:
    """Rows of an original file, which has no line of names, in the shape of the Parquet files' ones."""
    subject = file.stem
    for ending in _SPLITS.values():
        subject = subject.removesuffix(f"_{ending}")
    for row in read_csv(file, columns=_COLUMNS):
        yield Row(row.where, row.number, _reshaped(row, subject))


def _reshaped(row: Row, subject: str) -> dict[str, Any] | ValueError:
    if isinstance(row.content, ValueError):
        return row.content
    letter = row.content["answer"].strip()
    if letter not in string.ascii_uppercase[:_CHOICES] or len(letter) != 1:
        return ValueError(f"the last cell is the right answer's letter, A to D, not {letter!r:.20}")
    return {
        "question": row.content["question"],
        "subject": subject,
        "choices": [row.content[label] for label in string.ascii_uppercase[:_CHOICES]],
        "answer": string.ascii_uppercase.index(letter),
    }
