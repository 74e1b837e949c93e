"""What a run would take, from the dry run of each arm."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from oversight.experiment.dry_run import ExpectedUsage
from oversight.experiment.plan import Plan
from oversight.models.binding import Binding

__all__ = ["CostEstimate", "estimate", "times", "total"]


class CostEstimate(NamedTuple):
    """One arm's share: tokens by each model's own tokenizer, on prompts as they would be; cost at today's prices.

    Speeches count as long as their word limits let them be. Replies are what the seats would read: a model
    that reasons in hiding bills more. Nothing is taken off for cached prompts, shared calls or retries.
    ``cost_usd`` is None where a model's price is unknown.
    """

    arm: str
    questions: int
    episodes: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


def estimate(plan: Plan) -> list[CostEstimate]:
    """What each arm would take, and the total."""
    episodes = Counter(planned.arm for planned in plan.episodes)
    questions: defaultdict[int, set[str]] = defaultdict(set)
    for planned in plan.episodes:
        questions[planned.arm].add(planned.question.key)
    rows = []
    for place, arm in enumerate(plan.arms):
        count = episodes[place]
        taken = [_taken(arm.cast[role], expected, count) for role, expected in arm.dry_run.expected.items()]
        costs = [cost for _, _, cost in taken]
        known = [cost for cost in costs if cost is not None]
        rows.append(
            CostEstimate(
                arm.label,
                len(questions[place]),
                count,
                round(count * sum(expected.calls for expected in arm.dry_run.expected.values())),
                sum(prompt for prompt, _, _ in taken),
                sum(reply for _, reply, _ in taken),
                round(sum(known), 4) if len(known) == len(costs) else None,
            )
        )
    return [*rows, total(rows, len(plan.items))]


def times(row: CostEstimate, count: int, arm: str) -> CostEstimate:
    """What it takes to do one arm's share several times."""
    cost = None if row.cost_usd is None else round(row.cost_usd * count, 4)
    numbers = (row.episodes * count, row.calls * count, row.prompt_tokens * count, row.completion_tokens * count)
    return CostEstimate(arm, row.questions, *numbers, cost)


def _taken(bound: Sequence[Binding], expected: ExpectedUsage, episodes: int) -> tuple[int, int, float | None]:
    """Prompt tokens, reply tokens and cost of one role in all episodes; several models share them evenly."""
    prompt = reply = 0
    costs: list[float | None] = []
    for binding in bound:
        per_char = binding.count_tokens(expected.sample) / max(1, len(expected.sample))
        most = binding.checked()[1].completion_limit
        calls = expected.calls * episodes / len(bound)
        read = round(expected.prompt_chars * per_char * episodes / len(bound))
        said = round(expected.reply_chars * per_char * episodes / len(bound))
        said = max(round(calls), said if most is None else min(said, round(most * calls)))
        prompt, reply = prompt + read, reply + said
        costs.append(binding.price(read, said))
    known = [cost for cost in costs if cost is not None]
    return prompt, reply, sum(known) if len(known) == len(costs) else None


def total(rows: Sequence[CostEstimate], questions: int) -> CostEstimate:
    """The sum of several arms' shares."""
    costs = [row.cost_usd for row in rows]
    known = [cost for cost in costs if cost is not None]
    return CostEstimate(
        "total",
        questions,
        sum(row.episodes for row in rows),
        sum(row.calls for row in rows),
        sum(row.prompt_tokens for row in rows),
        sum(row.completion_tokens for row in rows),
        round(sum(known), 4) if len(known) == len(costs) else None,
    )
