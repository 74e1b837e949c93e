"""Iterated distillation and amplification, run for real: a small network learns from what it helps a human answer.

The experiment of Christiano, Shlegeris and Amodei 2018 (arXiv 1810.08575). `oversight.ida.task` says what a
task is, `oversight.ida.rounds` carries a round out, `oversight.ida.learner` alone needs PyTorch.
"""

from oversight.ida.permutation import PermutationPowering
from oversight.ida.rounds import EmbeddedRounds
from oversight.ida.settings import DistilSettings, LearnerSettings
from oversight.ida.task import Ask, Encoding, FactoredTask
from oversight.ida.union_find import UnionFind

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
