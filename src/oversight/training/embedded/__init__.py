"""Iterated distillation and amplification, run for real: a small network learns from what it helps a human answer.

The experiment of Christiano, Shlegeris and Amodei 2018 (arXiv 1810.08575). ``factored_task`` says what a task is,
``embedded_rounds`` carries a round out, and only ``learner`` needs PyTorch.
"""

from oversight.training.embedded.embedded_rounds import EmbeddedRounds
from oversight.training.embedded.factored_task import Ask, Encoding, FactoredTask
from oversight.training.embedded.learner_settings import DistilSettings, LearnerSettings
from oversight.training.embedded.permutation import PermutationPowering
from oversight.training.embedded.union_find import UnionFind

__all__ = [
    "Ask",
    "DistilSettings",
    "EmbeddedRounds",
    "Encoding",
    "FactoredTask",
    "LearnerSettings",
    "PermutationPowering",
    "UnionFind",
]
