"""A tree of sub-questions: which are the same, which would go round in circles, and what still fits the budget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from oversight import Message, Seat, UsageError, same_question

__all__ = ["How", "Node", "Tree", "TreeBudget"]

How = Literal["decomposed", "leaf", "budget", "cycle", "memo", "unanswered"]
"""How a node got its answer.

decomposed: put together from sub-answers. leaf: from an assistant, because the tree is as deep as it may be or the
overseer saw nothing to divide. budget: from an assistant, because dividing it might have exceeded the budget. cycle:
from an assistant, because answering it would have needed its own answer. memo: an equal question's. unanswered: not at
all, because the token budget was used up.
"""


@dataclass(eq=False)
class Node:
    """One question of the tree.

    Attributes:
        name: ``0`` for the question itself, ``2`` for its second sub-question, ``2.1`` for that one's first…
        question: its text.
        parent: the node whose question it is part of; None for the question itself.
        how: how it gets its answer.
        same_as: the node whose answer it shares (memo), or which it repeats (cycle).
        children: its sub-questions, in order.
        overseer: who divides it, and puts the answers together.
        assistant: who answered it; for a divided one, its overseer.
        answer: what its parent is told.
        agreed: whether two independent answers to it agree; None if only one was asked for.
        seats: everybody who worked on it alone.
    """

    name: str
    question: str
    parent: Node | None = None
    how: How = "leaf"
    same_as: Node | None = None
    children: list[Node] = field(default_factory=list)
    overseer: Seat | None = None
    assistant: Seat | None = None
    answer: Message | None = None
    agreed: bool | None = None
    seats: list[str] = field(default_factory=list)

    @property
    def depth(self) -> int:
        """How many divisions lie above it."""
        return 0 if self.parent is None else self.parent.depth + 1

    @property
    def key(self) -> str:
        """What equal questions share."""
        return same_question(self.question)

    @property
    def source(self) -> Node:
        """The node that is really answered: itself, or the one it equals."""
        return self.same_as if self.how == "memo" and self.same_as is not None else self

    def needs(self, other: Node) -> bool:
        """Whether answering this node takes ``other``'s answer."""
        waiting, seen = [self.source], {self.source}
        while waiting:
            node = waiting.pop()
            if node is other.source:
                return True
            below = {child.source for child in node.children} - seen
            seen |= below
            waiting += below
        return False


class Tree:
    """The nodes of one episode in the order in which they came up.

    Args:
        question: what the root asks.
        memo: whether equal sub-questions share one answer.
    """

    def __init__(self, question: str, *, memo: bool) -> None:
        self.root = Node("0", question)
        self.nodes: list[Node] = []
        self._memo = memo
        self._equal: defaultdict[str, list[Node]] = defaultdict(list)
        self._add(self.root)

    def divide(self, node: Node, questions: Sequence[str]) -> list[Node]:
        """Give a node its sub-questions and return those that are not being answered yet.

        A sub-question that equals another one shares its answer. It goes to an assistant as it is, undivided, if
        that answer depends on this very node: two questions that need each other would never be answered.
        """
        new = []
        for question in (text.strip() for text in questions):
            place = len(node.children) + 1
            child = Node(str(place) if node is self.root else f"{node.name}.{place}", question, node)
            equal = [other for other in self._equal[child.key] if other.how != "memo"]
            usable = next((other for other in equal if not other.needs(node)), None) if self._memo else None
            around = next((other for other in equal if other.needs(node)), None)
            if usable is not None:
                child.how, child.same_as = "memo", usable
            else:
                if around is not None:
                    child.how, child.same_as = "cycle", around
                new.append(child)
            self._add(child)
            node.children.append(child)
        if node.children:
            node.how = "decomposed"
        return new

    def _add(self, node: Node) -> None:
        self.nodes.append(node)
        self._equal[node.key].append(node)

    @property
    def asked(self) -> list[Node]:
        """The nodes that an assistant answers."""
        return [node for node in self.nodes if node.how in ("leaf", "budget", "cycle")]

    @property
    def ready(self) -> list[Node]:
        """The nodes, but for the question itself, that can be answered now and are not yet."""
        return [
            node
            for node in self.nodes
            if node.how not in ("memo", "unanswered")
            and node.answer is None
            and (node is not self.root or node.how != "decomposed")
            and all(child.source.answer or child.source.how == "unanswered" for child in node.children)
        ]


class TreeBudget:
    """Model calls and tokens that one tree may take.

    Every call that the tree as it stands will need is reserved before anything is divided further, so a limit on
    calls is never exceeded. Tokens are not known in advance: the calls to come are taken to need as many as the mean
    of those before. Calls whose replies could not be used do not count, so that an interrupted episode, which does
    not repeat them, grows the same tree.

    Args:
        calls: at most, for everything up to and including the verdict.
        tokens: of prompts and replies together; None is no limit.
        per_leaf: calls that one direct answer takes.
        verdict: calls that the verdict takes.

    Raises:
        UsageError: not even one direct answer and the verdict fit.
    """

    def __init__(self, calls: int, tokens: int | None, per_leaf: int, verdict: int = 1) -> None:
        self._calls = calls
        self._tokens = tokens
        self._per_leaf = per_leaf
        self._reserved = per_leaf + verdict
        """The root's direct answer, and the verdict."""
        if self._reserved > calls:
            needs = f"one direct answer ({per_leaf}) and the verdict ({verdict})"
            raise UsageError(f"calls ({calls}) must be at least {self._reserved}, for {needs}")

    def admits(self, breadth: int, made: int, tokens: int, *, root: bool) -> bool:
        """Reserve what dividing one leaf into ``breadth`` more may take, if that fits.

        Args:
            breadth: sub-questions at most.
            made: calls made so far, and the ``tokens`` they took.
            tokens: see ``made``.
            root: whether the leaf is the question itself, which takes the verdict to put its answers together.
        """
        wanted = self._reserved + self._growth(breadth, root)
        mean = tokens / made if made else 0.0
        if wanted > self._calls or (self._tokens is not None and tokens + mean * (wanted - made) > self._tokens):
            return False
        self._reserved = wanted
        return True

    def settle(self, breadth: int, new: int, *, root: bool, divided: bool) -> None:
        """Give back what a division did not need: it led to ``new`` leaves, or was no division at all."""
        self._reserved -= self._growth(breadth, root)
        self._reserved += self._growth(new, root) if divided else 1

    def spent(self, tokens: int) -> bool:
        """Whether nothing further may be asked but the verdict."""
        return self._tokens is not None and tokens >= self._tokens

    def _growth(self, leaves: int, root: bool) -> int:
        """Calls that dividing one leaf into others adds: the division, putting together, and the leaves for the one."""
        return 1 + (not root) + (leaves - 1) * self._per_leaf
