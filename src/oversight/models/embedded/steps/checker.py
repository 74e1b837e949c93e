"""The two overseers: one step against what stands before it, and the final answer against the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from oversight.models.embedded.steps.base_rates import answer_probability, step_probability
from oversight.models.embedded.steps.brackets import check_brackets
from oversight.models.embedded.steps.calculations import check_arithmetic
from oversight.models.embedded.steps.family import Family, family_of
from oversight.models.embedded.steps.final_answer import find_answer
from oversight.models.embedded.steps.finding import AnswerCheck, Finding, StepCheck
from oversight.models.embedded.steps.ordering import check_ordering
from oversight.models.embedded.steps.school import check_school
from oversight.models.embedded.steps.sorting import check_sorting
from oversight.models.embedded.steps.swaps import check_swaps

__all__ = ["check_answer", "check_step", "find_answer_kind", "find_step"]

_CHECKERS: Mapping[Family, Callable[[str, Sequence[str], str], Finding]] = {
    "arithmetic": check_arithmetic,
    "brackets": check_brackets,
    "ordering": check_ordering,
    "school": check_school,
    "sorting": check_sorting,
    "swaps": check_swaps,
}

# Texts beyond these are not read: what a person writes in one step is far shorter.
_LONGEST_STEP = 20_000
_MOST_STEPS = 2_000


def check_step(problem: str, before: Sequence[str], step: str) -> StepCheck:
    """Verify one step of a worked solution against the problem's text and the steps that stand before it.

    The checker verifies what a step states and nothing more: the kind of problem is recognised from its text,
    and no problem is solved. Texts are untrusted; whatever they say, nothing is raised.
    """
    family, finding = find_step(problem, before, step)
    return StepCheck(finding.label, step_probability(family, finding), finding.why)


def check_answer(problem: str, answer: str) -> AnswerCheck:
    """Look at a final answer next to the question, as an overseer with the same small powers and no steps would."""
    family, finding = find_answer_kind(problem, answer)
    return AnswerCheck(answer_probability(family, finding), finding.why)


def find_step(problem: str, before: Sequence[str], step: str) -> tuple[Family, Finding]:
    """The family of the problem, and what was found in the step, before calibration."""
    family = family_of(_tidy(problem))
    step = _tidy(step)
    if not step:
        return family, Finding("neutral", "empty", "the step is empty")
    if len(step) > _LONGEST_STEP:
        return family, Finding("neutral", "long", f"{len(step)} characters are more than one small step")
    earlier = [text for text in map(_tidy, before[-_MOST_STEPS:]) if len(text) <= _LONGEST_STEP]
    return family, _CHECKERS[family](_tidy(problem), earlier, step)


def find_answer_kind(problem: str, answer: str) -> tuple[Family, Finding]:
    """The family of the problem, and what was found in the answer, before calibration."""
    problem = _tidy(problem)
    family = family_of(problem)
    return family, find_answer(family, problem, _tidy(answer[:_LONGEST_STEP]))


@lru_cache(maxsize=1_024)
def _tidy(text: str) -> str:
    """A text without blank lines and runs of spaces, over which patterns could be slow."""
    lines = (" ".join(line.split()) for line in text[: 2 * _LONGEST_STEP].splitlines())
    return "\n".join(line for line in lines if line)
