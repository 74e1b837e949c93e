"""Whole-number expressions as trees: their value, how they are written, and their parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["SIGNS", "Operation", "Path", "Tree", "at", "numbers", "operations", "put", "ready", "value", "written"]

Sign = Literal["+", "-", "*"]

SIGNS: tuple[Sign, ...] = ("+", "-", "*")


@dataclass(frozen=True)
class Operation:
    """A sign between two parts."""

    sign: Sign
    left: Tree
    right: Tree


Tree: TypeAlias = int | Operation

Path: TypeAlias = tuple[int, ...]
"""Where a part of an expression stands: 0 for left and 1 for right, from the whole downwards."""


def value(tree: Tree) -> int:
    """What an expression comes to."""
    if isinstance(tree, int):
        return tree
    left, right = value(tree.left), value(tree.right)
    return {"+": left + right, "-": left - right, "*": left * right}[tree.sign]


def written(tree: Tree, *, inside: bool = False) -> str:
    """An expression with every operation in parentheses but the last."""
    if isinstance(tree, int):
        return str(tree)
    text = f"{written(tree.left, inside=True)} {tree.sign} {written(tree.right, inside=True)}"
    return f"({text})" if inside else text


def operations(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Operation]]:
    """All operations and where they stand; ``path`` is where ``tree`` does."""
    if isinstance(tree, Operation):
        yield path, tree
        yield from operations(tree.left, (*path, 0))
        yield from operations(tree.right, (*path, 1))


def ready(tree: Tree) -> Iterator[Path]:
    """The operations on two numbers."""
    for path, node in operations(tree):
        if isinstance(node.left, int) and isinstance(node.right, int):
            yield path


def numbers(operation: Operation) -> tuple[int, int]:
    """The two sides of an operation on two numbers."""
    assert isinstance(operation.left, int)
    assert isinstance(operation.right, int)
    return operation.left, operation.right


def at(tree: Tree, path: Path) -> Operation:
    """The operation that stands there."""
    assert isinstance(tree, Operation)
    return at(tree.right if path[0] else tree.left, path[1:]) if path else tree


def put(tree: Tree, path: Path, new: Tree) -> Tree:
    """The expression with something else there."""
    if not path:
        return new
    assert isinstance(tree, Operation)
    if path[0]:
        return Operation(tree.sign, tree.left, put(tree.right, path[1:], new))
    return Operation(tree.sign, put(tree.left, path[1:], new), tree.right)
