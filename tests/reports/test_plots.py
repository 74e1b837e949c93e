"""The charts of arms: what they draw, for any names that arms may have."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from oversight.reports.arm_plots import (
    accuracy_against_use,
    accuracy_by_arm,
    belief_over_turns,
    differences_between_arms,
    reliability_curves,
)

HOSTILE = "<img src=x onerror=alert(1)> [a](http://b) datum['x'] {{y}}"
ARMS = pd.DataFrame(
    {
        "arm": ["alone", HOSTILE],
        "protocol": ["direct", "debate"],
        "cast": ["j ← s", "k ← s"],
        "n": [1000, 20],
        "accuracy": [0.5, 0.75],
        "low": [0.4, 0.6],
        "high": [0.6, 0.9],
        "interval": ["wilson", "wilson"],
        "baseline": [True, False],
        "chance": [0.5, 0.5],
        "published": [float("nan"), float("nan")],
        "use": [0.001, 0.5],
        "difference": [0.0, 0.25],
        "p": [1.0, 0.04],
        "test": ["t", "t"],
        "turn": [0, 0],
    }
)
COLOURS = {"direct": "#111111", "debate": "#222222"}


def marks(spec: dict[str, Any]) -> list[str]:
    return [layer["mark"]["type"] for layer in spec["layer"]]


def test_arms_keep_their_order_and_protocols_their_colours() -> None:
    spec = accuracy_by_arm(ARMS, COLOURS).to_dict()
    encoding = next(layer["encoding"] for layer in spec["layer"] if layer["mark"]["type"] == "point")
    assert encoding["y"]["sort"] == ["alone", HOSTILE]
    assert encoding["color"]["scale"] == {"domain": ["direct", "debate"], "range": ["#111111", "#222222"]}
    assert encoding["x"]["scale"] == {"domain": [0, 1]}


def legends(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the legend says of marks that are no arm's: name -> how its symbol looks."""
    held = [layer["encoding"].get(channel) for layer in spec["layer"] for channel in ("shape", "strokeDash")]
    return {each["scale"]["domain"][0]: each["legend"] for each in held if each and "scale" in each}


@pytest.mark.parametrize(("chances", "drawn"), [([0.5, 0.5], "rule"), ([0.5, 0.25], "point")])
def test_chance_is_one_dashed_line_or_one_for_each_arm(chances: list[float], drawn: str) -> None:
    spec = accuracy_by_arm(ARMS.assign(chance=chances), COLOURS).to_dict()
    assert marks(spec) == [drawn, "rule", "point", "text"]
    assert spec["layer"][0]["encoding"]["strokeDash"]["scale"] == {"domain": ["guessing"], "range": [[3, 3]]}
    assert list(legends(spec)) == ["guessing"]
    none = accuracy_by_arm(ARMS.assign(chance=float("nan")), COLOURS).to_dict()
    assert (marks(none), legends(none)) == (["rule", "point", "text"], {})


@pytest.mark.parametrize("chances", [[0.5, 0.5], [0.5, 0.25]])
def test_chance_and_the_papers_number_cannot_be_taken_for_each_other(chances: list[float]) -> None:
    spec = accuracy_by_arm(ARMS.assign(chance=chances, published=[0.5, None]), COLOURS).to_dict()
    chance, paper = spec["layer"][0], spec["layer"][-1]
    assert paper["mark"]["filled"]
    assert not chance["mark"].get("filled")
    assert paper["mark"]["color"] not in (chance["mark"]["color"], *COLOURS.values())
    assert paper["mark"]["yOffset"] < 0  # above the arm, so that neither lies under the other where they are equal
    assert "strokeDash" not in paper["encoding"]
    (drawn,) = spec["datasets"][paper["data"]["name"]]
    assert (drawn["arm"], drawn["published"]) == ("alone", 0.5)
    said = legends(spec)
    assert list(said) == ["guessing", "the paper's number"]
    assert [each["symbolStrokeColor"] for each in said.values()] == [chance["mark"]["color"], paper["mark"]["color"]]
    assert said["guessing"]["symbolType"] != said["the paper's number"]["symbolType"]


def test_differences_are_drawn_around_nothing() -> None:
    spec = differences_between_arms(ARMS, COLOURS, "alone").to_dict()
    low, high = spec["layer"][1]["encoding"]["x"]["scale"]["domain"]
    assert -low == high == pytest.approx(0.99)


def test_costs_far_apart_are_drawn_on_a_logarithmic_scale() -> None:
    scales = [
        accuracy_against_use(ARMS.assign(use=use), COLOURS, "dollars").to_dict()["layer"][1]["encoding"]["x"]["scale"]
        for use in ([0.001, 0.5], [0.3, 0.5], [0.0, 0.5])
    ]
    assert [scale.get("type") for scale in scales] == ["log", None, None]


def test_calibration_has_a_panel_for_each_arm_with_its_ece() -> None:
    bins = ARMS.assign(confidence=0.9, bin="0.9 to 1", ece=[0.1, 0.25], judged=7)
    panels = reliability_curves(bins, COLOURS).to_dict()["concat"]
    assert [panel["title"]["subtitle"] for panel in panels] == ["ECE 0.100, n 7", "ECE 0.250, n 7"]


def test_casts_have_dashes_of_their_own_where_there_are_several() -> None:
    legends = [
        belief_over_turns(rows, COLOURS).to_dict()["layer"][1]["encoding"]["strokeDash"]["legend"]
        for rows in (ARMS, ARMS[:1])
    ]
    assert legends[0] is not None
    assert legends[1] is None
