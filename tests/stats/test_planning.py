"""Power by simulation against closed forms, and what the plan command says of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from oversight.cli.plan_command import power_lines
from oversight.experiment.file import load_experiment
from oversight.experiment.plan import build_plan
from oversight.stats.intervals import mean_difference
from oversight.stats.planning import Design, detectable, power

ROOT = Path(__file__).resolve().parents[2]
ALONE = Design((1,) * 300, question=0.0, cluster=0.0)


def test_independent_episodes_have_the_power_of_the_normal_formula() -> None:
    error = math.sqrt((0.5 * 0.5 + 0.62 * 0.38) / 300)
    expected = norm.sf(1.96 - 0.12 / error)
    assert power(ALONE, 0.12, simulations=3000) == pytest.approx(expected, abs=0.03)


def test_without_a_difference_one_study_in_twenty_finds_one() -> None:
    assert power(ALONE, 0.0, simulations=4000) == pytest.approx(0.05, abs=0.012)
    clustered = Design((3, 5, 7) * 20, 2, 1, 0.6)
    assert power(clustered, 0.0, simulations=3000) == pytest.approx(0.05, abs=0.015)


def test_what_is_detectable_is_detected_four_times_of_five() -> None:
    found = detectable(ALONE)
    assert found is not None
    assert power(ALONE, found, simulations=4000, seed=1) == pytest.approx(0.8, abs=0.04)
    assert found == detectable(ALONE)


def test_sharing_questions_helps_and_sharing_clusters_hurts() -> None:
    paired = detectable(Design((1,) * 150, question=0.8, cluster=0))
    apart = detectable(Design((1,) * 150, question=0.0, cluster=0))
    assert paired is not None
    assert apart is not None
    assert paired < apart
    # What questions of a cluster share is in both arms, so that it only hurts by making their differences alike.
    few, many = power(Design((20,) * 5), 0.1), power(Design((1,) * 100), 0.1)
    assert few < many


def test_difficulties_are_as_alike_as_the_design_says() -> None:
    from oversight.stats.planning import _noise

    base, arm = _noise(Design((2,), 2, 1, question=0.5, cluster=0.3), 40_000, np.random.default_rng(0))
    within, between = (
        np.corrcoef(one, other)[0, 1] for one, other in ((base[:, 0, 0], arm[:, 0, 1]), (base[:, 0, 0], arm[:, 1, 0]))
    )
    assert (within, between) == (pytest.approx(0.5, abs=0.02), pytest.approx(0.5 * 0.3, abs=0.02))
    assert np.concatenate([base.ravel(), arm.ravel()]).std() == pytest.approx(1, abs=0.01)


def test_a_design_too_small_detects_nothing() -> None:
    assert detectable(Design((1,) * 4)) is None
    assert power(Design((9,)), 0.4) == 0
    with pytest.raises(ValueError, match="no accuracy differs"):
        power(Design((1,) * 4), 0.6)


def test_the_simulation_tests_as_a_report_does() -> None:
    from oversight.stats.planning import _told_apart

    rng = np.random.default_rng(0)
    clusters = (1, 4, 2, 6, 3, 1, 5)
    values = rng.choice([-1.0, 0.0, 0.5, 1.0], (200, sum(clusters)), p=[0.1, 0.4, 0.2, 0.3])
    values = np.concatenate([values, np.full((1, sum(clusters)), 1.0), np.full((1, sum(clusters)), 0.7)])  # no spread
    names = np.repeat(np.arange(len(clusters)), clusters).tolist()
    intervals = [mean_difference(row, names) for row in values]
    assert _told_apart(values, clusters).tolist() == [not each.low <= 0 <= each.high for each in intervals]


def test_the_plan_says_what_it_can_detect() -> None:
    lines = power_lines(build_plan(load_experiment(ROOT / "experiments" / "quickstart.yaml")))
    assert len(lines) == 3
    assert "debate against direct: 100 questions in 100 clusters, 2 against 1 episodes each: 80% power" in lines[1]
    assert "simulated for a judge alone at 0.5" in lines[-1]


@pytest.mark.long
@pytest.mark.parametrize("clusters", [(1,) * 9000, (4,) * 2500, (600,) * 15])
def test_of_a_large_design_a_part_tells_what_the_whole_detects(
    clusters: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    part = detectable(Design(clusters), simulations=200)
    monkeypatch.setattr("oversight.stats.planning._MOST_QUESTIONS", sum(clusters))
    whole = detectable(Design(clusters), simulations=200)
    assert part is not None
    assert whole is not None
    assert part == pytest.approx(whole, abs=0.004)
    assert part < 0.03
