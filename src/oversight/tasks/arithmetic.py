"""Generated sums, worked out line by line by a solver whose slips are known."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple, TypeAlias

from pydantic import Field

from oversight.core.question import Answer, Item, Question, Worked
from oversight.tasks.expressions import (
    SIGNS,
    Operation,
    Path,
    Tree,
    at,
    numbers,
    operations,
    put,
    ready,
    value,
    written,
)
from oversight.tasks.task import Task
from oversight.util.digest import draw

__all__ = ["Arithmetic"]

_NONE = "None of these"
_LARGEST_PRODUCT = 999
_NEGATIVE = 0.15


class _Line(NamedTuple):
    """One step: an operation, the result stated for it, and the expression that is left."""

    operation: Operation
    result: int
    left: Tree

    def __str__(self) -> str:
        said = f"{written(self.operation)} = {self.result}"
        return f"{said}, so the {'answer' if isinstance(self.left, int) else 'expression'} is {written(self.left)}"


class _Solution(NamedTuple):
    lines: tuple[_Line, ...]
    mistake: int | None

    @property
    def result(self) -> int:
        """What it ends in."""
        last = self.lines[-1].left
        assert isinstance(last, int)
        return last


class Arithmetic(Task):
    """What does this expression come to? Several solutions to check, some with a slip, by a solver made here.

    Every step works out one operation: "3 * 4 = 12, so the expression is (12 + 5) - 7". At each step the solver
    may slip: it forgets a carry or a borrow, loses a sign, reads an operator as another one, or leaves a term
    out as it copies the rest; it then goes on with what it has. So the first wrong step is known, also where the
    result is right all the same, which ``ends_right`` makes common. A step is right if it replaces one operation
    of the line before by its value and changes nothing else. The answers are the results in an order drawn, and
    "None of these". There is no hidden material. Each question is its own cluster.
    """

    name: ClassVar[str] = "arithmetic"

    class Options(Task.Options):
        """How many questions, how long, and how often solutions err."""

        questions: int = Field(100, ge=1, le=100_000, description="how many; a larger set contains a smaller one")
        operations: int = Field(
            5, ge=2, le=30, description="operations in an expression, one step each unless a term is left out"
        )
        largest: int = Field(20, ge=2, le=999, description="largest number in an expression; a few are negative")
        solutions: int = Field(
            8, ge=1, le=25, description="solutions per question; more of them begin with the same ones"
        )
        slip_rate: float = Field(0.1, ge=0, le=1, description="how likely each step is to be a slip")
        ends_right: float = Field(
            0.2,
            ge=0,
            le=1,
            description="how likely a solution with a slip ends in the right result all the same, because its last "
            "line states that whatever stands there; few slips make up for each other by chance",
        )

    def items(self, seed: int) -> Iterator[Item]:
        """Generate the questions; each depends on the seed, its number and the options besides ``questions``."""
        options = self.options
        for number in range(options.questions):
            rng = draw(seed, "arithmetic", "expression", number)
            problem = _expression(rng, options.operations, options.largest)
            # Each is drawn alike and for itself, so their order tells nothing about which are right.
            solutions = [
                _solved(
                    draw(seed, "arithmetic", "solution", number, place), problem, options.slip_rate, options.ends_right
                )
                for place in range(options.solutions)
            ]
            results = sorted({solution.result for solution in solutions})
            draw(seed, "arithmetic", "order of results", number).shuffle(results)
            truth = value(problem)
            question = Question(
                id=f"question-{number}",
                prompt=f"Calculate: {written(problem)}",
                answers=tuple(Answer(text=text) for text in (*map(str, results), _NONE)),
                worked=tuple(
                    Worked(answer=results.index(each.result), steps=tuple(map(str, each.lines))) for each in solutions
                ),
            )
            yield Item(
                question=question,
                gold=results.index(truth) if truth in results else len(results),
                mistakes=tuple(solution.mistake for solution in solutions),
            )


def _expression(rng: random.Random, count: int, largest: int) -> Tree:
    """An expression with so many operations; products are small enough to be worked out by hand."""
    if count == 0:
        number = rng.randint(1, largest)
        return -number if rng.random() < _NEGATIVE else number
    before = rng.randrange(count)
    left = _expression(rng, before, largest)
    right = _expression(rng, count - 1 - before, largest)
    sign = rng.choice(SIGNS)
    if sign == "*" and abs(value(left) * value(right)) > _LARGEST_PRODUCT:
        sign = rng.choice(SIGNS[:2])
    return Operation(sign, left, right)


def _solved(rng: random.Random, problem: Tree, slip_rate: float, ends_right: float) -> _Solution:
    """Work an expression out, operation by operation in an order drawn, with slips."""
    truth = value(problem)
    lines: list[_Line] = []
    mistake: int | None = None
    while isinstance(problem, Operation):
        path = rng.choice(list(ready(problem)))
        line = None
        if rng.random() < slip_rate:
            slips: list[_Slip] = [_misread, _miscarried, _unsigned, _dropped]
            rng.shuffle(slips)
            line = next((made for slip in slips if (made := slip(rng, problem, path)) is not None), None)
            if line is not None and mistake is None:
                mistake = len(lines)
        if line is None:
            operation = at(problem, path)
            line = _Line(operation, value(operation), put(problem, path, value(operation)))
        lines.append(line)
        problem = line.left
    if mistake is not None and mistake < len(lines) - 1 and rng.random() < ends_right:
        lines[-1] = _Line(lines[-1].operation, truth, truth)
    return _Solution(tuple(lines), mistake)


# A slip takes the expression and the place of the operation to work out, and makes a wrong line of it, or
# None where it could not be made there or would change nothing.
_Slip: TypeAlias = Callable[[random.Random, Tree, Path], _Line | None]


def _misread(rng: random.Random, problem: Tree, path: Path) -> _Line | None:
    """Read the operator as another one."""
    right = at(problem, path)
    others = [Operation(sign, right.left, right.right) for sign in SIGNS if sign != right.sign]
    others = [other for other in others if value(other) != value(right)]
    if not others:
        return None
    read = rng.choice(others)
    return _Line(read, value(read), put(problem, path, value(read)))


def _miscarried(rng: random.Random, problem: Tree, path: Path) -> _Line | None:
    """Forget one carry, or one borrow."""
    operation = at(problem, path)
    left, right = numbers(operation)
    if operation.sign == "*":
        lost = [-each for each in _carried_in_product(abs(left), abs(right))]
    elif (left < 0) == (right < 0) if operation.sign == "+" else (left < 0) != (right < 0):
        lost = [-each for each in _carried_in_sum(abs(left), abs(right))]
    else:
        lost = _borrowed(max(abs(left), abs(right)), min(abs(left), abs(right)))
    if not lost:
        return None
    size = abs(value(operation)) + rng.choice(lost)
    return _stated(problem, path, -size if value(operation) < 0 else size)


def _unsigned(rng: random.Random, problem: Tree, path: Path) -> _Line | None:
    """Lose the sign of a negative number that goes in or comes out."""
    operation = at(problem, path)
    left, right = numbers(operation)
    wrong = {
        value(Operation(operation.sign, abs(left), right)),
        value(Operation(operation.sign, left, abs(right))),
        abs(value(operation)),
    } - {value(operation)}
    return _stated(problem, path, rng.choice(sorted(wrong))) if wrong else None


def _dropped(rng: random.Random, problem: Tree, path: Path) -> _Line | None:
    """Work the operation out, but leave a number out of the rest while copying it."""
    operation = at(problem, path)
    rest = put(problem, path, value(operation))
    without = []
    for place, node in operations(rest):
        for dropped, kept in ((node.left, node.right), (node.right, node.left)):
            came_from = (*place, 0 if dropped is node.left else 1)
            if isinstance(dropped, int) and came_from != path and value(kept) != value(node):
                without.append(put(rest, place, kept))
    return _Line(operation, value(operation), rng.choice(without)) if without else None


def _stated(problem: Tree, path: Path, result: int) -> _Line:
    return _Line(at(problem, path), result, put(problem, path, result))


def _carried_in_sum(left: int, right: int) -> list[int]:
    """What each carry adds where two numbers are added by columns."""
    found, carry, column = [], 0, 1
    while left or right:
        carry = (left % 10 + right % 10 + carry) // 10
        left, right, column = left // 10, right // 10, column * 10
        if carry:
            found.append(column)
    return found


def _borrowed(left: int, right: int) -> list[int]:
    """What each borrow takes where a number is subtracted by columns from one that is not smaller."""
    found, borrow, column = [], 0, 1
    while left:
        borrow = int(left % 10 - borrow < right % 10)
        left, right, column = left // 10, right // 10, column * 10
        if borrow:
            found.append(column)
    return found


def _carried_in_product(left: int, right: int) -> list[int]:
    """What each carry adds where the larger number is multiplied by the last digit of the smaller one."""
    digit, number = min(left, right) % 10, max(left, right)
    found, carry, column = [], 0, 1
    while number:
        carry = (number % 10 * digit + carry) // 10
        number, column = number // 10, column * 10
        if carry:
            found.append(carry * column)
    return found
