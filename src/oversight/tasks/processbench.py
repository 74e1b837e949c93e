"""ProcessBench: solutions to school and competition problems, with the first wrong step marked by experts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, Field, StrictBool

from oversight.core.question import Item
from oversight.tasks.dataset_files import Download, FileTask, locate
from oversight.tasks.row_files import Row, read_jsonl, read_rows
from oversight.tasks.task import InputPath
from oversight.tasks.traces import ANOTHER, UNNAMED, problem_cluster, trace_item

__all__ = ["ProcessBench"]

Subset = Literal["gsm8k", "math", "olympiadbench", "omnimath"]

_URL = "https://huggingface.co/datasets/Qwen/ProcessBench/resolve/main"
_BOXED = re.compile(r"\\f?boxed\s*\{")


class _Record(BaseModel):
    problem: str = Field(min_length=1)
    steps: list[str] = Field(min_length=1)
    final_answer_correct: StrictBool
    label: int = Field(ge=-1)


class ProcessBench(FileTask):
    r"""A model's worked solution to a mathematics problem: does it end in the right answer, and where does it err?

    Zheng et al. (2024), "ProcessBench: Identifying Process Errors in Mathematical Reasoning" (Apache-2.0):
    3,400 solutions by open models (gsm8k 400, the others 1,000 each), whose first wrong step experts marked. The
    solution is not in the question: it is there for protocols that check steps. The answers are its final
    answer, read from its last ``\boxed{…}``, and "Another answer"; a solution without a box says "The answer
    that the solution ends in". Which is right is ``final_answer_correct``: solutions that err and end well are
    the point. Solutions to one problem are one cluster.
    """

    name: ClassVar[str] = "processbench"
    sample: ClassVar[Mapping[str, Any]] = {
        "id": "sample-0",
        "generator": "nobody",
        "problem": "A gardener plants 6 rows of 7 tulips. Moles eat 5 of them. How many are left?",
        "steps": [
            "There are 6 rows of 7 tulips, which makes $6 \\cdot 7 = 42$ tulips.",
            "The moles eat 5 rows, so $42 - 5 \\cdot 7 = 7$ tulips are left.",
            "The answer is $\\boxed{7}$.",
        ],
        "final_answer_correct": False,
        "label": 1,
    }

    class Options(FileTask.Options):
        """Which solutions."""

        path: InputPath | None = Field(
            None,
            description="your own copies: the folder with SUBSET.json (or .jsonl or .parquet), or one file; without "
            "it, the published files are downloaded once",
        )
        subsets: tuple[Subset, ...] = Field(
            get_args(Subset), min_length=1, description="which of the four files, unless path names one"
        )

    def rows(self) -> Iterator[Row]:
        """The records of each file, with the file's name among their fields."""
        for subset, file in self._files():
            for row in _read(file):
                content = row.content
                yield row if isinstance(content, ValueError) else row._replace(content={**content, "subset": subset})

    def _files(self) -> Iterator[tuple[str, Path]]:
        path = self.options.path
        if path is not None and path.is_file():
            yield path.stem, path
            return
        for subset in dict.fromkeys(self.options.subsets):
            others = [path / f"{subset}.{ending}" for ending in ("jsonl", "parquet")] if path else []
            download = Download(f"{_URL}/{subset}.json", f"processbench/{subset}.json")
            yield subset, next((file for file in others if file.is_file()), None) or locate(path, download)

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """The question about one solution."""
        record = row.read_as(_Record)
        if record.label >= len(record.steps):
            raise ValueError(f"label is {record.label}, but there are {len(record.steps)} steps, counted from 0")
        yield trace_item(
            f"{row.fields.get('subset', 'sample')}/{row.number}",
            record.problem,
            record.steps,
            None if record.label < 0 else record.label,
            (_boxed(record.steps) or UNNAMED, ANOTHER),
            right=record.final_answer_correct,
            cluster=problem_cluster(record.problem),
        )


def _read(file: Path) -> Iterator[Row]:
    """The rows of a file; one called .json may hold one list, or an object a line."""
    if file.suffix.lower() == ".json":
        try:
            with file.open(encoding="utf-8-sig") as lines:
                first = next((line.lstrip() for line in lines if line.strip()), "")
        except (OSError, UnicodeDecodeError):
            first = "["  # what is wrong with the file, its reader says
        if first.startswith("{"):
            return read_jsonl(file)
    return read_rows(file)


def _boxed(steps: Sequence[str]) -> str | None:
    """What stands in the last box that is closed, on one line; None if there is none, or nothing in it."""
    text = "\n".join(steps)
    for opening in reversed(list(_BOXED.finditer(text))):
        depth = 1
        for place in range(opening.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                return " ".join(text[opening.end() : place].split()) or None
    return None
