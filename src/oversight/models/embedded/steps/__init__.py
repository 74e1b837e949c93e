"""Two overseers that run here, without a language model: one checks a solution step by step, one its answer alone.

Both have the same small powers: exact arithmetic on what is stated, comparing words, one bracket or one swap at
a time, and whether a place follows from statements. `check_step` uses them on one step and what stands before
it; `check_answer` on the question and the final answer.
"""

from oversight.models.embedded.steps.checker import check_answer, check_step
from oversight.models.embedded.steps.finding import AnswerCheck, Label, StepCheck

__all__ = ["AnswerCheck", "Label", "StepCheck", "check_answer", "check_step"]
