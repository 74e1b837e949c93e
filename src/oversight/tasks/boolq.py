"""BoolQ: yes-or-no questions that people typed into a search engine, with a passage that answers them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, StrictBool

from oversight.core.question import Answer, Item, Question
from oversight.tasks.dataset_files import Download, FileTask, locate
from oversight.tasks.row_files import Row, read_rows, text_of
from oversight.util.digest import digest

__all__ = ["BoolQ"]

# The authors' own bucket, storage.googleapis.com/boolq, no longer answers; this is their organisation's copy.
_URL = "https://huggingface.co/datasets/google/boolq/resolve/35b264d03638db9f4ce671b711558bf7ff0f80d5/data"
_FILES = {
    "train": Download(f"{_URL}/train-00000-of-00001.parquet", "boolq/train-00000-of-00001.parquet"),
    "dev": Download(f"{_URL}/validation-00000-of-00001.parquet", "boolq/validation-00000-of-00001.parquet"),
}


class _Record(BaseModel):
    question: str
    answer: StrictBool
    passage: str


class BoolQ(FileTask):
    """Yes or no, to questions that people asked a search engine; a passage answers them.

    Clark et al. (2019), "BoolQ: Exploring the Surprising Difficulty of Natural Yes/No Questions" (CC BY-SA
    3.0): 9,427 train and 3,270 dev questions. The material is the passage, from Wikipedia. Questions about
    one passage share a cluster. Reads the published dev.jsonl and train.jsonl, too.
    """

    name: ClassVar[str] = "boolq"
    sample: ClassVar[Mapping[str, Any]] = {
        "question": "is the harbour bridge open to cyclists",
        "title": "Harbour Bridge",
        "answer": True,
        "passage": "The bridge carries four lanes of traffic. A path on its western side is open to bicycles all year.",
    }

    class Options(FileTask.Options):
        """Which questions."""

        split: Literal["train", "dev"] = Field("dev", description="which published file, unless path names a file")

    def rows(self) -> Iterator[Row]:
        """The questions of the split."""
        return read_rows(locate(self.options.path, _FILES[self.options.split]))

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """One question, written as a sentence: the published ones have no capital and no question mark."""
        record = row.read_as(_Record)
        asked = text_of(record.question, "question").strip().rstrip("? ")
        question = Question(
            id=f"row-{row.number}",
            prompt=f"{asked[:1].upper()}{asked[1:]}?",
            answers=(Answer(text="Yes"), Answer(text="No")),
            material=text_of(record.passage, "passage"),
            cluster=f"passage-{digest(record.passage, length=12)}",
        )
        yield Item(question=question, gold=0 if record.answer else 1)
