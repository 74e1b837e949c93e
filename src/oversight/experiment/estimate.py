"""What a run would take, from the rehearsal of each arm."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from oversight.experiment.plan import Plan

__all__ = ["Estimate", "estimate"]


class Estimate(NamedTuple):
    """One arm's share: tokens are estimated from the prompts, cost from today's prices.

    ``cost_usd`` is None where a model's price is unknown.
    """

    arm: str
    questions: int
    episodes: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


def estimate(plan: Plan) -> list[Estimate]:
    """What each arm would take, and the total."""
    episodes = Counter(planned.arm for planned in plan.episodes)
    rows = []
    for place, arm in enumerate(plan.arms):
        count = episodes[place]
        questions = len({p.spec.question_key for p in plan.episodes if p.arm == place})
        cost: float | None = 0.0
        for role, expected in arm.rehearsal.expected.items():
            tokens = expected.prompt_tokens * count, expected.completion_tokens * count
            price = arm.cast[role][0].price(round(tokens[0]), round(tokens[1]))
            cost = None if cost is None or price is None else cost + price
        taken = arm.rehearsal.expected.values()
        rows.append(
            Estimate(
                arm.label,
                questions,
                count,
                round(count * sum(e.calls for e in taken)),
                round(count * sum(e.prompt_tokens for e in taken)),
                round(count * sum(e.completion_tokens for e in taken)),
                None if cost is None else round(cost, 4),
            )
        )
    return [*rows, _total(rows, len(plan.items))]


def _total(rows: list[Estimate], questions: int) -> Estimate:
    costs = [row.cost_usd for row in rows]
    known = [cost for cost in costs if cost is not None]
    return Estimate(
        "total",
        questions,
        sum(row.episodes for row in rows),
        sum(row.calls for row in rows),
        sum(row.prompt_tokens for row in rows),
        sum(row.completion_tokens for row in rows),
        sum(known) if len(known) == len(costs) else None,
    )
