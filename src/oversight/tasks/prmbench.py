"""PRMBench: solutions into which mistakes of nine kinds were written, step by step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from oversight.core.question import Item
from oversight.tasks.dataset_files import Download, FileTask, locate
from oversight.tasks.row_files import Row, only, read_rows
from oversight.tasks.task import InputPath
from oversight.tasks.traces import SOUND, TraceTask, problem_cluster, trace_item
from oversight.util.digest import digest

__all__ = ["PRMBench"]

_COMMIT = "5cc7683d0ae5797f84d7aeac0607966f277c39e1"
_FILE = Download(
    f"https://huggingface.co/datasets/hitsmy/PRMBench_Preview/resolve/{_COMMIT}/prmbench_preview.jsonl",
    "prmbench/prmbench_preview.jsonl",
)

Kind = Literal[
    "redundency",
    "circular",
    "counterfactual",
    "step_contradiction",
    "domain_inconsistency",
    "confidence",
    "missing_condition",
    "deception",
    "multi_solutions",
]


class _Record(BaseModel):
    original_question: str | None = None
    modified_question: str = Field(min_length=1)
    original_process: list[str] = []
    modified_process: list[str] = Field(min_length=1)
    error_steps: list[int]
    classification: str


class PRMBench(TraceTask):
    """A solution into which a mistake of some kind was written: is it right, and where does it err?

    Song et al. (2025), "PRMBench: A Fine-grained and Challenging Benchmark for Process-Level Reward Models"
    (Apache-2.0): 6,216 solutions, modified by a language model and checked by people. The first of a record's
    ``error_steps`` is the first mistake; those of the classes redundency (spelt so) and circular need not be
    false, but should not be there. The data do not say what a solution ends in, so the answers are "The solution
    is right" and "The solution has a mistake", and protocols that look at final answers alone see nothing. The
    solution is not in the question: it is there for protocols that check steps. A number that begins every step
    is taken off. Records whose labels name a step that is not there are left out and counted. Solutions to
    one original problem are one cluster.
    """

    name: ClassVar[str] = "prmbench"
    sample: ClassVar[Mapping[str, Any]] = {
        "original_question": "Two pens and a pad cost 7 euros. One pen costs 2 euros. What does a pad cost?",
        "modified_question": "Two pens and a pad cost 7 euros. One pen costs 2 euros. What does a pad cost?",
        "original_process": ["1. Two pens cost 2 * 2 = 4 euros.", "2. So a pad costs 7 - 4 = 3 euros."],
        "modified_process": [
            "1. Suppose that a pad costs 3 euros.",
            "2. Then two pens cost 7 - 3 = 4 euros, which is right.",
            "3. So a pad costs 3 euros.",
        ],
        "modified_steps": [1, 2, 3],
        "error_steps": [1, 2],
        "reason": "It assumes what it is to find.",
        "idx": "sample_0",
        "classification": "circular",
    }

    class Options(FileTask.Options):
        """Which solutions."""

        path: InputPath | None = Field(
            None,
            description="your own copy: the file prmbench_preview.jsonl, or a folder that holds it at any depth, as a "
            "clone or snapshot of the release does; without it, the file is downloaded once",
        )
        classes: list[Kind] = Field([], description="only mistakes of these kinds; all if empty")
        originals: bool = Field(
            False,
            description="also ask about each original solution, once: people found no mistake in it, while all "
            "modified ones but those of multi_solutions hold one",
        )

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        self._originals: set[str] = set()

    def rows(self) -> Iterator[Row]:
        """The records of the kinds asked for.

        Raises:
            UsageError: there is no record of a kind.
        """
        return only("classification", self.options.classes, read_rows(locate(self.options.path, _FILE, deep=True)))

    def items(self, seed: int) -> Iterator[Item]:
        """Yield the questions, each original solution once."""
        self._originals.clear()
        yield from super().items(seed)

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """The question about a modified solution, and with ``originals`` one about the original."""
        record = row.read_as(_Record)
        problem = record.original_question or record.modified_question
        cluster = problem_cluster(problem)
        places = sorted(step - 1 for step in record.error_steps)
        if places and not 0 <= places[0] <= places[-1] < len(record.modified_process):
            self.leave_out("whose labels name a step that is not there")
        else:
            first = places[0] if places else None
            steps = _bare(record.modified_process)
            name, asked, right = _name(row, "modified"), record.modified_question, first is None
            yield trace_item(name, asked, steps, first, SOUND, right=right, cluster=cluster)
        if not self.options.originals or not record.original_process:
            return
        key = digest([problem, record.original_process])
        if key not in self._originals:
            self._originals.add(key)
            steps = _bare(record.original_process)
            yield trace_item(_name(row, "original"), problem, steps, None, SOUND, right=True, cluster=cluster)


def _name(row: Row, which: str) -> str:
    """An id that leads to the row, and does not say which of its two solutions this is."""
    return f"solution-{row.number}-{digest([row.number, which], 4)}"


def _bare(steps: Sequence[str]) -> list[str]:
    """Steps without their numbers, where each begins with its own: they are numbered where they are shown."""
    numbers = [re.match(rf"\s*{number}\s*[.)]\s+", step) for number, step in enumerate(steps, start=1)]
    if not all(numbers):
        return list(steps)
    return [step[found.end() :] for step, found in zip(steps, numbers, strict=True) if found]
