"""StrategyQA: yes-or-no questions whose reasoning steps are left unsaid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, StrictBool

from oversight.core.question import Answer, Item, Question
from oversight.tasks.dataset_files import Download, FileTask, locate
from oversight.tasks.row_files import Row, read_json

__all__ = ["StrategyQA"]

_URL = "https://raw.githubusercontent.com/eladsegal/strategyqa/main/data/strategyqa"
_FILES = {
    "train": Download(
        f"{_URL}/train.json",
        "strategyqa/train.json",
        "0f72560b8a6fad3db847d2f1a7524fb087297843bb45a8d3245ffd68cbe0de12",
    ),
    "dev": Download(
        f"{_URL}/dev.json",
        "strategyqa/dev.json",
        "0d94842ffb022db8fd5ecd2168b785d5cf67f6faf64f665476bad544a3eb9dde",
    ),
}


class _Record(BaseModel):
    qid: str
    question: str
    answer: StrictBool
    facts: list[str] = []
    decomposition: list[str] = []


class StrategyQA(FileTask):
    """Yes or no, by reasoning whose steps the question does not name.

    Geva et al. (2021), "Did Aristotle Use a Laptop?" (MIT licence), in its authors' split of the public
    training questions: 2,061 train, 229 dev. The material is the facts that annotators wrote down for the
    question; the decomposition, the steps that lead to the answer, can be added to it. Each question is its
    own cluster.
    """

    name: ClassVar[str] = "strategyqa"
    sample: ClassVar[Mapping[str, Any]] = {
        "qid": "sample-1",
        "term": "Lighthouse",
        "description": "Tower with a light for ships",
        "question": "Could a lighthouse keeper in 1850 have telephoned for help?",
        "answer": False,
        "facts": ["The telephone was patented in 1876."],
        "decomposition": ["In which year was the telephone patented?", "Is 1850 after #1?"],
        "evidence": [],
    }

    class Options(FileTask.Options):
        """Which questions, and what experts see."""

        split: Literal["train", "dev"] = Field("dev", description="which published file, unless path names a file")
        facts: bool = Field(True, description="whether the facts are part of the material")
        decomposition: bool = Field(False, description="whether the decomposition is part of the material")

    def rows(self) -> Iterator[Row]:
        """The questions of the split."""
        return read_json(locate(self.options.path, _FILES[self.options.split]))

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """One question."""
        record = row.read_as(_Record)
        parts = []
        if self.options.facts and record.facts:
            parts.append("Facts:\n" + "\n".join(f"- {fact}" for fact in record.facts))
        if self.options.decomposition and record.decomposition:
            steps = [f"#{number} {step}" for number, step in enumerate(record.decomposition, start=1)]
            parts.append("Steps, where #1 stands for the answer to the first:\n" + "\n".join(steps))
        question = Question(
            id=record.qid,
            prompt=record.question,
            answers=(Answer(text="Yes"), Answer(text="No")),
            material="\n\n".join(parts) or None,
        )
        yield Item(question=question, gold=0 if record.answer else 1)
