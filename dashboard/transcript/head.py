"""The question, its answers, and what became of it."""

from __future__ import annotations

from oversight.store import Transcript

from .. import formats, palette, untrusted
from ..untrusted import Box
from .parts import answer_colour, colours, outcome

__all__ = ["asked", "show"]

_SHORT, _LONG = 110, 600


def show(transcript: Transcript, *, key: str = "", prompt: bool = True) -> None:
    """Show it; ``key`` where a page has several, and without the prompt where they share it."""
    spec, question = transcript.spec, transcript.question
    became = outcome(transcript)
    chips = [
        Box("verdict", (became,), palette.OUTCOMES[became]),
        Box("chip", (spec.arm,), palette.protocol_colour(spec.protocol)),
        Box("chip", (f"task {spec.task}",)),
        Box("chip", (f"judge {spec.judge or '-'}",)),
        Box("chip", (f"strong {spec.strong or '-'}",)),
        Box("chip", (f"run {transcript.run_id}",)),
    ]
    boxes = [Box("row", tuple(chips)), *([asked(question.prompt)] if prompt else [])]
    boxes += [_answer(transcript, place) for place in range(len(question.answers))]
    if transcript.outcome.failure:
        why = transcript.outcome.detail or ""
        boxes.append(Box("open", (f"failed: {formats.failure(transcript.outcome.failure)}", Box("pre", (why,)))))
    untrusted.show(boxes, key=f"head{key}")


def asked(prompt: str) -> Box:
    """A question's prompt, the smaller the longer it is."""
    return Box("title" if len(prompt) <= _SHORT else "question" if len(prompt) <= _LONG else "paper", (prompt,))


def _answer(transcript: Transcript, place: int) -> Box:
    question, verdict = transcript.question, transcript.outcome.verdict
    answer, seats = question.answers[place], colours(transcript)
    notes = [
        Box("chip", (f"argued by {side.seat}",), seats[side.seat]) for side in transcript.sides if side.argues == place
    ]
    if place == transcript.gold:
        notes.insert(0, Box("chip", ("the right answer",), palette.RIGHT))
    if verdict is not None and verdict.belief.probs is not None:
        notes.append(Box("tag", (f"{verdict.belief.probs[place]:.3f}",), answer_colour(transcript, place)))
    text: tuple[untrusted.Part, ...] = (answer.text,)
    if answer.solution:
        text = (Box("prose", (answer.text,)), Box("fold", ("its worked solution", Box("prose", (answer.solution,)))))
    kind = "answer-gold" if place == transcript.gold else "answer"
    return Box(kind, (Box("label", (question.labels[place],)), Box("prose", text), Box("row", tuple(notes))))
