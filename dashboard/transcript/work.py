"""What a protocol made besides a verdict: a tree of sub-questions, solutions with labelled steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oversight.store import Transcript

from .. import palette, untrusted
from ..untrusted import Box, Part
from .parts import colours, noted

__all__ = ["show"]

_HOW = {
    "budget": "not divided: the budget",
    "cycle": "not divided: it would need its own answer",
    "memo": "the same as another",
    "unanswered": "not answered: the budget was used up",
}
_LABELS = {
    "correct": palette.RIGHT,
    "incorrect": palette.WRONG,
    "neutral": palette.NEUTRAL,
    "unparsable": palette.FAILED,
}


def show(transcript: Transcript, *, key: str = "") -> None:
    """Show what there is, and nothing where there is nothing; ``key`` where a page has several."""
    boxes = [*_tree(transcript), *_solutions(transcript)]
    if boxes:
        untrusted.show(boxes, key=f"work{key}")


def _tree(transcript: Transcript) -> list[Box]:
    """The sub-questions, each below the one that it is part of. A plugin may note anything, so nothing is assumed."""
    nodes = [note for note in noted(transcript, "node") if note.get("node") is not None]
    if not nodes:
        return []
    below: dict[str | None, list[Mapping[str, Any]]] = {}
    names = {str(node["node"]) for node in nodes}
    for node in nodes:
        parent = node.get("parent")
        below.setdefault(str(parent) if parent is not None and str(parent) in names else None, []).append(node)
    seats = colours(transcript)
    argued = {side.seat for side in transcript.sides}
    seen: set[str] = set()
    drawn = [_node(node, below, seats, argued, seen) for node in below.get(None, ())]
    return [Box("heading", ("How the question was divided",)), *drawn]


def _node(
    node: Mapping[str, Any],
    below: Mapping[str | None, Sequence[Mapping[str, Any]]],
    seats: Mapping[str, str],
    argued: set[str],
    seen: set[str],
) -> Box:
    name, by = str(node["node"]), node.get("by")
    seen.add(name)
    parts: list[Part] = [
        Box("row", (Box("name", (name,)), Box("strong", (str(node.get("question") or ""),)))),
        Box("row", tuple(Box("chip", (note,), colour) for note, colour in _notes(node, argued))),
    ]
    if node.get("answer") is not None and node.get("how") != "memo":
        parts.append(Box("prose", (str(node["answer"]),)))
    kids = [kid for kid in below.get(name, ()) if str(kid["node"]) not in seen]
    if kids:
        parts.append(Box("kids", tuple(_node(kid, below, seats, argued, seen) for kid in kids)))
    return Box("node", tuple(parts), seats.get(str(by)) if by else None)


def _notes(node: Mapping[str, Any], argued: set[str]) -> list[tuple[str, str | None]]:
    """How a node got its answer."""
    how, by = node.get("how"), node.get("by")
    notes: list[tuple[str, str | None]] = []
    if how in _HOW:
        other = f" ({node['same_as']})" if node.get("same_as") else ""
        notes.append((_HOW[str(how)] + other, palette.NEUTRAL))
    if how == "memo":
        return notes
    if by:
        told = by in argued
        notes.append((f"by {by}" + (", told what to argue" if told else ""), palette.WRONG if told else None))
    if node.get("agreed") is not None:
        agreed = bool(node["agreed"])
        notes.append(("a second answer agreed" if agreed else "a second answer disagreed", _yes(agreed)))
    if isinstance(node.get("calls"), int):
        notes.append((f"{node['calls']} call{'' if node['calls'] == 1 else 's'}", None))
    return notes


def _yes(good: bool) -> str:
    return palette.RIGHT if good else palette.WRONG


def _solutions(transcript: Transcript) -> list[Box]:
    """Each solution that was checked, step by step, with the truth beside the overseer's label where it is known."""
    steps = noted(transcript, "step")
    wholes = [whole for whole in noted(transcript, "solution") if isinstance(whole.get("solution"), int)]
    boxes: list[Box] = []
    for whole in wholes:
        own = [step for step in steps if step.get("solution") == whole["solution"]]
        boxes.append(_solution(transcript, whole, own, folded=len(wholes) > 2))  # noqa: PLR2004
    return [Box("heading", ("What the overseer checked",)), *boxes] if boxes else []


def _solution(
    transcript: Transcript, whole: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], *, folded: bool
) -> Box:
    number, labels = whole["solution"], transcript.question.labels
    given = whole.get("writer") is None
    known = given and 0 <= number < len(transcript.mistakes)
    mistake = transcript.mistakes[number] if known else None
    answer, score = whole.get("answer"), whole.get("score")
    ends = f"ends in {labels[answer]}" if isinstance(answer, int) and 0 <= answer < len(labels) else "ends in no answer"
    title: list[Part] = [Box("strong", (f"Solution {number + 1}, {'given' if given else whole['writer']}",))]
    title.append(Box("chip", (ends,), _yes(answer == transcript.gold)))
    title.append(Box("chip", (f"score {score:.3f}" if isinstance(score, int | float) else "no score",)))
    if known:
        truth = "no step is wrong" if mistake is None else f"step {mistake + 1} is the first mistake"
        title.append(Box("chip", (truth,), _yes(mistake is None)))
    rows = (
        [Box("columns", (Box("name", ("#",)), "step", "the overseer", "the truth" if known else ""))] if steps else []
    )
    rows += [_step(step, mistake, known=known) for step in steps]
    left = whole.get("steps", 0) - whole.get("labelled", whole.get("steps", 0))
    if left > 0:
        rows.append(Box("faint", (f"{left} more steps were not labelled",)))
    return Box("fold" if folded else "open", (Box("row", tuple(title)), *rows))


def _step(step: Mapping[str, Any], mistake: int | None, *, known: bool) -> Box:
    place, label, p = step.get("step"), str(step.get("label")), step.get("p_correct")
    number = str(place + 1) if isinstance(place, int) else "?"
    said = label + (f" {p:.3f}" if isinstance(p, int | float) else "")
    truth: Part = ""
    if known and isinstance(place, int):
        if mistake is None or place < mistake:
            truth = Box("tag", ("right",), palette.RIGHT)
        elif place == mistake:
            truth = Box("tag", ("first mistake",), palette.WRONG)
        else:
            truth = Box("faint", ("after the mistake",))
    return Box(
        "step",
        (
            Box("name", (number,)),
            Box("body", (str(step.get("text") or ""),)),
            Box("tag", (said,), _LABELS.get(label)),
            truth,
        ),
    )
