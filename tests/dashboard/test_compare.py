"""The page Compare: two arms question by question, one question side by side, two runs setting by setting."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from store import samples
from streamlit.testing.v1 import AppTest

import oversight
from dashboard.browsing import boxes, kinds, opened, said, texts
from dashboard.chromium import browsing, needs_chromium, serving
from dashboard.conftest import Kept, watch
from oversight.core.outcome import EpisodeSpec
from oversight.core.question import Item
from oversight.reports.comparison import changed_settings, compared, flattened, matched
from oversight.stats.compare import mcnemar
from oversight.store import RunRow, StoreWriter

RIGHT, WRONG = (0.9, 0.1), (0.1, 0.9)
EXPERIMENT = {
    "name": "a",
    "models": {"judge": {"model": "tiny"}},
    "task": {"name": "cats", "path": "/home/me/secret/cats.jsonl"},
    "protocols": ["direct", {"debate": {"rounds": 3}}],
}
LATER = EXPERIMENT | {
    "name": "b",
    "protocols": ["direct", {"debate": {"rounds": 5}}, {"debate": {}, "as": "long"}],
}
# For each question what `direct` and both assignments of `debate` came to; None is an abstention.
FIRST = [
    (RIGHT, RIGHT, RIGHT),
    (WRONG, RIGHT, RIGHT),
    (RIGHT, WRONG, WRONG),
    (WRONG, WRONG, RIGHT),
    (RIGHT, None, None),
]
SECOND = [
    (RIGHT, WRONG, WRONG),
    (RIGHT, RIGHT, RIGHT),
    (RIGHT, RIGHT, RIGHT),
    (RIGHT, WRONG, RIGHT),
    (RIGHT, RIGHT, None),
]


class Two(NamedTuple):
    """A store with two runs on the same questions."""

    directory: Path
    keys: list[str]


def questions() -> list[Item]:
    plain = [samples.item(number) for number in range(len(FIRST))]
    return [
        item.model_copy(
            update={"question": item.question.model_copy(update={"prompt": f"What of {place}?", "cluster": str(place)})}
        )
        for place, item in enumerate(plain)
    ]


def planned(run: str, item: Item, number: int) -> list[tuple[int, EpisodeSpec]]:
    def spec(arm: str, name: str, assignment: tuple[int, ...]) -> EpisodeSpec:
        one = samples.spec(item, f"{run}-{number}-{name}", assignment=assignment)
        return one.model_copy(update={"arm": arm, "protocol": arm})

    return [
        (0, spec("direct", "alone", ())),
        (1, spec("debate", "ab", (0, 1))),
        (1, spec("debate", "ba", (1, 0))),
    ]


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Two:
    directory = tmp_path_factory.mktemp("compare") / "store"
    items = questions()
    with StoreWriter.open(directory) as writer:
        for run, experiment, came in (("ra", EXPERIMENT, FIRST), ("rb", LATER, SECOND)):
            mark = {"debate": f"1-{run}", "direct": "1-same"}
            writer.begin(RunRow(run, experiment["name"], experiment, mark, 0, datetime.now(UTC), "0.1.0"))
            specs = [planned(run, item, number) for number, item in enumerate(items)]
            writer.plan(run, [each for some in specs for each in some], [("cats", item) for item in items])
            writer.write(
                run,
                [
                    (spec, samples.judged(spec, probs))
                    for some, probs3 in zip(specs, came, strict=True)
                    for (_, spec), probs in zip(some, probs3, strict=True)
                ],
            )
            writer.event(run, "finished")
    return Two(directory, [item.key for item in items])


@pytest.fixture
def two(two_runs: Two, monkeypatch: pytest.MonkeyPatch) -> Two:
    watch(two_runs.directory, monkeypatch)
    return two_runs


def listed(at: AppTest) -> dict[str, str]:
    """What happened to each question that the table shows."""
    table = next(each.value for each in at.dataframe if "what happened" in each.value)
    return dict(zip(table["question"], table["what happened"], strict=True))


def press(at: AppTest, label: str) -> None:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception


def test_two_arms_of_a_run_question_by_question(two: Two) -> None:
    at = opened("compare", run="ra")
    assert listed(at) == {
        "What of 0?": "the same",
        "What of 1?": "wrong → right",
        "What of 2?": "right → wrong",
        "What of 3?": "changed in part",
    }
    shown = said(at)
    assert "50.0 %" in shown
    assert "62.5 %" in shown
    assert "+12.5 points" in shown
    assert "paired cluster score, 4 clusters; n = 4 questions" in shown
    assert "1 on which its own episodes failed, abstained" in " ".join(each.value for each in at.caption)


def test_the_numbers_are_those_of_the_view_that_scores(kept: Kept) -> None:
    at = opened("compare", run=kept.quickstart, one="consultancy", other="debate")
    query = "SELECT arm, question_key, avg(correct::INT) AS p FROM results WHERE run_id = ? GROUP BY ALL"
    held = (
        oversight.open_store(kept.directory)
        .sql(query, [kept.quickstart])
        .pivot(index="question_key", columns="arm")["p"]
    )
    assert f"{100 * held['consultancy'].mean():.1f} %" in said(at)
    assert f"{100 * held['debate'].mean():.1f} %" in said(at)
    assert f"n = {len(held)} questions" in said(at)


@pytest.mark.long
@pytest.mark.parametrize(
    ("which", "found"),
    [
        ("flipped", {"What of 1?", "What of 2?"}),
        ("gained", {"What of 1?"}),
        ("partly", {"What of 3?"}),
    ],
)
def test_the_address_filters_questions(two: Two, which: str, found: set[str]) -> None:
    assert set(listed(opened("compare", run="ra", which=which))) == found


@pytest.mark.long
def test_questions_are_searched_as_they_stand(two: Two) -> None:
    assert set(listed(opened("compare", run="ra", find="what OF 3"))) == {"What of 3?"}
    at = opened("compare", run="ra", find="100%")
    assert "No question fits that." in at.info[0].value
    press(at, "Show all questions")
    assert len(listed(at)) == 4


@pytest.mark.long
def test_a_link_shows_one_question_side_by_side(two: Two) -> None:
    at = opened("compare", run="ra", one="direct", other="debate", question=two.keys[2])
    verdicts = [next(texts([box])) for box in kinds(boxes(at), "verdict")]
    assert verdicts == ["right", "confidently wrong"]
    assert "What of 2?" in said(at)
    arms = [next(texts(kinds([row], "chip"))) for row in kinds(boxes(at), "row") if kinds([row], "verdict")]
    assert arms == ["direct", "debate"]
    assert sum("It is " in text for text in texts(kinds(boxes(at), "body"))) == 2


@pytest.mark.long
def test_the_second_side_takes_the_episode_that_differs_least(two: Two) -> None:
    pair = {"run": "ra", "one": "debate", "run2": "rb", "other": "debate", "question": two.keys[3]}
    at = opened("compare", **pair)
    assert _picked(at) == ["ra-3-ab", "rb-3-ab"]
    at = opened("compare", **pair, left="ra-3-ba")
    assert _picked(at) == ["ra-3-ba", "rb-3-ba"]
    assert _picked(opened("compare", **pair, left="ra-3-ba", right="rb-3-ab")) == ["ra-3-ba", "rb-3-ab"]
    itself = opened("compare", run="ra", one="debate", other="debate", question=two.keys[3])
    assert _picked(itself) == ["ra-3-ab", "ra-3-ba"]


def _picked(at: AppTest) -> list[str]:
    return [box.value for box in at.selectbox if box.label.startswith("Which of")]


@pytest.mark.long
def test_next_keeps_the_filter(two: Two) -> None:
    at = opened("compare", run="ra", which="flipped", question=two.keys[2])
    assert "1 of 2, flipped" in at.caption[0].value
    press(at, "Next")
    assert at.query_params["question"] == two.keys[1]
    assert at.query_params["which"] == "flipped"
    assert next(button for button in at.button if button.label == "Next").disabled
    press(at, "← All questions")
    assert "question" not in at.query_params
    assert set(listed(at)) == {"What of 1?", "What of 2?"}


@pytest.mark.long
def test_a_click_on_a_question_opens_it(two: Two) -> None:
    at = opened("compare", run="ra", which="lost")
    at.session_state["questions-1-1-lost"] = {"selection": {"rows": [], "columns": [], "cells": [[0, "question"]]}}
    at.run()
    assert at.query_params["question"] == two.keys[2]


@pytest.mark.long
def test_two_runs_show_what_differs_and_nothing_else(two: Two) -> None:
    at = opened("compare", run="ra", run2="rb", one="debate")
    table = at.dataframe[0].value.set_index("setting")
    assert set(table.index) == {
        "name",
        "protocols.debate.rounds",
        "protocols.long.protocol",
        "code and prompts of debate",
    }
    assert table.loc["protocols.debate.rounds", ["first run", "second run", "change"]].tolist() == ["3", "5", "changed"]
    assert table.loc["protocols.long.protocol", "change"] == "added"


@pytest.mark.long
def test_no_path_of_this_machine_is_shown(two: Two) -> None:
    from oversight.dashboard.comparing.run_comparison import _shown

    assert _shown('"/home/me/secret/cats.jsonl"') == "…/cats.jsonl"
    assert _shown('"openai/gpt-5"') == "openai/gpt-5"


@pytest.mark.long
def test_two_runs_arm_by_arm(two: Two) -> None:
    at = opened("compare", run="ra", run2="rb")
    table = at.dataframe[1].value.set_index("arm")
    assert table.loc["direct", ["n", "first", "second", "difference"]].tolist() == [5, 60, 100, "+40.0"]
    assert table.loc["direct", ["right → wrong", "wrong → right"]].tolist() == [0, 2]
    assert table.loc["debate", ["n", "right → wrong", "wrong → right"]].tolist() == [4, 1, 1]
    assert "McNemar, exact" in said(at)
    at.session_state["by-arm-2"] = {"selection": {"rows": [], "columns": [], "cells": [[1, "arm"]]}}
    at.run()
    assert (at.query_params["one"], at.query_params["other"]) == ("debate", "debate")


@pytest.mark.long
def test_sides_are_swapped(two: Two) -> None:
    at = opened("compare", run="ra", run2="rb", one="direct", other="debate")
    press(at, "⇄")
    assert {name: at.query_params[name] for name in ("run", "one", "run2", "other")} == {
        "run": "rb",
        "one": "debate",
        "run2": "ra",
        "other": "direct",
    }


@pytest.mark.long
def test_what_is_not_there_is_said(two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no run of the name" in opened("compare", run="gone").warning[0].value
    assert "no arm of the name" in opened("compare", run="ra", other="gone").warning[0].value
    assert "Neither of these arms" in opened("compare", run="ra", question="gone").warning[0].value
    StoreWriter.open(tmp_path).close()
    watch(tmp_path, monkeypatch)
    assert "oversight run" in opened("compare").code[0].value


@pytest.mark.long
def test_arms_without_a_question_in_common_say_so(kept: Kept) -> None:
    at = opened("compare", run=kept.quickstart, run2=kept.tree)
    assert "no question in common" in at.info[-1].value
    at = opened("compare", run=kept.quickstart, run2=kept.tree, question=_question(kept))
    assert "no episode about this question" in at.info[0].value


def _question(kept: Kept) -> str:
    query = "SELECT min(question_key) AS key FROM plan WHERE run_id = ?"
    return str(oversight.open_store(kept.directory).sql(query, [kept.quickstart])["key"][0])


@pytest.mark.long
def test_a_transcript_leads_to_its_comparison(kept: Kept) -> None:
    at = opened("transcripts", episode=kept.episodes("debate", kept.quickstart)[0])
    assert any(link.proto.label == "Compare" for link in at.get("page_link"))


@pytest.mark.long
def test_settings_go_by_dotted_keys() -> None:
    one = {
        "task": {"name": "cats", "files": ["a", "b"]},
        "protocols": ["direct", "direct", {"x": {"n": 1}, "task": {"limit": 2}}],
    }
    assert flattened(one) == {
        "task.name": '"cats"',
        "task.files": '["a", "b"]',
        "protocols.direct": "{}",
        "protocols.direct (2)": "{}",
        "protocols.x.n": "1",
        "protocols.x.task.limit": "2",
    }
    changed = changed_settings(flattened(one), flattened({"task": {"name": "dogs"}, "seed": 1}))
    assert [(each.key, each.change) for each in changed][:2] == [("task.name", "changed"), ("task.files", "removed")]
    assert changed[-1][:] == ("seed", None, "1")


@pytest.mark.long
def test_mcnemar_is_the_one_of_the_verdicts() -> None:
    def arm(right: list[int]) -> pd.DataFrame:
        keys = [str(place) for place in range(len(right))]
        return pd.DataFrame({"question": keys, "cluster": keys, "place": range(len(right)), "n": 1, "right": right})

    one, other = arm([1, 1, 1, 1, 0, 0, 1, 1]), arm([0, 0, 0, 1, 1, 0, 0, 0])
    found = compared(matched(one, other))
    assert found is not None
    tables = [each.assign(counts=True, correct=each["right"] == 1) for each in (one, other)]
    assert found.sign == mcnemar(*tables)
    assert (found.one.value, found.other.value, found.difference.value) == (0.75, 0.25, -0.5)


@pytest.mark.long
@needs_chromium
def test_from_a_flipped_question_to_both_transcripts(two: Two) -> None:
    with serving(two.directory) as address, browsing(address) as visitor:
        visitor.open("/compare?run=ra&one=direct&other=debate&which=lost")
        visitor.sees("click on one to see both transcripts")
        canvas = visitor.page.get_by_test_id("stDataFrame").last
        canvas.wait_for()
        visitor.settled()
        canvas.click(position={"x": 200, "y": 52})
        visitor.sees("What of 2?")
        visitor.sees("1 of 1, right → wrong")
        assert f"question={two.keys[2]}" in visitor.page.url
        for verdict in ("right", "confidently wrong"):
            visitor.page.locator(".verdict", has_text=verdict).first.wait_for()
        heads = visitor.page.locator(".verdict")
        left, right = (heads.nth(place).bounding_box() for place in range(2))
        assert left is not None
        assert right is not None
        assert abs(left["y"] - right["y"]) < 3
        assert right["x"] > left["x"] + 200
        assert visitor.strangers == []
