"""Generated sums: what the lines say is proved by an evaluator of its own."""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from oversight.core.question import Item, Worked
from oversight.tasks.arithmetic import Arithmetic

LINE = re.compile(r"(.+) = (-?\d+), so the (answer|expression) is (.+)")
DOES = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
PROBLEM = "Calculate: "


def items(seed: int = 0, **options: Any) -> list[Item]:
    return list(Arithmetic(Arithmetic.Options(**options)).items(seed))


def parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def value(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -value(inner)
        case ast.BinOp(left=left, op=sign, right=right):
            return int(DOES[type(sign)](value(left), value(right)))
    raise AssertionError(ast.dump(node))


def operations(node: ast.AST) -> list[ast.BinOp]:
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.BinOp)]


def one_step_on(text: str) -> Iterator[tuple[str, int, str]]:
    """Every right next line: the operation, its value, and the expression that is left, in a spelling of its own."""
    whole = parsed(text)
    for node in operations(whole):
        if operations(node.left) or operations(node.right):
            continue
        start, end = node.col_offset, node.end_col_offset
        assert end is not None
        if start and text[start - 1] == "(":
            start, end = start - 1, end + 1
        yield (
            ast.dump(node),
            value(node),
            ast.dump(parsed(f"{text[:start]}({value(node)}){text[end:]}")),
        )


def first_mistake(problem: str, worked: Worked) -> int | None:
    """The first line that is not a right one after the line before it."""
    before = problem
    for place, step in enumerate(worked.steps):
        found = LINE.fullmatch(step)
        assert found, step
        done, result, _, left = found.groups()
        if (ast.dump(parsed(done)), int(result), ast.dump(parsed(left))) not in set(one_step_on(before)):
            return place
        before = left
    return None


def problem(item: Item) -> str:
    return item.question.prompt.removeprefix(PROBLEM)


def ends(item: Item, worked: Worked) -> str:
    return item.question.answers[worked.answer].text


MANY = [
    {"questions": 40},
    {"questions": 40, "slip_rate": 0.4, "ends_right": 0.5},
    {"questions": 40, "slip_rate": 1.0, "operations": 2, "largest": 2, "solutions": 12},
    {"questions": 20, "slip_rate": 0.2, "operations": 9, "largest": 999},
    {"questions": 20, "slip_rate": 0.0, "operations": 12},
]


@pytest.mark.parametrize("options", MANY, ids=range(len(MANY)))
def test_another_evaluator_proves_the_gold_answer_and_every_first_mistake(options: dict[str, Any]) -> None:
    for seed in (0, 1):
        for item in items(seed, **options):
            truth = str(value(parsed(problem(item))))
            answers = [answer.text for answer in item.question.answers]
            assert answers[-1] == "None of these"
            assert answers[item.gold] == (truth if truth in answers else "None of these")
            assert set(answers[:-1]) == {ends(item, worked) for worked in item.question.worked}
            proved = tuple(first_mistake(problem(item), worked) for worked in item.question.worked)
            assert item.mistakes == proved


@pytest.mark.parametrize("options", MANY, ids=range(len(MANY)))
def test_a_solution_goes_on_from_what_it_has_and_ends_in_its_answer(options: dict[str, Any]) -> None:
    for item in items(**options):
        for worked in item.question.worked:
            lines = [LINE.fullmatch(step) for step in worked.steps]
            kinds = [line[3] for line in lines if line]
            assert kinds == ["expression"] * (len(lines) - 1) + ["answer"]
            assert lines[-1] is not None
            assert lines[-1][4] == ends(item, worked)
            left = [len(operations(parsed(line[4]))) for line in lines if line]
            count = len(operations(parsed(problem(item))))
            assert all(1 <= before - after <= 2 for before, after in zip([count, *left], left, strict=False))


def test_without_slips_all_is_right() -> None:
    for item in items(questions=80, slip_rate=0):
        assert set(item.mistakes) == {None}
        assert len(item.question.answers) == 2
        assert item.gold == 0
        assert all(len(worked.steps) == 5 for worked in item.question.worked)


def first_slips(**options: Any) -> Iterator[tuple[str, str]]:
    """The expression before each first mistake, and the line with the mistake."""
    for item in items(**options):
        for worked, mistake in zip(item.question.worked, item.mistakes, strict=True):
            if mistake is not None:
                before = LINE.fullmatch(worked.steps[mistake - 1]) if mistake else None
                yield before[4] if before else problem(item), worked.steps[mistake]


def test_every_kind_of_slip_is_made() -> None:
    kinds = Counter(kind_of(before, step) for before, step in first_slips(questions=150, slip_rate=0.2, largest=60))
    assert set(kinds) == {"misread", "dropped", "carried", "borrowed", "multiplied", "sign"}
    assert min(kinds.values()) > 0.02 * kinds.total()


def kind_of(before: str, step: str) -> str:
    found = LINE.fullmatch(step)
    assert found
    done, result, _, left = found.groups()
    node, said = operations(parsed(done))[0], int(result)
    if ast.dump(node) not in {there for there, _, _ in one_step_on(before)}:
        assert value(node) == said
        return "misread"
    if len(operations(parsed(left))) == len(operations(parsed(before))) - 2:
        assert value(node) == said
        return "dropped"
    one, other = value(node.left), value(node.right)
    does = DOES[type(node.op)]
    if said in {abs(value(node)), does(abs(one), other), does(one, abs(other))}:
        return "sign"
    lost = abs(value(node)) - (said if value(node) > 0 else -said)
    assert lost in forgotten(node), step
    return "borrowed" if lost < 0 else "multiplied" if isinstance(node.op, ast.Mult) else "carried"


