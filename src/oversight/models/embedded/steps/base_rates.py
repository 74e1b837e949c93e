"""How often a step or an answer that looks like this is right: base rates, by family and kind of finding."""

from __future__ import annotations

from collections.abc import Mapping

from oversight.models.embedded.steps.family import Family
from oversight.models.embedded.steps.finding import Finding, Label

__all__ = ["ANSWER_GUESS", "STEP_GUESS", "answer_probability", "step_probability"]

# All numbers are from the tuning half (even lines, counted from 1) of the five files of BIG-Bench-Mistake (Tyen et
# al. 2024) and of GSM8K's example_model_solutions.jsonl (Cobbe et al. 2021), printed by
# `benchmarks/step_checkers.py --calibrate`; n is how often a finding was seen there. For the former, a rate is the
# share of steps that are not the labelled first mistake, among those up to it. GSM8K labels whole solutions only:
# its rates are the most likely ones if the product over a solution's steps is the probability that it is right, so
# they also carry what no small step shows, such as a calculation that holds and does not answer the question.
_STEPS: Mapping[Family, Mapping[tuple[Label, str], float]] = {
    "arithmetic": {
        ("correct", "equation"): 0.9961,  # n=282
        ("correct", "formula"): 0.9993,  # n=137
        ("incorrect", "equation"): 0.1126,  # n=133
        ("neutral", "formula"): 0.9867,  # n=13
        ("neutral", "none"): 0.9333,  # n=1
    },
    "brackets": {
        ("correct", "close"): 0.9797,  # n=544
        ("correct", "stack"): 0.9998,  # n=4930
        ("incorrect", "close"): 0.0100,  # n=18
        ("incorrect", "end"): 0.0286,  # n=5
        ("incorrect", "move"): 0.0016,  # n=126
        ("incorrect", "stack"): 0.0013,  # n=156
        ("neutral", "none"): 0.9996,  # n=493
    },
    "ordering": {
        ("correct", "claim"): 0.9687,  # n=225
        ("incorrect", "claim"): 0.0014,  # n=138
        ("neutral", "none"): 0.9987,  # n=150
    },
    "school": {
        ("correct", "answer"): 0.745,  # n=2498
        ("correct", "answer-other"): 0.244,  # n=33
        ("correct", "equation"): 0.846,  # n=8060
        ("correct", "rounded"): 0.149,  # n=34
        ("correct", "stray"): 0.484,  # n=178
        ("incorrect", "equation"): 0.251,  # n=153
        ("neutral", "answer-stray"): 0.445,  # n=83
        ("neutral", "none"): 0.685,  # n=593
    },
    "sorting": {
        ("correct", "answer"): 0.9952,  # n=19
        ("correct", "letter"): 0.9997,  # n=345
        ("correct", "order"): 0.9925,  # n=278
        ("incorrect", "answer"): 0.1500,  # n=6
        ("incorrect", "letter"): 0.0069,  # n=27
        ("incorrect", "lost"): 0.0387,  # n=29
        ("incorrect", "number"): 0.1692,  # n=11
        ("incorrect", "order"): 0.0167,  # n=10
        ("incorrect", "turn"): 0.0074,  # n=25
        ("incorrect", "whole"): 0.0077,  # n=24
        ("neutral", "listed"): 0.9778,  # n=7
    },
    "swaps": {
        ("correct", "answer"): 0.9944,  # n=16
        ("correct", "start"): 0.9993,  # n=141
        ("correct", "start-part"): 0.9667,  # n=1
        ("correct", "state"): 0.9878,  # n=252
        ("correct", "state-part"): 0.9344,  # n=30
        ("incorrect", "answer"): 0.4000,  # n=1
        ("incorrect", "state"): 0.0603,  # n=134
    },
}
# The share of right answers among those with this finding.
_ANSWERS: Mapping[Family, Mapping[tuple[Label, str], float]] = {
    "arithmetic": {
        ("neutral", "form"): 0.1553,  # n=150
    },
    "brackets": {
        ("incorrect", "form"): 0.0840,  # n=23
        ("incorrect", "next"): 0.0200,  # n=3
        ("incorrect", "parity"): 0.0008,  # n=131
        ("neutral", "empty"): 0.0182,  # n=31
        ("neutral", "form"): 0.8195,  # n=305
    },
    "ordering": {
        ("correct", "stated"): 0.9846,  # n=11
        ("incorrect", "against"): 0.0025,  # n=38
        ("incorrect", "empty"): 0.0333,  # n=1
        ("incorrect", "form"): 0.0111,  # n=7
        ("neutral", "form"): 0.1273,  # n=97
    },
    "school": {
        ("incorrect", "empty"): 0.0200,  # n=3
        ("incorrect", "form"): 0.0200,  # n=3
        ("incorrect", "negative"): 0.0600,  # n=33
        ("incorrect", "untidy"): 0.0031,  # n=30
        ("neutral", "decimal"): 0.0068,  # n=86
        ("neutral", "form"): 0.4150,  # n=2349
        ("neutral", "given"): 0.2969,  # n=128
    },
    "sorting": {
        ("correct", "order"): 0.9935,  # n=29
        ("incorrect", "order"): 0.0012,  # n=83
        ("incorrect", "words"): 0.0025,  # n=38
    },
    "swaps": {
        ("neutral", "form"): 0.1355,  # n=150
    },
}

# What is assumed of a finding that the tuning half never showed; it also counts as two observations in each rate.
STEP_GUESS: Mapping[Label, float] = {"correct": 0.95, "neutral": 0.9, "incorrect": 0.1}
ANSWER_GUESS: Mapping[Label, float] = {"correct": 0.9, "neutral": 0.3, "incorrect": 0.05}


def step_probability(family: Family, finding: Finding) -> float:
    """The probability that a step is right, given that those before it are."""
    return _STEPS.get(family, {}).get((finding.label, finding.kind), STEP_GUESS[finding.label])


def answer_probability(family: Family, finding: Finding) -> float:
    """The probability that a final answer is right."""
    return _ANSWERS.get(family, {}).get((finding.label, finding.kind), ANSWER_GUESS[finding.label])
