"""Seeded draws are independent of each other and of the protocol, so that arms are paired (rule 5)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from experiment.files import TINY, experiment, planned, questions, rows, specs, write
from oversight.core.outcome import EpisodeSpec

COUNT = 200
# Five standard deviations of a fair coin over 200 questions; the draws are fixed, so this never flickers.
FAIR = range(65, 136)

EMBEDDED = "embedded/pixel-debater"


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[EpisodeSpec]]:
    """Four arms on the same questions."""
    folder = tmp_path_factory.mktemp("draws")
    questions(folder, rows(COUNT))
    strong = [{"model": EMBEDDED, "pixels": 3}, {"model": EMBEDDED, "pixels": 4}]
    return specs(
        planned(
            experiment(
                folder,
                task={"name": "table", "path": "rows.jsonl"},
                models={"judge": "embedded/pixel-judge", "strong": strong},
                protocols=[
                    "direct",
                    {"consultancy": {"rounds": 1}},
                    {"debate": {"rounds": 1, "orders": "drawn"}},
                    {"debate": {"rounds": 3, "orders": "drawn"}, "as": "long"},
                    {"debate": {"rounds": 1}, "as": "both"},
                ],
            )
        )
    )


def by_question(episodes: list[EpisodeSpec]) -> dict[str, list[EpisodeSpec]]:
    found: dict[str, list[EpisodeSpec]] = {}
    for spec in episodes:
        found.setdefault(spec.question.id, []).append(spec)
    return found


def test_every_arm_shows_a_question_s_answers_in_the_same_order(arms: dict[str, list[EpisodeSpec]]) -> None:
    orders = {arm: {spec.question.id: spec.answer_order for spec in episodes} for arm, episodes in arms.items()}
    assert all(found == orders["direct"] for found in orders.values())
    assert all(
        spec.question.answers[0].text.startswith("not") == (spec.answer_order == (1, 0)) for spec in arms["direct"]
    )


def test_the_right_answer_is_first_about_half_the_time(arms: dict[str, list[EpisodeSpec]]) -> None:
    first = Counter(spec.answer_order for spec in arms["direct"])
    assert set(first) == {(0, 1), (1, 0)}
    assert first[0, 1] in FAIR


def test_drawn_sides_are_the_same_in_every_arm_and_balanced(arms: dict[str, list[EpisodeSpec]]) -> None:
    drawn = [{spec.question.id: spec.assignment for spec in arms[arm]} for arm in ("debate", "long")]
    assert drawn[0] == drawn[1]
    assert Counter(drawn[0].values())[0, 1] in FAIR


def test_the_order_of_answers_says_nothing_about_the_sides(arms: dict[str, list[EpisodeSpec]]) -> None:
    same = sum(spec.answer_order == spec.assignment for spec in arms["debate"])
    assert same in FAIR


def test_every_answer_and_every_side_is_argued_once(arms: dict[str, list[EpisodeSpec]]) -> None:
    for episodes in by_question(arms["consultancy"]).values():
        assert sorted(spec.assignment for spec in episodes) == [(0,), (1,)]
    for episodes in by_question(arms["both"]).values():
        assert sorted(spec.assignment for spec in episodes) == [(0, 1), (1, 0)]


def test_models_that_share_a_role_take_turns_by_question_and_not_by_protocol(
    arms: dict[str, list[EpisodeSpec]],
) -> None:
    def seating(arm: str) -> dict[str, tuple[str, ...]]:
        found = {name: {spec.cast["strong"] for spec in those} for name, those in by_question(arms[arm]).items()}
        assert all(len(casts) == 1 for casts in found.values())  # both assignments have the same cast
        return {name: casts.pop() for name, casts in found.items()}

    first = seating("consultancy")
    assert first == seating("debate") == seating("both")
    assert all(len(set(cast)) == 2 for cast in first.values())
    assert len(set(first.values())) == 2
    assert min(Counter(first.values()).values()) in FAIR
    order = {spec.question.id: spec.answer_order[0] for spec in arms["direct"]}
    names = sorted(set(first.values()))
    assert sum(names.index(cast) == order[name] for name, cast in first.items()) in FAIR


def test_repeats_draw_anew(tmp_path: Path) -> None:
    questions(tmp_path, rows(20))
    path = experiment(tmp_path, task={"name": "table", "path": "rows.jsonl"}, protocols=["direct"])
    orders = {
        repeat: [s.answer_order for s in specs(planned(path, repeats=2))["direct"] if s.repeat == repeat]
        for repeat in range(2)
    }
    assert len(orders[0]) == len(orders[1]) == 20
    assert orders[0] != orders[1]


def test_a_swept_seed_is_also_the_one_models_are_made_with(tmp_path: Path) -> None:
    plan = planned(write(tmp_path, TINY + "grid: {seed: [0, 1]}\n"))
    seeds = {
        (spec.seed, plan.models[key].seed) for p in plan.episodes for spec in [p.spec] for key in spec.cast["judge"]
    }
    assert seeds == {(0, 0), (1, 1)}
