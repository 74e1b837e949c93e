"""Questions about one worked solution whose first mistake is known."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from pydantic import BaseModel

from oversight.core.question import Answer, Item, Question, Worked
from oversight.tasks.dataset_files import FileTask
from oversight.tasks.row_files import Row
from oversight.util.digest import digest

__all__ = ["ANOTHER", "SOUND", "UNNAMED", "Half", "TraceTask", "half_of", "problem_cluster", "trace_item"]

Half: TypeAlias = Literal["all", "even", "odd"]
"""The rows on lines of these numbers, from 1: what is tuned on one half is tested on the other."""

_PARITY = {"even": 0, "odd": 1}

ANOTHER = "Another answer"
"""Beside a solution's own answer: what is right where that is wrong."""

UNNAMED = "The answer that the solution ends in"
"""A solution's answer where the data do not name it."""

SOUND = ("The solution is right", "The solution has a mistake")
"""The answers where only the steps are labelled, and not what the solution ends in."""


def half_of(rows: Iterable[Row], half: Half) -> Iterator[Row]:
    """The rows of one half of a file, or all of them."""
    return (row for row in rows if half == "all" or row.number % 2 == _PARITY[half])


class TraceTask(FileTask):
    """A task over labelled solutions, some of which cannot be used; how many, and why, is said at the end."""

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        self._left_out: Counter[str] = Counter()

    def items(self, seed: int) -> Iterator[Item]:
        """Yield the questions, and say how many solutions are left out."""
        self._left_out.clear()
        yield from super().items(seed)
        for reason, count in self._left_out.items():
            warnings.warn(f"{self.name}: left out {count} solutions {reason}", stacklevel=2)

    def leave_out(self, reason: str) -> None:
        """Count a solution that cannot be used; ``reason`` goes on after "solutions"."""
        self._left_out[reason] += 1


def trace_item(
    name: str,
    problem: str,
    steps: Sequence[str],
    mistake: int | None,
    answers: tuple[str, str],
    *,
    right: bool,
    cluster: str = "",
) -> Item:
    """The question whether a solution ends in the right answer.

    Args:
        name: the question's id.
        problem: what the solution solves; the question's whole prompt.
        steps: its steps, as they are: labels count blank ones too.
        mistake: the place of its first wrong step from 0, None where no step is wrong.
        answers: the one that the solution ends in, and what is right otherwise.
        right: whether the first of them is right.
        cluster: see `Question`.
    """
    question = Question(
        id=name,
        prompt=problem,
        answers=tuple(Answer(text=text) for text in answers),
        cluster=cluster,
        worked=(Worked(answer=0, steps=tuple(steps)),),
    )
    return Item(question=question, gold=0 if right else 1, mistakes=(mistake,))


def problem_cluster(problem: str) -> str:
    """The cluster of all solutions to one problem."""
    return f"problem-{digest(' '.join(problem.split()), 12)}"
