"""PRM800K: solutions to competition problems, whose steps people labelled up to the first wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from oversight.core.question import Item
from oversight.tasks.dataset_files import Download, FileTask, locate
from oversight.tasks.row_files import Row, read_jsonl
from oversight.tasks.traces import ANOTHER, UNNAMED, TraceTask, problem_cluster, trace_item

__all__ = ["PRM800K"]

# The files are in Git LFS: the repository itself serves only pointers, which hold these checksums.
_URL = "https://media.githubusercontent.com/media/openai/prm800k/main/prm800k/data"
_CHECKSUMS = {
    "test": "6b172efa884ac8341a946dd82e06947c135b7254109fb3f7aa907c715d98aaad",
    "train": "1110237feeb51d1bc200cb37b8f965cfdc1036eac7d506094049366fe7dc1089",
}
_WRONG = -1
_MARKUP = re.compile(r"\\[!,;: ]|\\(?:left|right)(?![a-zA-Z])|[$\s]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_UNLABELLED = "whose labels reach neither a mistake nor the end, or are of other steps"


class _Completion(BaseModel):
    text: str
    rating: int | None = None


class _Step(BaseModel):
    completions: list[_Completion] | None = None


class _Label(BaseModel):
    steps: list[_Step]
    finish_reason: str


class _Problem(BaseModel):
    problem: str = Field(min_length=1)
    ground_truth_answer: str
    pre_generated_steps: list[str] = Field(min_length=1)
    pre_generated_answer: str | None = None


class _Record(BaseModel):
    question: _Problem
    label: _Label


class PRM800K(TraceTask):
    """A model's worked solution to a competition problem: does it end in the right answer, and where does it err?

    Lightman et al. (2023), "Let's Verify Step by Step" (MIT licence), phase 2: people rated the steps of
    solutions to problems from MATH, and stopped at the first wrong one (-1; 0 is neutral and no mistake). The
    whole solution is checked, with the steps after that. It is not in the question: it is there for protocols
    that check steps. The answers are the solution's final answer and "Another answer"; the former is right
    where people found the solution to end in the right answer, or its text agrees with the published one but
    for markup. What people gave up on, or found broken, is left out and counted. Solutions to one problem are
    one cluster.
    """

    name: ClassVar[str] = "prm800k"
    sample: ClassVar[Mapping[str, Any]] = {
        "labeler": "nobody",
        "generation": 0,
        "question": {
            "problem": "What is the sum of the two smallest primes that are greater than $10$?",
            "ground_truth_answer": "24",
            "pre_generated_steps": [
                "The primes greater than $10$ begin with $11$.",
                "The next one is $15$.",
                "So the sum is $11 + 15 = 26$.\n\n# Answer\n\n26",
            ],
            "pre_generated_answer": "26",
        },
        "label": {
            "steps": [
                {
                    "completions": [{"text": "The primes greater than $10$ begin with $11$.", "rating": 1}],
                    "human_completion": None,
                    "chosen_completion": 0,
                },
                {
                    "completions": [
                        {"text": "The next one is $15$.", "rating": -1},
                        {"text": "The next one is $13$.", "rating": 1},
                    ],
                    "human_completion": None,
                    "chosen_completion": None,
                },
            ],
            "finish_reason": "found_error",
        },
    }

    class Options(FileTask.Options):
        """Which solutions."""

        split: Literal["test", "train"] = Field(
            "test", description="which published file of phase 2 (12 or 456 MB), unless path names a file"
        )

    def rows(self) -> Iterator[Row]:
        """The labelled solutions."""
        split = self.options.split
        name = f"phase2_{split}.jsonl"
        return read_jsonl(locate(self.options.path, Download(f"{_URL}/{name}", f"prm800k/{name}", _CHECKSUMS[split])))

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """The question about one solution, unless its labels do not say where it errs."""
        record = row.read_as(_Record)
        problem, label = record.question, record.label
        ratings = _ratings(problem.pre_generated_steps, label.steps)
        mistake = len(ratings) - 1 if ratings and ratings[-1] == _WRONG else None
        reaches_the_answer = label.finish_reason == "solution" and len(ratings) == len(label.steps) > 0
        if mistake is None and not reaches_the_answer:
            self.leave_out(_UNLABELLED)
            return
        # People may find the answer reached before the solution ends; what comes then is not rated.
        steps = problem.pre_generated_steps[: len(ratings)] if mistake is None else problem.pre_generated_steps
        answer = " ".join((problem.pre_generated_answer or "").split())
        yield trace_item(
            f"solution-{row.number}",
            problem.problem,
            steps,
            mistake,
            (answer or UNNAMED, ANOTHER),
            right=mistake is None or _plain(answer) == _plain(problem.ground_truth_answer),
            cluster=problem_cluster(problem.problem),
        )


def _ratings(solution: list[str], labelled: list[_Step]) -> list[int]:
    """The ratings of a solution's steps, up to the first wrong one or the first that has none."""
    ratings: list[int] = []
    for text, step in zip(solution, labelled, strict=False):
        found = [each.rating for each in step.completions or () if each.text.split() == text.split()]
        if not found or found[0] is None:
            break
        ratings.append(found[0])
        if found[0] == _WRONG:
            break
    return ratings


def _plain(answer: str) -> str:
    """An answer without markup that changes how it looks and not what it says."""
    bare = _THOUSANDS.sub("", _MARKUP.sub("", answer)).replace("dfrac", "frac").replace("tfrac", "frac").rstrip(".")
    return re.sub(r"\\text\{([^{}]*)\}", r"\1", bare)
