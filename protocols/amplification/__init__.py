"""An overseer divides the question, assistants answer the parts, and the overseer puts the answers together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from oversight import Annotation, Distillable, Episode, Message, Protocol, Seat, Verdict

# Relative, because this folder is `protocols` in a checkout and `oversight.protocols` once installed.
from .tree import Node, Tree, TreeBudget

__all__ = ["Amplification"]

_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Comparison(BaseModel):
    """What an overseer says of two independent answers to one sub-question."""

    model_config = ConfigDict(extra="forbid")

    agree: bool


class Amplification(Distillable):
    """A weak overseer divides the question, strong assistants answer the parts, and the overseer decides.

    Factored cognition after Christiano, Shlegeris and Amodei (2018), in the form of Ought's "amplify" recipe. The
    overseer writes sub-questions; each is divided again, down to a depth, or answered by an assistant, who sees that
    sub-question alone and the material if it may; an overseer puts the answers to the parts of a question together,
    and the one of the whole question states its belief. Everybody sees only the question of its own node and
    the answers to its parts. Each node is an annotation of kind ``node``.
    """

    name = "amplification"
    roles = ("overseer", "strong")

    class Options(Protocol.Options):
        """The tree, its budget, and how far assistants are trusted."""

        depth: int = Field(
            1, ge=0, le=8, description="how often a question is divided; 0: an assistant answers it whole"
        )
        breadth: int = Field(3, ge=1, le=16, description="sub-questions of one question, at most")
        calls: int = Field(
            64,
            ge=4,
            le=4096,
            description="model calls of one episode at most, the verdict's and not the retries; what does not fit is "
            "answered directly",
        )
        tokens: int | None = Field(
            None,
            ge=1,
            description="tokens of one episode, about; what does not fit is answered directly or not at all",
        )
        memo: bool = Field(True, description="equal sub-questions are answered once")
        leaves_see_material: bool = Field(True, description="assistants read the material; overseers never do")
        verify: bool = Field(
            False, description="each direct answer is asked for twice, in different ways, and an overseer compares them"
        )
        adversary: Literal["none", "one", "all"] = Field(
            "none",
            description="assistants that are told to steer the overseer to an assigned answer, every answer in turn; "
            "with verify, the second of the two is honest",
        )

    async def run(self, episode: Episode) -> Verdict:
        """Grow the tree, answer it from its leaves upwards, and let the overseer of the whole decide."""
        tree = Tree(episode.question.prompt, memo=self.options.memo)
        overseer = self._overseer(episode, tree.root)
        per_leaf = 3 if self.options.verify else 1
        budget = TreeBudget(self.options.calls, self.options.tokens, per_leaf, overseer.belief_calls)
        await self._grow(episode, tree, budget)
        misled = self._misled(episode, tree)
        while ready := tree.ready:
            if budget.spent(_taken(episode)[1]):
                for node in ready:
                    node.how = "unanswered"
            else:
                await episode.gather(*(self._answer(episode, node, misled=node in misled) for node in ready))
        parts = tree.root.children or [tree.root]
        self._disclose(parts, overseer)
        verdict = await overseer.decide("decide", parts=_shown(parts), divided=bool(tree.root.children))
        return Verdict(belief=verdict.belief, annotations=tuple(_note(episode, node) for node in tree.nodes))

    async def answer_alone(self, episode: Episode, question: str, name: str = "assistant") -> tuple[Seat, Message]:
        """Have an assistant answer one question by itself, as at a leaf; the whole one it sees with its answers."""
        whole = question == episode.question.prompt
        seat = episode.seat(
            name,
            role="strong",
            brief="assistant",
            question=None if whole else question,
            whole=whole,
            sees_solutions=False,
            sees_material=self.options.leaves_see_material,
        )
        return seat, await seat.draft("answer", misled=False, question=question)

    async def _grow(self, episode: Episode, tree: Tree, budget: TreeBudget) -> None:
        """Divide level by level, so that what is equal, and what fits, does not depend on who answers first."""
        breadth = self.options.breadth
        level = [tree.root]
        while level and level[0].depth < self.options.depth:
            divided = []
            for node in level:
                if node.how == "cycle":
                    continue
                if budget.admits(breadth, *_taken(episode), root=node is tree.root):
                    divided.append(node)
                else:
                    node.how = "budget"
            found = await episode.gather(*(self._divide(episode, node) for node in divided))
            level = []
            for node, questions in zip(divided, found, strict=True):
                new = tree.divide(node, questions)
                budget.settle(breadth, len(new), root=node is tree.root, divided=bool(node.children))
                level += new

    async def _divide(self, episode: Episode, node: Node) -> Sequence[str]:
        """The sub-questions that a node's overseer writes."""
        breadth = self.options.breadth
        fields: Any = {"questions": (list[_Line], Field(max_length=breadth))}
        form = create_model("SubQuestions", __config__=ConfigDict(extra="forbid"), **fields)
        filled: Any = await self._overseer(episode, node).fill("decompose", form, turn=node.depth, breadth=breadth)
        return list(filled.questions)

    def _misled(self, episode: Episode, tree: Tree) -> list[Node]:
        """The nodes whose assistant is told to steer; which one it is depends on the draws, not on the answers."""
        asked = tree.asked
        if self.options.adversary == "one":
            return [episode.rng("adversary").choice(asked)]
        return asked if self.options.adversary == "all" else []

    async def _answer(self, episode: Episode, node: Node, *, misled: bool) -> None:
        if node.how == "decomposed":
            overseer = self._overseer(episode, node)
            self._disclose(node.children, overseer)
            node.assistant = overseer
            node.answer = await overseer.draft("recombine", turn=node.depth, parts=_shown(node.children))
            return
        ask = self._ask_adversary if misled else self._ask
        if not self.options.verify:
            node.assistant, node.answer = await ask(episode, node, f"assistant_{node.name}")
            return
        (node.assistant, node.answer), (second, other) = await episode.gather(
            ask(episode, node, f"assistant_{node.name}"), self._ask(episode, node, f"second_{node.name}", again=True)
        )
        verifier = episode.seat(f"verifier_{node.name}", role="overseer", brief="verifier", question=node.question)
        node.seats.append(verifier.name)
        node.assistant.disclose(node.answer.text, to=[verifier])
        second.disclose(other.text, to=[verifier])
        node.agreed = (await verifier.fill("compare", Comparison)).agree

    async def _ask(self, episode: Episode, node: Node, name: str, *, again: bool = False) -> tuple[Seat, Message]:
        node.seats.append(name)
        if not again:
            return await self.answer_alone(episode, node.question, name)
        seat = episode.seat(
            name,
            role="strong",
            brief="second",
            question=node.question if node.parent else None,
            sees_solutions=False,
            sees_material=self.options.leaves_see_material,
        )
        return seat, await seat.draft("answer", misled=False, question=node.question)

    async def _ask_adversary(self, episode: Episode, node: Node, name: str) -> tuple[Seat, Message]:
        node.seats.append(name)
        seat = episode.seat(
            name,
            role="strong",
            brief="adversary",
            argues=episode.assigned,
            sees_material=self.options.leaves_see_material,
            sees_solutions=False,
        )
        return seat, await seat.draft("answer", misled=True, question=node.question)

    def _overseer(self, episode: Episode, node: Node) -> Seat:
        """The overseer of one node, seated when it is first needed."""
        if node.overseer is None:
            root = node.parent is None
            name = "overseer" if root else f"overseer_{node.name}"
            node.overseer = episode.seat(
                name, role="overseer", brief="overseer" if root else "part", question=None if root else node.question
            )
            node.seats.append(name)
        return node.overseer

    def _disclose(self, parts: Sequence[Node], to: Seat) -> None:
        """Let an overseer read the answers to the parts of its question, each once."""
        for source in dict.fromkeys(part.source for part in parts):
            if source.assistant is not None and source.answer is not None:
                source.assistant.disclose(source.answer.text, to=[to], turn=source.depth)


