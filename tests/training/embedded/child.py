"""A process that carries three rounds out, and may be killed in the middle of the second distillation.

Its arguments are a folder and, for that, ``kill``; it prints the counts of every evaluation as one line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from unittest import mock

from oversight.training.embedded import DistilSettings, EmbeddedRounds, LearnerSettings, UnionFind
from oversight.training.embedded.factored_task import Ask, Tokens
from oversight.training.embedded.learner import Learner

SETTINGS = DistilSettings(
    learner=LearnerSettings(layers=2, width=16, heads=2, hidden=32, learning_rate=0.01, warm_up=10, averaging=0.9),
    instances=60,
    questions=8,
    hardest=4,
    steps=30,
    batch=16,
)


class Watched(UnionFind):
    """Union find that notes in a file every time that H answers training questions."""

    log: Path

    def decompose(self, facts: Tokens, questions: Tokens, ask: Ask) -> Tokens:
        with self.log.open("a") as file:
            file.write(f"{len(facts)}\n")
        return super().decompose(facts, questions, ask)


def rounds(folder: Path) -> EmbeddedRounds:
    train = Watched(Watched.Settings(size=6, values=4, depth=2))
    train.log = folder / "amplified.log"
    evaluate = UnionFind(UnionFind.Settings(size=6, values=4, depth=2, split="held_out"))
    return EmbeddedRounds(train, evaluate, SETTINGS, error_rate=0.05, questions=300, folder=folder, seed=3)


def die_half_way(round: int) -> None:
    """Let training in a round make half its steps, and then kill this process."""
    train = Learner.train

    def partly(self: Learner, facts: Tokens, questions: Tokens, targets: Tokens, places: Tokens) -> float:
        if self.steps < (round - 1) * SETTINGS.steps:
            return train(self, facts, questions, targets, places)
        train(self, facts, questions, targets, places[: len(places) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")

    mock.patch.object(Learner, "train", partly).start()


def main() -> None:
    work = rounds(Path(sys.argv[1]))
    if sys.argv[2:] == ["kill"]:
        die_half_way(2)
    counts = []
    for round in range(4):
        if round:
            work.amplify(round)
            work.distil(round)
        counts.append({name: value for name, value in work.evaluate(round).items() if name != "cpu_seconds"})
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    main()