def forgotten(node: ast.BinOp) -> set[int]:
    """What every carry of this operation adds, or every borrow takes, from what stands right of each column."""
    big, small = sorted((abs(value(node.left)), abs(value(node.right))), reverse=True)
    columns = [10**place for place in range(1, 8)]
    if isinstance(node.op, ast.Mult):
        return {big % column * (small % 10) // column * column for column in columns}
    if abs(value(node)) == big + small:
        return {column for column in columns if big % column + small % column >= column}
    return {-column for column in columns if big % column < small % column}


@pytest.mark.parametrize("kind", ["carried", "borrowed"])
def test_a_carry_that_comes_from_a_carry_is_forgotten_too(kind: str) -> None:
    def comes_of_another(before: str, step: str) -> bool:
        if kind_of(before, step) != kind:
            return False
        found = LINE.fullmatch(step)
        assert found
        node, said = operations(parsed(found[1]))[0], abs(int(found[2]))
        big, small = sorted((abs(value(node.left)), abs(value(node.right))), reverse=True)
        column = abs(abs(value(node)) - said) // 10
        there = big // column % 10, small // column % 10
        return sum(there) < 10 if kind == "carried" else there[0] >= there[1]

    slips = first_slips(questions=300, operations=2, slip_rate=0.5, ends_right=0, largest=999)
    assert sum(comes_of_another(before, step) for before, step in slips) > 3


@pytest.mark.parametrize("largest", [2, 20])
def test_every_slip_changes_what_it_touches(largest: int) -> None:
    for before, step in first_slips(questions=300, slip_rate=0.2, ends_right=0, largest=largest):
        parts = [node for node in ast.walk(parsed(before)) if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Constant)]
        found = LINE.fullmatch(step)
        assert found
        if all(value(node) for node in parts):  # nothing is lost in a product with 0
            assert value(parsed(found[4])) != value(parsed(before)), (before, step)


@pytest.mark.parametrize("ends_right", [0.0, 0.2, 1.0])
def test_right_results_by_a_wrong_step(ends_right: float) -> None:
    counts: Counter[tuple[bool, bool]] = Counter()
    for item in items(questions=400, solutions=5, ends_right=ends_right):
        truth = str(value(parsed(problem(item))))
        for worked, mistake in zip(item.question.worked, item.mistakes, strict=True):
            early = mistake is not None and mistake < len(worked.steps) - 1
            counts[early, ends(item, worked) == truth] += 1
    share = counts[True, True] / (counts[True, True] + counts[True, False])
    assert share == pytest.approx(ends_right, abs=0.05)
    if not ends_right:
        assert counts[True, True] > 0  # slips that make up for each other, or that meet a zero


def test_order_and_ids_tell_nothing() -> None:
    found = items(questions=400, solutions=4, slip_rate=0.15, ends_right=0)
    assert [item.question.id for item in found] == [f"question-{number}" for number in range(400)]
    places = Counter(place for item in found for place, mistake in enumerate(item.mistakes) if mistake is None)
    assert max(places.values()) - min(places.values()) < 60
    three = [item for item in found if len(item.question.answers) == 4 and item.gold < 3]
    assert len(three) > 60
    assert all(0.2 < sum(item.gold == place for item in three) / len(three) < 0.47 for place in range(3))
    ranks = Counter(
        sorted(int(answer.text) for answer in item.question.answers[:-1]).index(int(item.question.answers[0].text))
        for item in three
    )
    assert set(ranks) == {0, 1, 2}


def test_the_seed_decides_and_larger_sets_contain_smaller() -> None:
    assert items(questions=20) == items(questions=20)
    assert items(questions=20) == items(questions=35)[:20]
    assert items(questions=20) != items(seed=1, questions=20)
    few, many = items(questions=20, solutions=2), items(questions=20, solutions=5)
    for fewer, more in zip(few, many, strict=True):
        assert [worked.steps for worked in fewer.question.worked] == [worked.steps for worked in more.question.worked][
            :2
        ]
        assert fewer.question.prompt == more.question.prompt
    assert len({item.question.prompt for item in items(questions=300)}) == 300


def test_slips_do_not_change_the_questions() -> None:
    for options in ({"slip_rate": 0}, {"slip_rate": 0.5}, {"ends_right": 1}):
        asked = [item.question.prompt for item in items(questions=20, **options)]
        assert asked == [item.question.prompt for item in items(questions=20)]


@pytest.mark.parametrize("count", [2, 5, 30])
def test_expressions_are_as_long_as_asked(count: int) -> None:
    for item in items(questions=10, operations=count, largest=7, solutions=1):
        assert len(operations(parsed(problem(item)))) == count
        assert all(abs(int(number)) <= 7 for number in re.findall(r"-?\d+", problem(item)))


def test_as_many_solutions_as_there_can_be_answers() -> None:
    for item in items(questions=5, operations=30, slip_rate=0.5, ends_right=0, solutions=25):
        assert len(item.question.worked) == 25
        assert len(item.question.answers) <= 26


def test_unknown_options_are_refused() -> None:
    wrong = [{"operations": 1}, {"operations": 31}, {"solutions": 0}, {"solutions": 26}, {"slip_rate": 1.5}]
    for options in [*wrong, {"largest": 1}, {"questions": 0}, {"ends_right": -1}, {"slips": 1}]:
        with pytest.raises(ValidationError):
            Arithmetic.Options(**options)


def test_the_example_needs_nothing() -> None:
    item = Arithmetic.example()
    assert item is not None
    assert len(item.question.worked) == len(item.mistakes) == 8
