"""The tree and its budget by themselves: what is shared, what would go round in circles, what fits."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oversight import Message
from oversight.core.message import Kind
from oversight.protocols.amplification import tree as module
from oversight.protocols.amplification.tree import Node, Tree, TreeBudget

ROOT = "Which one was named?"
WORDS = (ROOT, "which ONE was  named", "Is it a mill?", "is it a mill!", "Is it old?", "Where?", "Who?", "who", "Why?")

divisions = st.lists(st.lists(st.sampled_from(WORDS), max_size=4), min_size=1, max_size=30)


def grown(lists: Sequence[Sequence[str]], *, depth: int, memo: bool) -> Tree:
    """Divide level by level, each node into the next list; the last list is for all that are left."""
    tree = Tree(ROOT, memo=memo)
    level, turn = [tree.root], 0
    for _ in range(depth):
        below = []
        for node in level:
            if node.how != "cycle":
                below += tree.divide(node, lists[min(turn, len(lists) - 1)])
                turn += 1
        level = below
    return tree


def answered(tree: Tree) -> list[Node]:
    """Answer what can be answered until nothing can; the nodes in the order of their answers."""
    done: list[Node] = []
    while ready := tree.ready:
        for node in ready:
            node.answer = Message(author=node.name, audience=(), kind=Kind.DRAFT, text=node.question)
        done += ready
        assert len(done) <= len(tree.nodes), "a node was answered twice"
    return done


def divided(tree: Tree, table: Mapping[str, Sequence[str]]) -> None:
    """Divide the nodes of a tree as a table of node names says, in its order."""
    for name, questions in table.items():
        (node,) = (node for node in tree.nodes if node.name == name)
        tree.divide(node, questions)


def states(tree: Tree) -> dict[str, tuple[str, str | None]]:
    return {node.name: (node.how, node.same_as.name if node.same_as else None) for node in tree.nodes}


# --- trees at random


@settings(deadline=None, max_examples=300)
@given(lists=divisions, depth=st.integers(0, 4), memo=st.booleans())
def test_every_tree_is_answered_and_nothing_waits_for_itself(lists: list[list[str]], depth: int, memo: bool) -> None:
    tree = grown(lists, depth=depth, memo=memo)
    done = answered(tree)
    for node in tree.nodes:
        if node.children and node is not tree.root:
            assert all(done.index(child.source) < done.index(node) for child in node.children)
        if node is not tree.root or not node.children:
            assert node.source.answer is not None
        assert node.depth <= depth
        assert not any(child.needs(node) for child in node.children)


@settings(deadline=None, max_examples=300)
@given(lists=divisions, depth=st.integers(0, 4))
def test_with_memo_no_two_that_are_answered_are_equal_but_for_circles(lists: list[list[str]], depth: int) -> None:
    tree = grown(lists, depth=depth, memo=True)
    keys = [node.key for node in tree.nodes if node.how not in ("memo", "cycle")]
    assert len(keys) == len(set(keys))
    for node in tree.nodes:
        if node.how in ("memo", "cycle"):
            assert node.same_as is not None
            assert node.same_as.key == node.key
            assert node.same_as.how != "memo", "shared answers are those of the node that has one"
        if node.how == "cycle":
            assert node.children == []


@settings(deadline=None, max_examples=300)
@given(lists=divisions, depth=st.integers(0, 4))
def test_without_memo_nothing_is_shared_and_what_equals_an_ancestor_is_a_circle(
    lists: list[list[str]], depth: int
) -> None:
    tree = grown(lists, depth=depth, memo=False)
    for node in tree.nodes:
        above, keys = node.parent, {}
        while above is not None:
            keys[above.key], above = above, above.parent
        assert node.how == ("cycle" if node.key in keys else "decomposed" if node.children else "leaf")
        assert (node.same_as is None) == (node.how != "cycle")


# --- what is equal


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Is it old?", "is it OLD", True),
        ("Is it old?", "  Is  it\n\told ?! ", True),
        ("Is it old.", "Is it old...", True),
        ("STRASSE?", "straße", True),
        ("Is it old?", "“Is it old?”", True),
        ('"Is it old"', "Is it\u200b old?", True),
        ("What is f'?", "What is f?", False),
        ("Is it old?", "Is it cold?", False),
        ("Is it (old)?", "Is it old?", False),
        ("What is 2 - 1?", "What is 2 + 1?", False),
    ],
)
def test_what_counts_as_the_same_question(one: str, other: str, equal: bool) -> None:
    tree = Tree(ROOT, memo=True)
    tree.divide(tree.root, [one, other])
    assert states(tree)["2"] == (("memo", "1") if equal else ("leaf", None))


def test_a_question_is_shared_with_the_first_that_asked_it_wherever_that_stands() -> None:
    tree = Tree(ROOT, memo=True)
    divided(tree, {"0": ["A", "B", "C"], "1": ["x", "C"], "2": ["X?", "y"]})
    found = states(tree)
    assert found["1.2"] == ("memo", "3")
    assert found["2.1"] == ("memo", "1.1")
    assert found["2.2"] == ("leaf", None)


@pytest.mark.parametrize("again", ["Is it old?", "is it old"])
def test_without_memo_what_is_asked_twice_in_one_breath_is_two_nodes(again: str) -> None:
    tree = Tree(ROOT, memo=False)
    new = tree.divide(tree.root, ["Is it old?", again])
    assert [node.name for node in new] == ["1", "2"]


# --- circles


@pytest.mark.parametrize("memo", [True, False])
def test_a_question_that_equals_the_whole_or_an_ancestor_is_a_circle(memo: bool) -> None:
    tree = Tree(ROOT, memo=memo)
    divided(tree, {"0": [ROOT.upper(), "A"], "2": ["B"], "2.1": ["a?"]})
    found = states(tree)
    assert found["1"] == ("cycle", "0")
    assert found["2.1.1"] == ("cycle", "2")


def test_siblings_that_need_each_other() -> None:
    tree = Tree(ROOT, memo=True)
    divided(tree, {"0": ["A", "B"], "1": ["b"], "2": ["a"]})
    # The first shares; with that, the second would wait for itself.
    assert (states(tree)["1.1"], states(tree)["2.1"]) == (("memo", "2"), ("cycle", "1"))
    assert [node.name for node in answered(tree)] == ["2.1", "2", "1"]


def test_siblings_that_need_each_other_without_memo_go_round_one_level_further_down() -> None:
    tree = Tree(ROOT, memo=False)
    divided(tree, {"0": ["A", "B"], "1": ["B"], "2": ["A"], "1.1": ["A"], "2.1": ["B"]})
    found = states(tree)
    assert (found["1.1"][0], found["2.1"][0]) == ("decomposed", "decomposed")
    assert (found["1.1.1"], found["2.1.1"]) == (("cycle", "1"), ("cycle", "2"))


@pytest.mark.parametrize("length", [2, 3, 5])
def test_longer_circles(length: int) -> None:
    tree = Tree(ROOT, memo=True)
    names = [f"Q{n}" for n in range(length)]
    divided(tree, {"0": names} | {str(n + 1): [names[(n + 1) % length]] for n in range(length)})
    found = states(tree)
    assert [found[f"{n + 1}.1"][0] for n in range(length)] == ["memo"] * (length - 1) + ["cycle"]
    assert len(answered(tree)) == length + 1


def test_a_circle_through_shared_answers_far_apart() -> None:
    tree = Tree(ROOT, memo=True)
    divided(tree, {"0": ["A", "B"], "1": ["C"], "2": ["D"], "1.1": ["d"], "2.1": ["E"], "2.1.1": ["c"]})
    assert states(tree)["1.1.1"] == ("memo", "2.1")
    assert states(tree)["2.1.1.1"] == ("cycle", "1.1")
    assert tree.ready


class _TooMany(Exception):
    pass


def test_looking_for_circles_takes_steps_like_the_size_of_the_tree_not_like_its_paths() -> None:
    """Levels that share all their questions have few nodes and very many paths."""
    breadth, depth = 8, 8
    tree = Tree(ROOT, memo=True)
    level = tree.divide(tree.root, [*(f"1 {n}" for n in range(breadth - 1)), "x 1"])
    for below in range(2, depth):
        lists = {"x": [f"x {below}"]}
        shared = [f"{below} {n}" for n in range(breadth - 1)]
        level = [new for node in level for new in tree.divide(node, lists.get(node.question[0], shared))]
    (apart,) = (node for node in level if node.question.startswith("x"))
    left = 20 * len(tree.nodes) * breadth

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal left
        left -= event == "call" and frame.f_code.co_filename == module.__file__
        if left < 0:
            raise _TooMany

    sys.setprofile(count)
    try:
        tree.divide(apart, ["1 0"])
    finally:
        sys.setprofile(None)
    assert states(tree)[f"{apart.name}.1"] == ("memo", "1")


# --- budgets


def needed(shape: Sequence[tuple[bool, int]], per_leaf: int) -> int:
    """Calls of a tree: for each node, whether it was asked to divide, and into how many new ones."""
    inner = sum(1 for asked, new in shape if asked)
    together = sum(1 for asked, new in shape[1:] if asked and new)
    leaves = sum(1 for _, new in shape if not new)
    return inner + together + leaves * per_leaf + 1


@settings(deadline=None, max_examples=500)
@given(
    calls=st.integers(5, 60),
    per_leaf=st.sampled_from([1, 3]),
    breadth=st.integers(1, 6),
    wanted=st.lists(st.integers(0, 6), max_size=30),
)
def test_what_was_admitted_never_needs_more_than_the_budget(
    calls: int, per_leaf: int, breadth: int, wanted: list[int]
) -> None:
    budget = TreeBudget(calls, None, per_leaf)
    shape = [(False, 0)]
    for node, count in enumerate(wanted):
        if node >= len(shape):
            break
        if budget.admits(breadth, 0, 0, root=node == 0):
            new = min(count, breadth)
            budget.settle(breadth, new, root=node == 0, divided=new > 0)
            shape[node] = (True, new)
            shape += [(False, 0)] * new
        else:
            # It is refused only where it might not have fitted.
            worst = [*shape, *[(False, 0)] * breadth]
            worst[node] = (True, breadth)
            assert needed(worst, per_leaf) > calls
        assert needed(shape, per_leaf) <= calls


def test_a_division_into_shared_questions_alone_costs_the_asking_and_the_putting_together() -> None:
    # Root divided into two (1 + 2 leaves + verdict = 4), then one of those into none that is new: 4 - 1 + 2 = 5.
    budget = TreeBudget(8, None, per_leaf=1)
    for breadth, new, root in ((2, 2, True), (3, 0, False)):
        assert budget.admits(breadth, 0, 0, root=root)
        budget.settle(breadth, new, root=root, divided=True)
    assert budget.admits(2, 0, 0, root=False)  # 5 - 1 + 2 + 2 = 8
    assert not budget.admits(1, 0, 0, root=False)


def test_tokens_to_come_are_taken_to_be_as_many_as_the_mean_of_those_before() -> None:
    # With three calls made of 100 tokens each, dividing the root into two needs four calls in all.
    assert TreeBudget(64, 400, 1).admits(2, 3, 300, root=True)
    assert not TreeBudget(64, 399, 1).admits(2, 3, 300, root=True)


def test_nothing_more_is_asked_once_the_tokens_are_used_up() -> None:
    assert [TreeBudget(64, 300, 1).spent(tokens) for tokens in (299, 300, 301)] == [False, True, True]
    assert not TreeBudget(64, None, 1).spent(10**9)
