"""Which of several solutions an overseer would have chosen, and how often that is a right one.

Best-of-n: of n candidates the one with the highest score is taken (Cobbe et al. 2021; Lightman et al. 2023), or
the answer that most of them end in (Wang et al. 2023). An episode has N candidates; for every n up to N the
accuracy is the exact expectation over all C(N, n) subsets of size n, so no subset is drawn and nothing is lost.
The frames are those of `oversight.stats.step_labels`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache
from itertools import groupby
from math import comb, isnan
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binom

from oversight.stats.estimate import Estimate, mean_share, ratio, unit_statistic
from oversight.stats.intervals import Floats

__all__ = ["BestOf", "ChosenSolutions", "best_of_curve", "best_of_n", "chosen", "majority_of_n"]


class BestOf(NamedTuple):
    """How often the choice among n candidates is right.

    Attributes:
        n: how many candidates there are to choose from.
        by_score: the one with the highest score is taken; None where no solution of the arm has a score.
        by_majority: the answer that most candidates end in is taken.

    The shares' own ``n`` counts questions: those with an episode of at least ``n`` candidates.
    """

    n: int
    by_score: Estimate | None
    by_majority: Estimate | None


class ChosenSolutions(NamedTuple):
    """What is wrong with the solutions that have the highest scores of their episodes.

    Attributes:
        final_error: share of questions for which that solution's final answer is not right (the final-answer
            error of Uesato et al. 2022); ``n`` counts questions.
        trace_error: among those whose final answer is right, and of which it is known, the share with a wrong
            step (their trace error); ``n`` counts questions.
        nothing: episodes in which no solution has both a score and an answer; they count as errors.
    """

    final_error: Estimate | None
    trace_error: Estimate | None
    nothing: int


def best_of_n(scores: Sequence[float | None], right: Sequence[float], n: int) -> float:
    """How likely the best-scored of n candidates drawn without replacement is to be right.

    Take the candidates in groups of equal score. With L candidates below a group, and m in it of which r are
    right, it is the highest in the subset in C(L + m, n) - C(L, n) of the C(N, n) subsets, and then the one
    taken, ties being shared, is right with probability r / m. A candidate without a score (None) is taken never:
    a subset of nothing else counts as not right. With other values than 0 and 1 in ``right`` it is the expected
    value of the one taken.
    """
    ranked = sorted((score, good) for score, good in zip(scores, right, strict=True) if score is not None)
    below, expected, every = len(scores) - len(ranked), 0.0, comb(len(scores), n)
    for _, group in groupby(ranked, key=lambda candidate: candidate[0]):
        good = [candidate[1] for candidate in group]
        ways = comb(below + len(good), n) - comb(below, n)
        expected += ways / every * sum(good) / len(good)
        below += len(good)
    return expected


def majority_of_n(votes: Sequence[Hashable | None], gold: Hashable, n: int) -> float:
    """How likely the commonest answer of n candidates drawn without replacement is to be ``gold``.

    Ties are shared; candidates without an answer (None) have no vote; without any vote the choice is not right.
    Exact for any number of candidates, by counting instead of enumerating: if ``gold`` gets a votes it wins where
    every other answer gets at most a, and shares with the j that get a too. How many subsets those are is a
    coefficient of a product with one polynomial for each answer.
    """
    named = Counter(vote for vote in votes if vote is not None)
    others = tuple(sorted(count for vote, count in named.items() if vote != gold))
    return _majority(named[gold], others, len(votes), n)


def chosen(solutions: pd.DataFrame) -> ChosenSolutions:
    """What choosing by score comes to, where an episode's best-scored solutions share its choice."""
    if not solutions["score"].notna().any():
        return ChosenSolutions(None, None, 0)
    score = solutions["score"].where(solutions["answer"].notna())
    episode = solutions["episode_id"]
    best = score.notna() & (score == score.groupby(episode).transform("max"))
    weight = best / best.groupby(episode).transform("sum").clip(lower=1)
    good = weight * solutions["right"]
    traced = good * solutions["known"]
    frame = solutions.assign(good=good, traced=traced, flawed=traced * solutions["mistake"].notna(), weight=weight)
    parts = ["good", "traced", "flawed", "weight"]
    episodes = frame.groupby(["question_key", "cluster", "episode_id"], as_index=False)[parts].sum()
    questions = episodes.groupby(["question_key", "cluster"], as_index=False)[parts].mean()
    known = questions[questions["traced"] > 0]
    return ChosenSolutions(
        final_error=mean_share(1 - questions["good"].to_numpy(np.float64).round(12), questions["cluster"].tolist()),
        trace_error=_ratio(known, "flawed", "traced"),
        nothing=int((episodes["weight"] == 0).sum()),
    )


