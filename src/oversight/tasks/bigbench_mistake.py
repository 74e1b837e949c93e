"""Is there a mistake in this solution, and where is the first? Real chain-of-thought traces, with labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, Field

from oversight.core.question import Answer, Item, Question
from oversight.errors import UsageError
from oversight.tasks.dataset_files import Download, FileTask, locate
from oversight.tasks.row_files import Row, read_jsonl
from oversight.tasks.task import InputPath
from oversight.tasks.traces import ANOTHER, Half, half_of, trace_item

__all__ = ["BigBenchMistake"]

Subset = Literal[
    "dyck_languages", "logical_deduction", "multistep_arithmetic", "tracking_shuffled_objects", "word_sorting"
]

_COMMIT = "90084fd567ae952cd021e465b78f0f368442230d"
_CHECKSUMS: dict[Subset, str] = {
    "dyck_languages": "38cf1f524d119ce8d12c21d933ed8aa8d82bb5a36c4f6e71ed499ede234512f4",
    "logical_deduction": "f521efec7c975558ac6a35e8d66a84bc17ff696865c622bc93604307bc63f0cd",
    "multistep_arithmetic": "b3f9a99e62bdcb758d6cafc531a43f6d6bca6812190cce4f982d1c01ac0767d3",
    "tracking_shuffled_objects": "637282d5721b76fb5a1d3b1eedef0b476b2a6634bd91f281ca69b782a670bd42",
    "word_sorting": "e9deb2c57f7fc87f2d10336bc350c93c599bd3f483e3fb0ffb54854257ef8159",
}

# Two of the files hold only what to work on.
_PROBLEMS = {
    "dyck_languages": "Complete this sequence, so that every bracket is closed in the right order: ",
    "multistep_arithmetic": "Calculate: ",
    "word_sorting": "Sort these words alphabetically: ",
}
_ASKED = {
    "correctness": "Is every step right, given the ones before it?",
    "first_mistake": "Which step is the first that is wrong, given the ones before it?",
}
_RIGHT, _WRONG = "No step has a mistake.", "A step has a mistake."
_NO_ANSWER = "(none)"

# With "no mistake" they make as many answers as a question can have.
_MOST_STEPS = 25


class _Record(BaseModel):
    input: str = Field(min_length=1)
    steps: list[str] = Field(min_length=1)
    target: str
    answer: str | None
    mistake_index: int | None = Field(ge=0)


class BigBenchMistake(FileTask):
    """Does this step-by-step solution hold a mistake, or where is its first? Real traces, with labels.

    Tyen et al. (2024), "LLMs cannot find reasoning errors, but can correct them given the error location"
    (Apache-2.0): 2,186 traces of a language model on five tasks. The trace stands in the question, a line
    ``Step N: …`` per step, from 1, and then ``Final answer: …``; there is no hidden material. Four of five
    traces hold a mistake, so saying so always is right that often. With ``asks: steps`` the question is
    the problem alone, and the trace is there for protocols that check steps. Each question is its own cluster.
    """

    name: ClassVar[str] = "bigbench_mistake"
    sample: ClassVar[Mapping[str, Any]] = {
        "input": "Which of these words stands first in a dictionary: pear, apricot, apple?",
        "steps": [
            'The first letters: "pear": "p" (16), "apricot": "a" (1), "apple": "a" (1).',
            'The second letters: "apricot": "p" (16), "apple": "p" (16).',
            'The third letters: "apricot": "r" (18), "apple": "p" (16). So "apricot" stands before "apple".',
            "So the answer is apricot",
        ],
        "target": "apple",
        "answer": "apricot",
        "mistake_index": 2,
    }

    class Options(FileTask.Options):
        """Which traces, and what is asked about them."""

        path: InputPath | None = Field(
            None,
            description="the folder with your own copies of the published files; without it, they are downloaded once",
        )
        subsets: tuple[Subset, ...] = Field(get_args(Subset), min_length=1, description="which of the five files")
        asks: Literal["correctness", "first_mistake", "steps"] = Field(
            "correctness",
            description="'correctness': is there a mistake; 'first_mistake': in which step is the first, or is "
            "there none; 'steps': does the trace, which protocols that check steps show, end in the right answer "
            "to its problem. 'first_mistake' leaves out traces of more than 25 steps, as a question has at most 26 "
            "answers: 379 of dyck_languages and one of logical_deduction, of which 377 hold a mistake",
        )
        half: Half = Field(
            "all",
            description="the traces on lines of these numbers in each file: what is tuned on one half is tested on "
            "the other",
        )
        keep_doubtful: bool = Field(
            False,
            description="keep the traces (28 of 2,186) said to have no mistake although their final answer is wrong",
        )

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        self._too_long = 0

    def rows(self) -> Iterator[Row]:
        """The records of each file, with the file's name among their fields."""
        path = self.options.path
        if path is not None and path.is_file():
            raise UsageError(f"{path}: give the folder that holds the files of bigbench_mistake, not one of them")
        for subset in dict.fromkeys(self.options.subsets):
            url = f"https://raw.githubusercontent.com/WHGTyen/BIG-Bench-Mistake/{_COMMIT}/{subset}.jsonl"
            download = Download(url, f"bigbench_mistake/{subset}.jsonl", _CHECKSUMS[subset])
            for row in half_of(read_jsonl(locate(path, download)), self.options.half):
                content = row.content
                yield row if isinstance(content, ValueError) else row._replace(content={**content, "subset": subset})

    def items(self, seed: int) -> Iterator[Item]:
        """Yield the questions, and say how many traces have too many steps to ask about."""
        self._too_long = 0
        yield from super().items(seed)
        if self._too_long:
            many = f"{self._too_long} traces of more than {_MOST_STEPS} steps"
            warnings.warn(f"bigbench_mistake: left out {many}, whose answers would be too many", stacklevel=2)

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """The question about one trace; none if it is left out."""
        record, subset = row.read_as(_Record), row.fields.get("subset", "sample")
        first, count = record.mistake_index, len(record.steps)
        if first is not None and first >= count:
            raise ValueError(f"mistake_index is {first}, but there are {count} steps, counted from 0")
        if first is None and not self.options.keep_doubtful and _plain(record.answer) != _plain(record.target):
            return
        if self.options.asks == "steps":
            yield _steps(record, f"{subset}/{row.number}", subset)
            return
        if self.options.asks == "correctness":
            answers, gold = [_RIGHT, _WRONG], int(first is not None)
        elif count > _MOST_STEPS:
            self._too_long += 1
            return
        else:
            answers = [_RIGHT, *(f"Step {number}" for number in range(1, count + 1))]
            gold = 0 if first is None else first + 1
        question = Question(
            id=f"{subset}/{row.number}",
            prompt=f"{_shown(record, subset)}\n\n{_ASKED[self.options.asks]}",
            answers=tuple(Answer(text=text) for text in answers),
        )
        yield Item(question=question, gold=gold)


def _steps(record: _Record, name: str, subset: str) -> Item:
    """The problem alone, with the trace to check, which keeps a step that is blank, because the label counts it."""
    answers = (_line(record.answer or "") or _NO_ANSWER, ANOTHER)
    right = _plain(record.answer) == _plain(record.target)
    return trace_item(name, _problem(record, subset), record.steps, record.mistake_index, answers, right=right)


def _problem(record: _Record, subset: str) -> str:
    return f"{_PROBLEMS.get(subset, '')}{record.input}"


def _shown(record: _Record, subset: str) -> str:
    """The problem and the trace, which keeps a step that is blank, because the label counts it."""
    steps = [f"Step {number}: {_line(step)}".rstrip() for number, step in enumerate(record.steps, start=1)]
    problem = f"Problem: {_problem(record, subset)}"
    return "\n".join([problem, "", "Solution:", *steps, f"Final answer: {_line(record.answer or '') or _NO_ANSWER}"])


def _line(text: str) -> str:
    return " ".join(text.split())


def _plain(answer: str | None) -> str:
    """An answer without what the labels forgive: spacing, commas between words, a full stop at the end."""
    return _line((answer or "").replace(",", " ")).rstrip(".")
