"""Verdicts tables: by hand, and of judges whose faults are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

PLACES = "AB"


def verdict(probs: Sequence[float] | None, question: str = "q", *, gold: int = 0, **more: Any) -> dict[str, Any]:
    """One row of a verdicts table as `oversight.reports.verdicts.verdicts` makes it, scored from its belief."""
    argues: list[int | None] = list(more.get("argues", []))
    held = np.array(probs if probs is not None else [np.nan, np.nan])
    best = np.flatnonzero(held == held.max()) if probs is not None else np.array([])
    contested = len(argues) > 1
    row = {
        "run": "r",
        "arm": "arm",
        "arm_no": 0,
        "task": "t",
        "protocol": "p",
        "options": "{}",
        "judge": "j",
        "strong": "s",
        "question": question,
        "cluster": question,
        "seed": 0,
        "repeat": 0,
        "episode": f"{question}-{argues}",
        "attempt": 0,
        "belief_source": "stated",
        "answers": len(held),
        "probs": None if probs is None else list(probs),
        "gold": gold,
        "chosen": float(best[0]) if len(best) == 1 else np.nan,
        "p_gold": float(held[gold]),
        "confidence": float(held.max()),
        "correct": len(best) == 1 and int(best[0]) == gold,
        "tie": len(best) > 1 and gold in best,
        "brier": float(((held - (np.arange(len(held)) == gold)) ** 2).sum() / 2),
        "log_score": float(np.log2(max(held[gold], 1e-6))),
        "abstained": probs is None,
        "void": contested and gold not in argues,
        "honest": "none",
        "seats": [f"seat{n}" for n in range(len(argues))],
        "argues": argues,
        "defends": argues,
        "models": ["m"] * len(argues),
        "assigned": float(argues[0]) if len(argues) == 1 and argues[0] is not None else np.nan,
        "chars": [100] * len(argues),
        "named": argues,
        "rounds": 1 if argues else 0,
        "prior": np.nan,
        "beliefs": [],
        "calls": 1,
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "cost_usd": 0.0,
    } | more
    return row | {"counts": not row["abstained"] and not row["void"]}


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def consultancy(judge: str, questions: int = 400, seed: int = 0) -> pd.DataFrame:
    """Both answers of each question argued by a consultant, before a judge with one known habit.

    calibrated: its probabilities come true, and it pays no heed to the consultant.
    biased: it believes 0.9 in whatever the consultant argues for, 8 times of 10, and the opposite otherwise.
    first: it believes 0.8 in the answer that stands first.
    negligent: it looks 3 times of 10 and then knows; otherwise it guesses at 0.5 each way and says 0.6.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for question in range(questions):
        for assigned in (0, 1):
            gold = int(rng.integers(2))
            p = 0.5
            if judge == "calibrated":
                held = rng.uniform(0.5, 1)
                p = held if rng.random() < held else 1 - held
            elif judge == "biased":
                adopts = rng.random() < 0.8
                p = 0.9 if (assigned == gold) == adopts else 0.1
            elif judge == "first":
                p = 0.8 if gold == 0 else 0.2
            elif judge == "negligent":
                p = 0.99 if rng.random() < 0.3 else float(rng.choice([0.4, 0.6]))
            probs = [p, 1 - p] if gold == 0 else [1 - p, p]
            rows.append(verdict(probs, f"q{question}", gold=gold, argues=[assigned], arm="consultancy"))
    return table(*rows)
