"""What a checker says about one step or one final answer."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["AnswerCheck", "Finding", "Label", "StepCheck"]

Label = Literal["correct", "neutral", "incorrect"]


class StepCheck(NamedTuple):
    """The verdict on one step, taken against what stands before it.

    ``label`` is "neutral" where the step states nothing that can be checked; ``p_correct`` (0 to 1) is the
    probability that a step which looks like this is right, given that those before it are, by the base rates in
    ``calibration.py``; ``why`` is one short line for a person.
    """

    label: Label
    p_correct: float
    why: str


class AnswerCheck(NamedTuple):
    """The probability (0 to 1) that a final answer is right, by its looks alone, and one short line on why."""

    p_correct: float
    why: str


class Finding(NamedTuple):
    """What was found in a step or an answer, before calibration: ``kind`` names a row of the table of base rates."""

    label: Label
    kind: str
    why: str
