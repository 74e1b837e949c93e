"""``--max-cost``: exit code 3 when it is reached, and on from there when it is raised."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.running import Ran, here

COST = 0.25  # exact in binary, so that sums are
IMAGES = 8

COSTLY = f'''\
"""Models that cost something, or nobody knows what."""

import asyncio

from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply


class Costly(ChatModel):
    """Answers at a price."""

    cost = {COST}

    async def chat(self, request):
        await asyncio.sleep(0.01)
        probs = dict.fromkeys(request.choices, 1 / max(1, len(request.choices)))
        return ChatReply(text="A", choice_probs=probs or None, model="costly", provider="test", cost_usd=self.cost)


class Unpriced(Costly):
    """Answers at an unknown price."""

    cost = None
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(COSTLY)
    (tmp_path / "e.yaml").write_text(
        f"name: paid\ntask: {{name: digits, images: {IMAGES}}}\n"
        "models:\n  judge: {model: './model.py:Costly'}\nprotocols: [direct]\n"
    )
    return tmp_path


def run(folder: Path, *options: object) -> Ran:
    return here("run", folder / "e.yaml", "--engine", "local", "--store", folder / "store", *options)


def spent(folder: Path) -> tuple[int, float | None]:
    """Judged episodes, and what they cost."""
    query = "SELECT n_judged, cost_usd FROM accuracy"
    (row,) = here("sql", query, "--store", folder / "store", "--format", "json").rows
    return row["n_judged"], row["cost_usd"]


@pytest.mark.long
def test_a_reached_budget_exits_with_3_and_a_higher_one_goes_on(folder: Path) -> None:
    first = run(folder, "--max-cost", 3 * COST, "--concurrency", 1)
    assert first.code == 3
    assert "budget of $0.75 reached: raise --max-cost" in first.err
    assert spent(folder) == (3, 3 * COST)
    # What earlier executions spent counts, so the same command spends nothing more.
    again = run(folder, "--max-cost", 3 * COST, "--concurrency", 1)
    assert (again.code, spent(folder)) == (3, (3, 3 * COST))
    assert "0 episodes run with 0 model calls; 3 had been judged before" in again.out

    assert run(folder, "--max-cost", 5 * COST, "--concurrency", 1).code == 3
    assert spent(folder) == (5, 5 * COST)
    last = run(folder, "--max-cost", 100)
    assert (last.code, spent(folder)) == (0, (IMAGES, IMAGES * COST))
    (row,) = here("report", "--store", folder / "store", "--format", "json").rows
    assert (row["n"], row["calls"], row["cost_usd"]) == (IMAGES, IMAGES, IMAGES * COST)


def test_a_budget_that_is_just_enough_is_not_reached(folder: Path) -> None:
    ran = run(folder, "--max-cost", IMAGES * COST, "--concurrency", 1)
    assert spent(folder) == (IMAGES, IMAGES * COST)
    assert ran.code == 0, ran.err
    assert run(folder, "--max-cost", IMAGES * COST).code == 0


@pytest.mark.long
def test_a_budget_that_is_just_enough_is_not_reached_at_the_usual_concurrency_either(folder: Path) -> None:
    assert run(folder, "--max-cost", IMAGES * COST).code == 0
    assert spent(folder) == (IMAGES, IMAGES * COST)


@pytest.mark.long
def test_a_budget_holds_at_the_usual_concurrency(folder: Path) -> None:
    assert run(folder, "--max-cost", 2 * COST, "--set", "task.images=60").code == 3
    judged, cost = spent(folder)
    # What is in flight when the price becomes known may finish, but that cannot be most of the experiment.
    assert judged <= 10, cost


@pytest.mark.long
def test_a_budget_on_an_unknown_price_is_not_silently_ignored(folder: Path) -> None:
    ran = run(folder, "--max-cost", COST, "--set", "models.judge=./model.py:Unpriced")
    assert ran.code in (2, 3) or "max-cost" in ran.err, ran.err


@pytest.mark.long
def test_plan_does_not_know_an_unknown_price_and_report_says_unknown(folder: Path) -> None:
    setting = ("--set", "models.judge=./model.py:Unpriced")
    assert here("plan", folder / "e.yaml", *setting, "--format", "json").rows[-1]["cost_usd"] is None
    ran = run(folder, *setting)
    assert ran.code == 0
    assert "unknown" in ran.out
    assert here("report", "--store", folder / "store", "--format", "json").rows[0]["cost_usd"] is None
