"""A decomposition tree in the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from oversight.cli.output import plain
from oversight.store import Transcript
from oversight.util.invisible import invisible_note

__all__ = ["decomposition"]

_HOW = {
    "budget": "not divided: the budget",
    "cycle": "not divided: it would need its own answer, {same_as}",
    "memo": "the same as {same_as}",
    "unanswered": "not answered: the budget was used up",
}
_FIELDS = {"node", "parent", "question", "answer", "how", "same_as", "by", "agreed", "calls"}
_AGREED = {True: "a second answer agreed", False: "a second answer DISAGREED"}


def decomposition(transcript: Transcript) -> Tree | None:
    """The tree of sub-questions that an episode stored, with each one's answer; None if it stored none."""
    notes = transcript.outcome.verdict.annotations if transcript.outcome.verdict else ()
    # Another protocol may call something else a node.
    nodes = [note.data for note in notes if note.kind == "node" and note.data.keys() >= _FIELDS]
    drawn: dict[str | None, Tree] = {}
    for node in nodes:
        label = _node(node, argued={side.seat for side in transcript.sides})
        above = drawn.get(node["parent"])
        drawn[node["node"]] = Tree(label) if above is None else above.add(label)
    return drawn[nodes[0]["node"]] if nodes else None


def _said(text: str) -> str:
    """What a model wrote, unable to draw branches of its own."""
    return plain(text).plain.translate(dict.fromkeys(map(ord, "├└│─"), "\N{REPLACEMENT CHARACTER}"))


def _node(node: dict[str, Any], argued: set[str]) -> Group:
    notes = [_HOW[node["how"]].format(**node)] if node["how"] in _HOW else []
    if node["how"] != "memo":
        notes += [f"by {node['by']}{', TOLD WHAT TO ARGUE' if node['by'] in argued else ''}"] if node["by"] else []
        notes += [_AGREED[node["agreed"]]] if node["agreed"] is not None else []
        notes += ["1 call" if node["calls"] == 1 else f"{node['calls']} calls"]
    unseen = invisible_note(f"{node['question']}{'' if node['how'] == 'memo' else node['answer'] or ''}")
    notes += [unseen] if unseen else []
    head = Text.assemble((f"{node['node']}  ", "dim"), (" ".join(_said(node["question"]).split()), "bold"))
    lines = [head, Text(f"   [{'; '.join(plain(note).plain for note in notes)}]", style="dim")]
    if node["answer"] is not None and node["how"] != "memo":
        lines.append(plain(_said(node["answer"])))
    return Group(*lines)