def _shown(parts: Sequence[Node]) -> list[dict[str, Any]]:
    """What an overseer is told about each part: which seat answered it, if any, and whether a second answer agreed."""
    return [
        {
            "question": part.question,
            "by": part.source.assistant.name if part.source.assistant and part.source.answer else None,
            "agreed": part.source.agreed,
        }
        for part in parts
    ]


def _taken(episode: Episode) -> tuple[int, int]:
    """Calls that brought something usable so far, and their tokens; a count that is not known adds none."""
    used = [call for call in episode.calls if call.failure is None]
    return len(used), sum((call.prompt_tokens or 0) + (call.completion_tokens or 0) for call in used)


def _note(episode: Episode, node: Node) -> Annotation:
    """One node as the store keeps it; what an equal node cost is that node's."""
    source = node.source
    calls = [call for call in episode.calls if call.seat in node.seats]
    costs = [call.cost_usd for call in calls]
    known = [cost for cost in costs if cost is not None]
    counts = [count for call in calls for count in (call.prompt_tokens, call.completion_tokens)]
    counted = [count for count in counts if count is not None]
    return Annotation(
        kind="node",
        data={
            "node": node.name,
            "parent": node.parent.name if node.parent else None,
            "depth": node.depth,
            "question": node.question,
            "answer": source.answer.text if source.answer else None,
            "how": node.how,
            "same_as": node.same_as.name if node.same_as else None,
            "by": source.assistant.name if source.assistant else None,
            "agreed": source.agreed,
            "calls": len(calls),
            "tokens": sum(counted) if len(counted) == len(counts) else None,
            "cost_usd": math.fsum(known) if len(known) == len(costs) else None,
        },
    )
