"""GSM8K: worked solutions by real models to school mathematics problems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, Field, model_validator

from oversight.core.question import Answer, Item, Question, Worked
from oversight.core.step_splitting import split_steps
from oversight.tasks.dataset_files import Download, FileTask, locate
from oversight.tasks.row_files import Row, read_jsonl
from oversight.tasks.traces import Half, half_of
from oversight.util.digest import draw

__all__ = ["Gsm8k"]

_FILE = Download(
    "https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data/"
    "example_model_solutions.jsonl",
    "gsm8k/example_model_solutions.jsonl",
    "4bc62db838f8418365d51c627bd66294cbdca9fb7f01519cb13f0dce8c51580b",
)
_MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
_CALCULATOR = re.compile(r"<<[^<>]*>>")
_NONE = "None of these"
_MOST_DIGITS = 60


class _Solution(BaseModel):
    is_correct: bool
    solution: str


class _Problem(BaseModel):
    question: str
    ground_truth: str


class _Ended(NamedTuple):
    """A solution that comes to a result."""

    steps: str
    result: str


class Gsm8k(FileTask):
    """School mathematics: two worked solutions by real models, one right and one wrong, or all four to check.

    The test problems of Cobbe et al. (2021), "Training Verifiers to Solve Math Word Problems" (MIT licence),
    with the solutions by 6B and 175B models that its authors published. Each answer is a final result with
    the solution that led to it; one right and one wrong solution are drawn by seed, and problems that lack
    either are left out. Wrong ones without a final result are not drawn. The closing line "A: 18" is taken
    off solutions, because seats call their answers A and B; results are written alike ("1,000.0" is 1000).
    There is no hidden material: the judge may be denied the solutions. With ``asks: candidates`` all solutions
    that have a final result are there for protocols that check steps, and the answers are their results and
    "None of these"; where they err is not known. Each question is its own cluster.
    """

    name: ClassVar[str] = "gsm8k"
    sample: ClassVar[Mapping[str, Any]] = {
        "question": "A baker fills 4 trays with 12 rolls each and burns 6 rolls. How many rolls are left?",
        "ground_truth": "There are 4*12=<<4*12=48>>48 rolls.\nSo 48-6=<<48-6=42>>42 are left.\nA: 42",
        "6b_finetuning": {
            "is_correct": False,
            "solution": "4+12=<<4+12=16>>16 rolls.\n16-6=<<16-6=10>>10\nA: 10",
        },
        "6b_verification": {"is_correct": False, "solution": "4*12=<<4*12=48>>48 rolls are left.\nA: 48"},
        "175b_finetuning": {"is_correct": True, "solution": "4*12=<<4*12=48>>48\n48-6=<<48-6=42>>42 are left.\nA: 42"},
        "175b_verification": {"is_correct": False, "solution": "4*12=<<4*12=48>>48\n48+6=<<48+6=54>>54 rolls.\nA: 54"},
    }

    class Options(FileTask.Options):
        """Which solutions, and how they are shown."""

        asks: Literal["pair", "candidates"] = Field(
            "pair",
            description="'pair': which of two solutions is right, one of them wrong; 'candidates': which result is, "
            "with up to four solutions to check, all of which may be right or wrong",
        )
        right: Literal["model", "reference"] = Field(
            "model",
            description="the right solution: 'model' one that a model wrote; 'reference' the one that people wrote, "
            "which is there for every problem but reads differently",
        )
        calculator: bool = Field(False, description="keep the calculator's notes in solutions, as in 2+3=<<2+3=5>>5")
        half: Half = Field(
            "all",
            description="the problems on lines of these numbers: what is tuned on one half, as the embedded overseer "
            "was on the even lines, is tested on the other",
        )

        @model_validator(mode="after")
        def _models_alone_are_candidates(self) -> Self:
            if self.asks == "candidates" and self.right != "model":
                raise ValueError("right: reference is for asks: pair; candidates are solutions that models wrote")
            return self

    def rows(self) -> Iterator[Row]:
        """The problems, each with four models' solutions."""
        return half_of(read_jsonl(locate(self.options.path, _FILE)), self.options.half)

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """One question, unless the problem lacks the solutions that are asked for."""
        problem = row.read_as(_Problem)
        reference = self._ended(problem.ground_truth)
        if reference is None:
            raise ValueError("ground_truth does not end in a line 'A: …'")
        right: list[_Ended] = []
        wrong: list[_Ended] = []
        for name, solution in self._solutions(row):
            ended = self._ended(solution.solution)
            if ended is None:
                continue
            if solution.is_correct != (ended.result == reference.result):
                raise ValueError(f"{name}: is_correct is {solution.is_correct}, but its result is {ended.result}")
            (right if solution.is_correct else wrong).append(ended)
        if self.options.asks == "candidates":
            yield from _candidates(f"test-{row.number}", problem.question, reference.result, [*right, *wrong], seed)
            return
        if self.options.right == "reference":
            right = [reference]
        if not right or not wrong:
            return
        name = f"test-{row.number}"
        sides = (
            draw(seed, "gsm8k", "right solution", name).choice(right),
            draw(seed, "gsm8k", "wrong solution", name).choice(wrong),
        )
        answers = tuple(Answer(text=side.result, solution=side.steps or None) for side in sides)
        yield Item(question=Question(id=name, prompt=problem.question, answers=answers), gold=0)

    def _solutions(self, row: Row) -> Iterator[tuple[str, _Solution]]:
        for name in _MODELS:
            if name not in row.fields:
                raise ValueError(f"there is no field '{name}'")
            try:
                yield name, _Solution.model_validate(row.fields[name])
            except ValueError:
                raise ValueError(f"field '{name}' is not a solution with is_correct") from None

    def _ended(self, text: str) -> _Ended | None:
        """Steps and final result; None where there is no result."""
        if not self.options.calculator:
            text = _CALCULATOR.sub("", text)
        steps, mark, result = f"\n{text}".rpartition("\nA:")
        return _Ended(steps.strip(), _plain(result)) if mark and result.strip() else None


def _candidates(name: str, problem: str, truth: str, solutions: list[_Ended], seed: int) -> Iterator[Item]:
    """The question which result is right; none if there is no result."""
    if not solutions:
        return
    # Sorted first, so that the order drawn is of the results and solutions alone and not of who wrote them.
    solutions = sorted(solutions)
    draw(seed, "gsm8k", "order of solutions", name).shuffle(solutions)
    results = sorted({solution.result for solution in solutions})
    draw(seed, "gsm8k", "order of results", name).shuffle(results)
    question = Question(
        id=name,
        prompt=problem,
        answers=tuple(Answer(text=text) for text in (*results, _NONE)),
        worked=tuple(Worked(answer=results.index(each.result), steps=split_steps(each.steps)) for each in solutions),
    )
    yield Item(question=question, gold=results.index(truth) if truth in results else len(results))


def _plain(result: str) -> str:
    """A result with numbers written one way: no dollar sign, no thousands separator, no trailing zeros."""
    bare = result.strip().lstrip("$").replace(",", "")
    try:
        number = Decimal(bare)
    except InvalidOperation:
        return result.strip()
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        return result.strip()
    return f"{number.normalize():f}" if number else "0"
