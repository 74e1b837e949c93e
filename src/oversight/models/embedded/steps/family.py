"""Which kind of problem a text is, by what stands in it."""

from __future__ import annotations

from typing import Literal

from oversight.models.embedded.steps.brackets import sequence_of
from oversight.models.embedded.steps.calculations import expression_of
from oversight.models.embedded.steps.placing import row_of
from oversight.models.embedded.steps.sorting import words_to_sort
from oversight.models.embedded.steps.swaps import game_of

__all__ = ["Family", "family_of"]

Family = Literal["arithmetic", "brackets", "ordering", "school", "sorting", "swaps"]

# A longer problem is read as prose: the others are a few lines.
_LONGEST = 20_000


def family_of(problem: str) -> Family:
    """The family of a problem; whatever is none of the others is school mathematics, the checker of any prose."""
    if len(problem) > _LONGEST:
        return "school"
    if game_of(problem) is not None:
        return "swaps"
    if row_of(problem) is not None:
        return "ordering"
    if expression_of(problem) is not None:
        return "arithmetic"
    if sequence_of(problem) is not None:
        return "brackets"
    return "sorting" if words_to_sort(problem) is not None else "school"
