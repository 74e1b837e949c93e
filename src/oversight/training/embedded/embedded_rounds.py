"""The rounds of iterated distillation and amplification, each phase durable by itself (arXiv 1810.08575).

Round k draws training questions, has H answer them with the help of X_{k-1} (amplify), and trains X_{k-1} on
those answers into X_k (distil). The truth is in neither. What it is compared with is the ceiling: the same
network from the same first weights, trained for the same steps under the same curriculum on true answers.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oversight.errors import StoreError, UsageError
from oversight.training.embedded.amplified_rows import Rows, read_rows, write_rows
from oversight.training.embedded.factored_task import FactoredTask, Mask, Tokens
from oversight.training.embedded.learner_settings import DistilSettings
from oversight.util.digest import digest

if TYPE_CHECKING:
    from oversight.training.embedded.learner import Learner

__all__ = ["EmbeddedRounds", "check_tasks"]

_VERSION = 1
"""Counts changes that give other rows or weights."""

_X, _CEILING = "x", "ceiling"
"""Whose weights a file holds; how its name begins."""


class EmbeddedRounds:
    """The three phases of a round. Each does nothing if it was done before, and can be killed at any moment.

    Whatever is random is keyed by the seed, the round and its purpose, and X_{k-1} is read from its file, so a
    phase that is begun again ends exactly as it would have. One process at a time may work in a folder.

    Args:
        train: draws what is amplified and learned from.
        evaluate: draws held-out instances; a task like ``train`` but for its split.
        settings: the learner and the size of a round.
        error_rate: how often H hands over a random answer (see `FactoredTask.amplify`).
        questions: held-out questions, each about an instance of its own, as many of every difficulty as of
            another, give or take one. The same in all rounds.
        folder: where rows and weights are kept; it is made if need be.
        seed: of everything drawn.

    Raises:
        UsageError: PyTorch is missing, or the tasks are none to train and to evaluate on (`check_tasks`).
    """

    def __init__(
        self,
        train: FactoredTask,
        evaluate: FactoredTask,
        settings: DistilSettings,
        *,
        error_rate: float = 0.0,
        questions: int = 2048,
        folder: Path,
        seed: int = 0,
    ) -> None:
        from oversight.training.embedded.learner import Learner

        check_tasks(train, evaluate)
        self._new_learner = functools.partial(
            Learner, train.encoding, settings.learner, int(digest([seed, "weights"], 12), 16)
        )
        self._train, self._evaluate, self._settings = train, evaluate, settings
        self._error_rate, self._questions, self._folder, self._seed = error_rate, questions, folder, seed
        self._key = digest([_VERSION, train.name, train.settings.model_dump(), settings.model_dump(), error_rate, seed])
        folder.mkdir(parents=True, exist_ok=True)

    def amplify(self, round: int) -> dict[str, Any]:
        """Have H answer the questions of a round, 1 or later, with the help of X_{round-1}, and keep the rows.

        The curriculum: of the questions about an instance, some are as hard as the round's difficulty and the
        others of all difficulties up to it, evenly. X_{round-1} answers them too, alone, and where it agrees with
        what H hands over on enough of the hardest, the next round's difficulty is one higher. No truth is needed
        for that.

        Returns:
            round, difficulty, next_difficulty, agreement (X_{round-1} alone with H, by difficulty), instances,
            questions (what H was asked), sub_questions (what X was asked), cpu_seconds.

        Raises:
            UsageError: a training instance is also an evaluation instance, or the folder is of other settings.
            StoreError: the round before is not complete.
        """
        facts = self._train.instances(self._rng(round, "instances"), self._settings.instances)
        self._refuse_shared(facts)
        rows = read_rows(self._rows_file(round), self._key)
        if rows is None:
            started = time.process_time()
            x, _ = self._learner(_X, round - 1)
            difficulty = 1 if round == 1 else self._rows(round - 1).summary["next_difficulty"]
            helper, rng = _Helper(x), self._rng(round, "errors")
            answer = functools.partial(self._train.amplify, ask=helper.ask, rng=rng, error_rate=self._error_rate)
            rows = self._answered(round, facts, difficulty, x, answer)
            rows.summary.update(sub_questions=helper.asked, cpu_seconds=time.process_time() - started)
            write_rows(self._rows_file(round), self._key, rows)
        return rows.summary

    def distil(self, round: int) -> dict[str, Any]:
        """Train X_{round-1} on the rows of a round, 1 or later, into X_round; and the ceiling alike on the truth.

        Returns:
            round, difficulty, next_difficulty, agreement (as `amplify` has them), steps (of all rounds), loss
            (mean cross-entropy, nats), device, cpu_seconds; and ``ceiling``, the same of the ceiling, whose
            agreement is with the truth and whose difficulty rises by itself, or None.

        Raises:
            UsageError: the folder is of other settings.
            StoreError: the round was not amplified, or the one before not distilled.
        """
        rows = self._rows(round)
        told = self._distilled(_X, round, lambda x, difficulty: rows)
        ceiling = None
        if self._settings.ceiling:
            ceiling = self._distilled(
                _CEILING,
                round,
                lambda learner, difficulty: self._answered(round, rows.facts, difficulty, learner, self._train.truth),
            )
        return {**told, "ceiling": ceiling}

    def evaluate(self, round: int) -> dict[str, Any]:
        """How many held-out questions X_round answers rightly; round 0 is X before any training.

        Returns:
            round, difficulty (of the round's rows; 0 in round 0), n, cpu_seconds; and ``alone`` (X),
            ``amplified`` (H with the help of X, H's errors included) and ``ceiling`` (or None), each with a pair
            [right, asked] for ``overall`` and for every difficulty ("1", "2", …).

        Raises:
            StoreError: the round was not distilled.
        """
        started = time.process_time()
        facts, questions = self._held_out
        x, _ = self._learner(_X, round)
        rng = self._rng(round, "errors in evaluation")
        helped = self._evaluate.amplify(facts, questions, _Helper(x).ask, rng=rng, error_rate=self._error_rate)
        counts = {"alone": self._count(x.answer(facts, questions)), "amplified": self._count(helped), "ceiling": None}
        if self._settings.ceiling:
            ceiling, _ = self._learner(_CEILING, round)
            counts["ceiling"] = self._count(ceiling.answer(facts, questions))
        return {
            "round": round,
            "difficulty": self._rows(round).summary["difficulty"] if round else 0,
            "n": self._questions,
            **counts,
            "cpu_seconds": time.process_time() - started,
        }

    @functools.cached_property
    def _held_out(self) -> tuple[Tokens, Tokens]:
        facts = self._evaluate.instances(self._rng(0, "evaluation instances"), self._questions)
        wanted = np.arange(self._questions)[:, None] % self._evaluate.difficulties + 1
        return facts, self._evaluate.questions(self._rng(0, "evaluation questions"), facts, wanted)

    def _count(self, answers: Tokens) -> dict[str, list[int]]:
        facts, questions = self._held_out
        right = answers == self._evaluate.truth(facts, questions)
        difficulty = self._evaluate.difficulty_of(facts, questions)
        counts = {"overall": [int(right.sum()), right.size]}
        for level in range(1, self._evaluate.difficulties + 1):
            counts[str(level)] = [int(right[difficulty == level].sum()), int(np.sum(difficulty == level))]
        return counts

    def _refuse_shared(self, facts: Tokens) -> None:
        # The splits have none in common; a task of the user's own may draw by other rules.
        if shared := set(self._train.keys(facts)) & set(self._evaluate.keys(self._held_out[0])):
            raise UsageError(f"X would learn from what it is evaluated on ({len(shared)} instances of this round)")

    def _answered(
        self,
        round: int,
        facts: Tokens,
        difficulty: int,
        learner: Learner,
        answer: Callable[[Tokens, Tokens], Tokens],
    ) -> Rows:
        """Questions about the facts with their answers, and how far the learner agrees with them.

        The draws do not depend on who answers: X and the ceiling learn from the same questions while their
        difficulties are the same.
        """
        shape = (len(facts), self._settings.questions)
        wanted = self._rng(round, "difficulties").integers(1, difficulty + 1, shape)
        wanted[:, : self._settings.hardest] = difficulty
        questions = self._train.questions(self._rng(round, "questions"), facts, wanted)
        targets = answer(facts, questions)
        agrees = learner.answer(facts, questions) == targets
        agreement = {str(d): float(agrees[wanted == d].mean()) for d in range(1, difficulty + 1) if d in wanted}
        harder = agreement[str(difficulty)] > self._settings.agreement and difficulty < self._train.difficulties
        summary = {
            "round": round,
            "difficulty": difficulty,
            "next_difficulty": difficulty + harder,
            "agreement": agreement,
            "instances": len(facts),
            "questions": wanted.size,
        }
        return Rows(facts, questions, targets, summary)

    def _distilled(self, who: str, round: int, rows_for: Callable[[Learner, int], Rows]) -> dict[str, Any]:
        """Train a learner through a round, unless that was done, and tell how it went.

        Args:
            who: whose weights.
            round: 1 or later.
            rows_for: gives the rows, from the learner as it is and its difficulty.
        """
        done = self._load(who, round)
        if done is not None:
            return done[1]
        started = time.process_time()
        learner, before = self._learner(who, round - 1)
        rows = rows_for(learner, before["next_difficulty"])
        rng, steps, batch = self._rng(round, "batches"), self._settings.steps, self._settings.batch
        passes = -(-steps * batch // len(rows.facts))
        places = np.concatenate([rng.permutation(len(rows.facts)) for _ in range(passes)])
        loss = learner.train(rows.facts, rows.questions, rows.targets, places[: steps * batch].reshape(steps, batch))
        told = {name: rows.summary[name] for name in ("round", "difficulty", "next_difficulty", "agreement")}
        told |= {"steps": learner.steps, "loss": loss, "device": learner.device}
        told["cpu_seconds"] = time.process_time() - started
        learner.save(self._weights_file(who, round), self._key, told)
        return told

    def _rows(self, round: int) -> Rows:
        rows = read_rows(self._rows_file(round), self._key)
        if rows is None:
            raise StoreError(f"{self._rows_file(round)} is not there or damaged: amplify round {round} first")
        return rows

    def _learner(self, who: str, round: int) -> tuple[Learner, dict[str, Any]]:
        """A learner as a round left it, and what was told of that round; fresh before the first."""
        if round == 0:
            return self._new_learner(), {"next_difficulty": 1}
        loaded = self._load(who, round)
        if loaded is None:
            raise StoreError(f"{self._weights_file(who, round)} is not there or damaged: distil round {round} first")
        return loaded

    def _load(self, who: str, round: int) -> tuple[Learner, dict[str, Any]] | None:
        learner = self._new_learner()
        told = learner.load(self._weights_file(who, round), self._key)
        return None if told is None else (learner, told)

    def _rows_file(self, round: int) -> Path:
        return self._folder / f"round-{round:03}.rows.npz"

    def _weights_file(self, who: str, round: int) -> Path:
        return self._folder / f"{who}-{round:03}.pt"

    def _rng(self, round: int, purpose: str) -> np.random.Generator:
        return np.random.default_rng(int(digest([self._seed, round, purpose], length=32), 16))


class _Helper:
    """X as H asks it, with a count of what it was asked."""

    def __init__(self, x: Learner) -> None:
        self._x = x
        self.asked = 0

    def ask(self, facts: Tokens, questions: Tokens, where: Mask) -> Tokens:
        self.asked += int(where.sum())
        return self._x.answer(facts, questions) if where.any() else np.zeros(where.shape, np.int64)


def check_tasks(train: FactoredTask, evaluate: FactoredTask) -> None:
    """See whether X can learn from what one task draws and be tested on what the other does.

    Raises:
        UsageError: they differ in more than their split, or have the same.
    """
    if _but_for_split(train) != _but_for_split(evaluate):
        raise UsageError("train and evaluate must be the same task with the same settings, except for split")
    if train.settings.split == evaluate.settings.split:
        raise UsageError(
            "X would learn from what it is evaluated on: give train split: train, and evaluate split: held_out"
        )


def _but_for_split(task: FactoredTask) -> tuple[str, dict[str, Any]]:
    return task.name, task.settings.model_dump(exclude={"split"})
