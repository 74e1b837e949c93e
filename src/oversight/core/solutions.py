"""What the protocols that check worked solutions share: where solutions come from, and what checking them proves."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.episode import Episode
from oversight.core.protocol import Protocol
from oversight.core.question import Question, Worked
from oversight.core.seat import Seat
from oversight.core.step_splitting import split_steps
from oversight.prompting.letters import named_label

__all__ = [
    "Checked",
    "Rule",
    "Solution",
    "SolutionOptions",
    "given_solutions",
    "read_solution",
    "solutions_to_check",
    "verdict_over",
    "written_solutions",
]

_ANSWER = re.compile(
    r"^[^\w\n]{0,20}(?:(?:step )?\d{1,4}[.):][^\w\n]{1,20})?(?:(?:so|thus|therefore|hence),?\s+)?(?:the |my )?"
    r"(?:(?:final|correct|right) )?answer[ \t*_]*+(?:is\b|[:=.\u2013\u2014-])[ \t*_]*+(?:\n\s*)?.*$"
    r"|^.*\\f?boxed\s*\{\s*(?:\\\w+\s*\{)?\s*\(?(?-i:[A-Z])\b.*$",
    re.MULTILINE | re.IGNORECASE,
)
"""A line that gives the answer, as solvers are asked for or as they are used to; the letter may stand on the next."""

_LEAST = 1e-9

Rule = Literal["best", "weighted", "majority"]
"""How checked solutions speak for answers: by their best one, by the sum of their scores, or by their number."""


class SolutionOptions(Protocol.Options):
    """Which solutions are checked, and how they speak for answers."""

    solutions: Literal["given", "written"] = Field(
        "given", description="those that come with the question, or ones that the strong model writes"
    )
    candidates: int = Field(1, ge=1, le=256, description="how many solutions are written")
    adversary: bool = Field(
        False,
        description="one more solution is written by a strong model that is told to lead to an assigned answer and to "
        "hide its mistake; every answer is assigned once",
    )
    rule: Rule = Field("best", description="how several solutions speak for an answer")

    @model_validator(mode="after")
    def _written_where_it_must_be(self) -> Self:
        if self.solutions == "given" and (self.adversary or self.candidates > 1):
            raise ValueError("adversary and candidates are for solutions: written")
        return self


class Solution(NamedTuple):
    """A solution to check.

    Attributes:
        steps: the steps in order; none, if nothing was written that could be checked.
        answer: the place of the answer it ends in, as presented; None if it names none.
        writer: the seat that wrote it; None if it came with the question.
    """

    steps: tuple[str, ...]
    answer: int | None
    writer: Seat | None = None


class Checked(NamedTuple):
    """What checking one solution showed.

    Attributes:
        answer: see `Solution`.
        score: how likely it is to be right, by the overseer; None if that could not be found out.
    """

    answer: int | None
    score: float | None


async def solutions_to_check(episode: Episode, options: SolutionOptions) -> list[Solution]:
    """The solutions that the options ask for."""
    if options.solutions == "given":
        return given_solutions(episode.question)
    return await written_solutions(episode, options.candidates, adversary=options.adversary)


def given_solutions(question: Question) -> list[Solution]:
    """The solutions that come with a question: those to be checked, or else those that are part of its answers."""
    worked = question.worked or [
        Worked(answer=place, steps=split_steps(answer.solution))
        for place, answer in enumerate(question.answers)
        if answer.solution
    ]
    return [Solution(each.steps, each.answer) for each in worked]


async def _write_solution(episode: Episode, name: str, *, argues: int | None = None) -> Solution:
    """Have a strong model write a solution, which no seat reads until its steps are disclosed.

    Args:
        episode: the episode.
        name: the writer's seat.
        argues: the answer it is told to lead to, hiding that it may be wrong; None: the one it finds right.
    """
    writer = episode.seat(name, role="strong", brief="solver", argues=argues, sees_material=True, sees_solutions=False)
    draft = await writer.draft("write")
    return read_solution(draft.text, episode.question, writer)


async def written_solutions(episode: Episode, count: int, *, adversary: bool) -> list[Solution]:
    """Solutions that strong models write independently of each other; with ``adversary`` one more, to mislead.

    The adversary is told to lead to the episode's assigned answer. Every answer is assigned once, the right
    one too, because no seat of an episode knows which that is. Its place among the writers is drawn, because
    overseers read the name of the seat that wrote what they check.
    """
    sides: list[int | None] = [None] * count
    if adversary:
        sides.insert(episode.rng("the adversary's place").randrange(count + 1), episode.assigned)
    return await episode.gather(
        *(_write_solution(episode, f"solver_{number}", argues=side) for number, side in enumerate(sides))
    )


def read_solution(text: str, question: Question, writer: Seat) -> Solution:
    """Read the steps of a written solution, and the answer that its last line of that form names.

    A last line that names none, or two, is not replaced by an earlier one.
    """
    lines = _ANSWER.findall(unicodedata.normalize("NFKC", text))
    named = named_label(lines[-1], question.labels, [answer.text for answer in question.answers]) if lines else None
    return Solution(split_steps(text), None if named is None else question.labels.index(named), writer)


def verdict_over(question: Question, checked: Sequence[Checked], rule: Rule) -> Belief:
    """The belief over a question's answers that checked solutions support.

    An answer's weight is the best or the summed score of the solutions that end in it, or their number. Answers
    that no solution ends in share the probability that none of the solutions is right. Solutions without an
    answer or a score say nothing; where none says anything, the belief abstains.
    """
    telling = [(each.answer, 1.0 if rule == "majority" else each.score) for each in checked]
    scores = [(answer, score) for answer, score in telling if answer is not None and score is not None]
    if not scores:
        return Belief(probs=None, source=BeliefSource.COMPUTED, status=BeliefStatus.ABSTAINED)
    weights = [0.0] * len(question.answers)
    for answer, score in scores:
        weights[answer] = max(weights[answer], score) if rule == "best" else weights[answer] + score
    named = {answer for answer, _ in scores}
    others = [place for place in range(len(question.answers)) if place not in named]
    none_right = math.prod(1 - score for _, score in scores) if rule != "majority" else 0.0
    for place in others:
        weights[place] = none_right / len(others)
    return Belief.from_weights([weight + _LEAST for weight in weights], BeliefSource.COMPUTED)