def best_of_curve(solutions: pd.DataFrame) -> list[BestOf]:
    """Best-of-n accuracy for n = 1, 2, 4, … and for all candidates; nothing where no episode has two.

    Episodes of one question (repeats, assignments) are averaged first, then questions.
    """
    episodes = _episodes(solutions)
    scored = bool(solutions["score"].notna().any())
    found = []
    for n in _sizes(max((len(each.right) for each in episodes), default=0)):
        frame = pd.DataFrame(
            (
                (*each.question, best_of_n(each.scores, each.right, n), majority_of_n(each.votes, each.gold, n))
                for each in episodes
                if len(each.right) >= n
            ),
            columns=["question_key", "cluster", "score", "majority"],
        )
        # Sums of shares such as three thirds are one only nearly.
        mean = frame.groupby(["question_key", "cluster"])[["score", "majority"]].mean().round(12).reset_index()
        by_score, by_majority = (
            mean_share(mean[name].to_numpy(np.float64), mean["cluster"].tolist()) for name in ("score", "majority")
        )
        found.append(BestOf(n, by_score if scored else None, by_majority))
    return found


class _Episode(NamedTuple):
    """One episode's candidates; a score counts only if there is an answer to take."""

    question: tuple[str, str]
    scores: list[float | None]
    votes: list[float | None]
    right: list[bool]
    gold: float | None


def _episodes(solutions: pd.DataFrame) -> list[_Episode]:
    found: dict[str, _Episode] = {}
    columns = ["episode_id", "question_key", "cluster", "score", "answer", "right"]
    for episode_id, key, cluster, score, answer, right in solutions[columns].itertuples(index=False, name=None):
        each = found.setdefault(episode_id, _Episode((key, cluster), [], [], [], None))
        each.scores.append(None if isnan(score) or isnan(answer) else score)
        each.votes.append(None if isnan(answer) else answer)
        each.right.append(right)
        if right:
            found[episode_id] = each._replace(gold=answer)
    return list(found.values())


def _sizes(most: int) -> list[int]:
    powers = [2**k for k in range(most.bit_length()) if 2**k < most]
    return [*powers, most] if most > 1 else []


@lru_cache(maxsize=4096)
def _majority(gold: int, others: tuple[int, ...], candidates: int, n: int) -> float:
    # Every C(m, c) stands multiplied by p^c (1 - p)^(m - c), which changes each subset of size n by the same factor:
    # binomial probabilities neither overflow nor underflow, and all terms are positive, so nothing cancels.
    p, drawn = n / candidates, np.arange(n + 1)
    chances = {count: binom.pmf(drawn, count, p) for count in {gold, *others, candidates}}
    silent: Floats = binom.pmf(drawn, candidates - gold - sum(others), p)
    expected = 0.0
    for votes in range(1, min(gold, n) + 1):
        room = n - votes
        # By how many other answers get as many votes: the chances that 0, 1, … candidates are drawn.
        ties = [silent[: room + 1]]
        for count in others:
            fewer, equal = np.zeros(room + 1), np.zeros(room + 1)
            fewer[:votes] = chances[count][: min(votes, room + 1)]
            equal[votes : votes + 1] = chances[count][votes : min(votes, room) + 1]
            grown = [np.convolve(each, fewer)[: room + 1] for each in ties] + [np.zeros(room + 1)]
            for number, each in enumerate(ties):
                grown[number + 1] += np.convolve(each, equal)[: room + 1]
            # No more answers can get this many votes than there is room for.
            ties = grown[: room // votes + 1]
        shared = sum(float(each[room]) / (number + 1) for number, each in enumerate(ties))
        expected += float(chances[gold][votes]) * shared
    return expected / float(chances[candidates][n])


def _ratio(frame: pd.DataFrame, above: str, below: str) -> Estimate | None:
    """The ratio of two columns' sums; where each question has weight 1, the mean of one."""
    size = frame[below].to_numpy(np.float64).round(12)
    part = frame[above].to_numpy(np.float64).round(12)
    clusters = frame["cluster"].tolist()
    if (size == 1).all():
        return mean_share(part, clusters)
    return unit_statistic(np.column_stack([part, size]), clusters, ratio)
