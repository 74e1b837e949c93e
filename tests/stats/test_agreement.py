"""Agreement against the libraries, published examples and closed forms; balanced accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import krippendorff
import numpy as np
import pandas as pd
import pytest
from simulated import consultancy, table, verdict
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from oversight.stats.agreement import (
    Agreement,
    balanced_accuracy,
    between_runs,
    class_agreement,
    cohen,
    fleiss,
    krippendorff_alpha,
    ratings,
    raw_agreement,
)
from oversight.stats.estimate import Estimate


def beyond(found: Agreement | None) -> Estimate:
    assert found is not None
    assert found.beyond_chance is not None
    return found.beyond_chance


def pairs(both: int, one: int, other: int, neither: int) -> pd.DataFrame:
    """Two judges of transcripts: how often both, one, the other and neither say 1."""
    rows = [(1.0, 1.0)] * both + [(1.0, 0.0)] * one + [(0.0, 1.0)] * other + [(0.0, 0.0)] * neither
    return pd.DataFrame(rows, columns=["x", "y"])


KRIPPENDORFF = [
    # Krippendorff (2011), Computing Krippendorff's alpha-reliability, part C: alpha nominal 0.743, interval 0.849.
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("interval", 0.849)])
def test_krippendorffs_own_example(level: str, alpha: float) -> None:
    rated = pd.DataFrame(KRIPPENDORFF, dtype=float).T
    found = beyond(krippendorff_alpha(rated, range(12), level))  # type: ignore[arg-type]
    assert (round(found.value, 3), found.n) == (alpha, 11)
    assert found.low is not None
    assert found.high is not None
    assert found.low < alpha < found.high


def test_cohens_and_fleiss_kappa_are_the_libraries() -> None:
    rng = np.random.default_rng(3)
    true = rng.integers(0, 3, 80)
    rated = pd.DataFrame({name: np.where(rng.random(80) < 0.7, true, rng.integers(0, 3, 80)) for name in "xyz"})
    two, three = beyond(cohen(rated["x"], rated["y"], range(80))), beyond(fleiss(rated, range(80)))
    assert two.value == pytest.approx(cohen_kappa_score(rated["x"], rated["y"]))
    assert three.value == pytest.approx(fleiss_kappa(aggregate_raters(rated.to_numpy())[0]))
    alpha = beyond(krippendorff_alpha(rated.astype(float), range(80)))
    assert alpha.value == pytest.approx(krippendorff.alpha(rated.to_numpy(float).T, level_of_measurement="nominal"))
    for each in (two, three, alpha):
        assert each.low is not None
        assert each.high is not None
        assert each.low < each.value < each.high


def test_cohens_own_formula() -> None:
    # 20 agree on yes, 15 on no; 5 and 10 differ: p_o = 0.7, p_e = 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
    rated = pairs(20, 5, 10, 15)
    assert beyond(cohen(rated["x"], rated["y"], range(50))).value == pytest.approx(0.4)


def test_judges_who_always_say_the_same_have_no_kappa_but_agree() -> None:
    alike = pd.DataFrame({"x": [1.0, 1.0], "y": [1.0, 1.0]})
    for found in (cohen([1, 1], [1, 1], "ab"), fleiss(alike, "ab"), krippendorff_alpha(alike, "ab")):
        assert found is not None
        assert found.raw is not None
        assert (found.beyond_chance, found.raw.value) == (None, 1.0)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_judge_alone_agrees_with_nobody() -> None:
    alone = pd.DataFrame({"x": [0.0, 1.0, 1.0]})
    assert (fleiss(alone, "abc"), krippendorff_alpha(alone, "abc")) == (None, None)


def test_ratings_leave_room_for_who_did_not_judge() -> None:
    frame = pd.DataFrame(
        [("r", "e1", "q", "one", 0.0), ("r", "e1", "q", "two", 1.0), ("r", "e2", "q", "one", 1.0)],
        columns=["run", "episode", "cluster", "judge", "chosen"],
    )
    wide = ratings(frame.assign(p_gold=0.5))
    assert wide["one"].tolist() == [0.0, 1.0]
    assert wide["two"].isna().tolist() == [False, True]


# --- raw agreement, and class by class


def test_raw_agreement_stands_beside_kappa() -> None:
    # 90 + 0 of 100 agree, and yet not beyond chance: p_e = 0.95 x 0.95 + 0.05 x 0.05.
    rated = pairs(90, 5, 5, 0)
    found = cohen(rated["x"], rated["y"], range(100))
    assert found is not None
    assert found.raw is not None
    assert found.raw.value == pytest.approx(0.9)
    assert beyond(found).value == pytest.approx((0.9 - 0.905) / 0.095)
    # Cicchetti and Feinstein (1990): positive agreement 2a / (2a + b + c), negative 2d / (2d + b + c).
    assert {answer: each.value for answer, each in found.by_class.items()} == pytest.approx({0.0: 0.0, 1.0: 180 / 190})


def test_all_three_numbers_come_with_the_same_raw_agreement() -> None:
    rated = pairs(30, 10, 5, 25)
    found = (cohen(rated["x"], rated["y"], range(70)), fleiss(rated, range(70)), krippendorff_alpha(rated, range(70)))
    whole = raw_agreement(rated, range(70))
    assert whole is not None
    assert whole.value == pytest.approx(55 / 70)
    for each in found:
        assert each is not None
        assert each.raw == whole
        assert each.by_class == class_agreement(rated, range(70))


def test_raw_agreement_of_many_judges_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    rated = pd.DataFrame(rng.integers(0, 3, (25, 4)).astype(float)).mask(rng.random((25, 4)) < 0.3)
    agreeing = differing = 0
    shared, given = {answer: 0 for answer in (0.0, 1.0, 2.0)}, {answer: 0 for answer in (0.0, 1.0, 2.0)}
    for row in rated.to_numpy():
        for one in range(4):
            for other in range(4):
                if one == other or np.isnan(row[[one, other]]).any():
                    continue
                agreeing += row[one] == row[other]
                differing += row[one] != row[other]
                given[row[one]] += 1
                shared[row[one]] += row[one] == row[other]
    whole = raw_agreement(rated, range(25))
    assert whole is not None
    assert whole.value == pytest.approx(agreeing / (agreeing + differing))
    by_class = {answer: each.value for answer, each in class_agreement(rated, range(25)).items()}
    assert by_class == pytest.approx({answer: shared[answer] / given[answer] for answer in given})


def test_probabilities_have_no_raw_agreement() -> None:
    found = krippendorff_alpha(pd.DataFrame({"x": [0.2, 0.9, 0.4], "y": [0.3, 0.8, 0.4]}), "abc", "interval")
    assert found is not None
    assert (found.raw, found.by_class) == (None, {})
    assert beyond(found).value > 0.8


def test_no_transcript_in_common_is_no_agreement() -> None:
    assert cohen([1.0, np.nan], [np.nan, 1.0], "ab") is None
    assert raw_agreement(pd.DataFrame({"x": [1.0]}), "a") is None
    assert class_agreement(pd.DataFrame({"x": [1.0]}), "a") == {}


# --- between runs


def runs(rights: dict[tuple[str, int], Sequence[bool]]) -> pd.DataFrame:
    """Verdicts of one arm: for a question and the answer argued, whether each seed was right."""
    return table(
        *(
            verdict(
                [0.9, 0.1] if right else [0.1, 0.9],
                question,
                seed=seed,
                argues=[side],
                episode=f"{question}{side}{seed}",
            )
            for (question, side), each in rights.items()
            for seed, right in enumerate(each)
        )
    )


def test_runs_agree_within_an_assignment() -> None:
    # Opposite verdicts under opposite assignments are no disagreement of runs.
    found = between_runs(runs({(f"q{n}", side): [side == 0] * 3 for n in range(20) for side in (0, 1)}))
    assert found is not None
    assert found.raw is not None
    assert (found.raw.value, beyond(found).value, found.raw.n) == (1.0, 1.0, 40)


def test_runs_agreement_is_the_libraries() -> None:
    rng = np.random.default_rng(2)
    right = rng.random((30, 3)) < np.where(rng.random((30, 1)) < 0.5, 0.9, 0.3)
    found = between_runs(runs({(f"q{n}", 0): row.tolist() for n, row in enumerate(right)}))
    expected = krippendorff.alpha(reliability_data=right.T.astype(float), level_of_measurement="nominal")
    assert beyond(found).value == pytest.approx(expected)
    assert found is not None
    assert set(found.by_class) == {0.0, 1.0}


def test_an_episode_that_two_runs_planned_agrees_with_itself_only_once() -> None:
    once = runs({("q", 0): [True, False], ("r", 0): [True, True]})
    assert between_runs(pd.concat([once, once.assign(run="other")])) == between_runs(once)


def test_a_single_run_has_no_agreement() -> None:
    assert between_runs(consultancy("first", 10)) is None
    assert between_runs(table(verdict(None, "q"))) is None


# --- balanced accuracy


@pytest.mark.parametrize("judge", ["calibrated", "first", "negligent"])
def test_balanced_accuracy_is_the_libraries(judge: str) -> None:
    rng = np.random.default_rng(3)
    verdicts = consultancy(judge, 150)
    kept = verdicts[(verdicts["gold"] == 0) | (rng.random(len(verdicts)) < 0.3)]
    found = balanced_accuracy(kept)
    assert found is not None
    assert found.value == pytest.approx(balanced_accuracy_score(kept["gold"], kept["chosen"].fillna(-1)))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


def test_always_the_first_answer_is_half_right_however_often_that_is_the_right_one() -> None:
    rows = [verdict([0.8, 0.2], f"q{n}", gold=int(n >= 18)) for n in range(20)]
    found = balanced_accuracy(table(*rows))
    assert found is not None
    assert found.value == 0.5
    assert balanced_accuracy(table(verdict(None, "q"))) is None
