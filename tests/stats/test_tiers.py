"""Hierarchical models against exact marginal likelihoods and quadrature, and tiers against simulated truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import multivariate_normal, norm

from oversight.stats.estimate import Estimate
from oversight.stats.mixed import fit_mixed
from oversight.stats.tiers import difficulty_tiers, protocol_effects


def holds(each: Estimate, truth: float) -> bool:
    assert each.low is not None
    assert each.high is not None
    return each.low <= truth <= each.high


# --- the models


def test_normal_outcomes_have_the_exact_posterior() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(8), 6)
    y = 0.5 + rng.normal(0, 0.6, 8)[group] + rng.normal(0, 1, 48)
    found = fit_mixed(y, {}, {"group": group.tolist()}, family="normal")
    # With the effects and the intercept integrated out, y is normal: a grid over both deviations is exact.
    same = (group[:, None] == group).astype(float)
    grid = np.exp(np.linspace(np.log(0.01), np.log(3), 60))
    weight = np.zeros((60, 60))
    centre = np.zeros((60, 60))
    for i, between in enumerate(grid):
        for j, residual in enumerate(grid):
            if 0.5 < residual < 2:
                covariance = 4 + between**2 * same + residual**2 * np.eye(48)
                prior = norm.pdf(between) * norm.pdf(residual) * between * residual  # half-normal, per log step
                weight[i, j] = multivariate_normal.logpdf(y, cov=covariance) + np.log(prior)
                centre[i, j] = 4 * np.linalg.solve(covariance, y).sum()
            else:
                weight[i, j] = -np.inf
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    assert found.fixed["intercept"].mean() == pytest.approx((weight * centre).sum(), abs=0.03)
    assert found.deviations["group"].mean() == pytest.approx((weight.sum(axis=1) * grid).sum(), abs=0.03)
    assert found.deviations["residual"].mean() == pytest.approx((weight.sum(axis=0) * grid).sum(), abs=0.02)
    assert found.effective > 100


def test_an_intercept_alone_has_the_posterior_of_quadrature() -> None:
    y = [1] * 7 + [0] * 3
    found = fit_mixed(y, {}, {"one": [None] * 10}, family="logit")

    def density(x: float, power: int) -> float:
        return float(x**power * expit(x) ** 7 * expit(-x) ** 3 * norm.pdf(x / 2))

    total, first, second = (quad(density, -8, 8, args=(power,))[0] for power in range(3))
    mean = first / total
    assert found.fixed["intercept"].mean() == pytest.approx(mean, abs=0.08)  # Laplace centres on the mode
    assert found.fixed["intercept"].std() == pytest.approx((second / total - mean**2) ** 0.5, rel=0.06)


def test_a_group_has_no_effect_where_its_level_is_none() -> None:
    rng = np.random.default_rng(1)
    y, group = rng.normal(0, 1, 60), [None] * 30 + ["a"] * 15 + ["b"] * 15
    found = fit_mixed(y, {}, {"group": group}, family="normal")
    assert found.levels == {"group": ["a", "b"]}
    assert found.random["group"].shape == (4000, 2)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="no observation"):
        fit_mixed([], {}, {}, family="logit")
    with pytest.raises(ValueError, match="within 0 to 1"):
        fit_mixed([0.5, 2], {}, {"g": ["a", "b"]}, family="logit")


# --- tiers


def judged(rng: np.random.Generator, spread: float = 0.8) -> tuple[pd.DataFrame, np.ndarray]:
    """DC-Debates' design, 12 questions with two transcripts each, and each transcript's true effect."""
    effects = np.repeat(rng.normal(0, spread, 12), 2) + rng.normal(0, spread / 2, 24)
    effects += np.repeat([0.0, 0.6, -0.6], 8)
    transcript = rng.integers(0, 24, 1200)
    order = rng.integers(0, 2, 1200)
    frame = pd.DataFrame(
        {
            "transcript": [f"t{each:02}" for each in transcript],
            "question": [f"q{each // 2:02}" for each in transcript],
            "domain": [f"d{each // 8}" for each in transcript],
            "order": order,
            "logit": effects[transcript] + 0.5 * order + rng.normal(0, 1.2, 1200),
        }
    )
    return frame, effects


def test_tiers_are_those_of_the_true_difficulty() -> None:
    frame, effects = judged(np.random.default_rng(2))
    found = difficulty_tiers(frame, "logit", between=["domain"], within=["order"])
    assert len(found.transcripts) == 24
    truth = dict(zip((f"t{each:02}" for each in range(24)), np.argsort(np.argsort(-effects)) // 6 + 1, strict=True))
    assert sum(row.tier == truth[row.transcript] for row in found.transcripts) >= 18
    assert all(abs(row.tier - truth[row.transcript]) <= 1 for row in found.transcripts)
    assert all(sum(row.chances) == pytest.approx(1) for row in found.transcripts)
    # Six transcripts are in each tier in every draw.
    assert np.sum([row.chances for row in found.transcripts], axis=0) == pytest.approx([6, 6, 6, 6])
    values = [row.difficulty.value for row in found.transcripts]
    assert values == sorted(values)
    assert found.steps[0].value == pytest.approx(found.means[1].value - found.means[0].value)
    assert all(step.low is not None and step.low > 0 for step in found.steps)
    assert holds(found.deviations["residual"], 1.2)


def test_difficulty_holds_order_constant_and_counts_the_domain() -> None:
    frame, effects = judged(np.random.default_rng(3))
    # Every second transcript was only ever judged in the order that helps.
    easy = frame["transcript"].str[-1].astype(int) % 2 == 0
    frame["logit"] += 2.0 * ((easy | (frame["order"] == 1)).astype(float) - frame["order"])
    frame.loc[easy, "order"] = 1
    found = difficulty_tiers(frame, "logit", between=["domain"], within=["order"])
    by_name = {row.transcript: row.difficulty for row in found.transcripts}
    own = np.array([by_name[f"t{each:02}"].value for each in range(24)])
    assert np.corrcoef(own, -effects)[0, 1] > 0.9


def test_where_transcripts_do_not_differ_no_tier_is_sure() -> None:
    rng = np.random.default_rng(4)
    frame, _ = judged(rng)
    frame["correct"] = rng.integers(0, 2, len(frame))
    found = difficulty_tiers(frame, "correct", family="logit", tiers=5)
    assert max(max(row.chances) for row in found.transcripts) < 0.7
    assert np.sum([row.chances for row in found.transcripts], axis=0) == pytest.approx([5, 5, 5, 5, 4])
    with pytest.raises(ValueError, match="24 transcripts do not fill 25 tiers"):
        difficulty_tiers(frame, "logit", tiers=25)


# --- protocols


def compared(rng: np.random.Generator, shift: tuple[float, ...], rows: int = 1500) -> pd.DataFrame:
    """Judgements with and without debate, whose effect differs by tier."""
    question, participant, debate = rng.integers(0, 40, rows), rng.integers(0, 30, rows), rng.integers(0, 2, rows)
    tier = question % len(shift)
    log_odds = 0.2 + np.array(shift)[tier] * debate + rng.normal(0, 0.6, 40)[question]
    log_odds += rng.normal(0, 0.4, 30)[participant] - 0.3 * tier
    return pd.DataFrame(
        {
            "correct": (rng.random(rows) < expit(log_odds)).astype(int),
            "protocol": np.where(debate == 1, "debate", "direct"),
            "tier": tier,
            "question": question,
            "participant": participant,
        }
    )


def test_an_effect_is_recovered_overall_and_by_tier() -> None:
    shift = (1.2, 0.8, 0.4, 0.0)
    frame = compared(np.random.default_rng(5), shift)
    (found,) = protocol_effects(frame, "direct")
    assert found.protocol == "debate"
    assert holds(found.overall, 0.6)
    assert found.positive > 0.9
    assert all(holds(found.tiers[str(tier)], truth) for tier, truth in enumerate(shift))
    # Each is pulled from its tier's own estimate towards the overall one.
    raw = []
    for tier in range(4):
        own = frame[frame["tier"] == tier].groupby("protocol")["correct"].mean()
        raw.append(np.log(own["debate"] / (1 - own["debate"])) - np.log(own["direct"] / (1 - own["direct"])))
    pooled = [found.tiers[str(tier)].value for tier in range(4)]
    assert np.std(pooled) < np.std(raw)


def test_a_tier_with_few_judgements_leans_on_the_others() -> None:
    frame = compared(np.random.default_rng(6), (1.0, 1.0, 1.0, 1.0))
    scarce = frame[(frame["tier"] != 3) | (frame["protocol"] == "direct") | (frame.index % 40 == 0)]
    (found,) = protocol_effects(scarce, "direct")
    few, many = found.tiers["3"], found.tiers["0"]
    assert holds(few, 1.0)
    assert (few.high or 0) - (few.low or 0) > (many.high or 0) - (many.low or 0)


def test_protocols_need_a_baseline_and_one_more() -> None:
    frame = compared(np.random.default_rng(7), (0.0,), 20)
    for baseline in ("consultancy", "direct"):
        with pytest.raises(ValueError, match="are needed"):
            protocol_effects(frame[frame["protocol"] == "direct"], baseline)
