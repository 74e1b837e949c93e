"""What others wrote, on the Judge page: always whole, and always as text, whatever stands in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from oversight.core.message import PROTOCOL
from oversight.errors import StoreError
from oversight.judging import LabelledSolution, ShownMessage, TranscriptView
from oversight.models.embedded.digits.images import read_pixels
from oversight.store import PartEntry

from .. import data, palette, pixel_image, untrusted
from ..untrusted import Box

__all__ = ["image_so_far", "said_so_far", "situation", "steps_so_far", "text", "trouble"]

_LABELS = {"correct": palette.RIGHT, "neutral": palette.NEUTRAL, "incorrect": palette.WRONG}


def text(words: str, key: str) -> None:
    """Untrusted text."""
    untrusted.show([Box("prose", (words,))], key=key, whole=True)


def trouble(error: StoreError, key: str) -> None:
    """What is wrong, with no path in it but the store's own name."""
    where = data.directory()
    text(str(error).replace(str(where), where.name), key)


def situation(view: TranscriptView, *, first: bool) -> None:
    """The question, the material if the judge read it, and what the judge was told."""
    boxes = _question(view.prompt, view.labels, view.answers, view.solutions)
    kind = "open" if first else "fold"
    if view.material:
        boxes.append(Box(kind, (Box("strong", ("Material",)), Box("paper", (view.material,)))))
    if view.instructions:
        boxes.append(Box(kind, (Box("strong", ("What the judge is told",)), Box("prose", (view.instructions,)))))
    untrusted.show(boxes, key="judging-situation", whole=True)


def said_so_far(parts: Sequence[Iterable[ShownMessage]], beliefs: Sequence[str]) -> None:
    """What was said, each part followed by what the person then held, in words of ours."""
    colours = _colours(parts)
    boxes = []
    for number, part in enumerate(parts):
        boxes += [_speech(said, colours.get(said.author)) for said in part]
        if number < len(beliefs):
            boxes.append(Box("belief", (Box("aside", (f"You then held: {beliefs[number]}",)),)))
    untrusted.show(boxes, key="judging-said", whole=True)


def image_so_far(view: TranscriptView, parts: Sequence[Sequence[ShownMessage]]) -> None:
    """The digits game: what the judge knows of the image by now."""
    said = [each for part in parts for each in part if not each.own]
    known, given = read_pixels(view.material or ""), read_pixels(view.prompt)
    if boxes := pixel_image.image(known, given, said, _colours(parts)):
        untrusted.show(boxes, key="judging-image", whole=True)


def steps_so_far(solution: LabelledSolution, entries: Sequence[PartEntry]) -> None:
    """The question, the steps with the person's labels, and the step to label now."""
    boxes = _question(solution.prompt, solution.labels, solution.answers)
    for number, entry in enumerate(entries):
        said, place = entry.data, Box("number", (str(number + 1),))
        label = Box("tag", (f"{said['label']}, {said['p_correct']:.0%}",), _LABELS[said["label"]])
        boxes.append(Box("step", (place, Box("body", (solution.steps[number],)), label)))
    head = Box("head", (Box("author", (f"Step {len(entries) + 1} of {len(solution.steps)}",)),))
    boxes.append(Box("turn", (head, Box("body", (solution.steps[len(entries)],)))))
    untrusted.show(boxes, key="judging-steps", whole=True)


def _colours(parts: Sequence[Iterable[ShownMessage]]) -> dict[str, str]:
    return palette.seat_colours(sorted({said.author for part in parts for said in part if not said.own}))


def _question(
    prompt: str, labels: Sequence[str], answers: Sequence[str], solutions: Sequence[str | None] = ()
) -> list[Box]:
    boxes = [Box("prose", (Box("strong", (prompt,)),))]
    for place, (label, answer) in enumerate(zip(labels, answers, strict=True)):
        solution = solutions[place] if place < len(solutions) else None
        words = f"{answer}\n{solution}" if solution else answer
        boxes.append(Box("answer", (Box("label", (label,)), Box("body", (words,)))))
    return boxes


def _speech(said: ShownMessage, colour: str | None) -> Box:
    author = "the procedure" if said.author == PROTOCOL else said.author
    aside = ([] if said.turn is None else [f"turn {said.turn + 1}"]) + (["asks"] if said.own else [])
    head = Box("head", (Box("author", (author,)), Box("aside", (", ".join(aside),))))
    body = untrusted.quoted(said.text, [quote.model_dump() for quote in said.quotes], opening="“", closing="”")
    return Box("turn-quiet" if said.own or said.author == PROTOCOL else "turn", (head, Box("body", body)), colour)
