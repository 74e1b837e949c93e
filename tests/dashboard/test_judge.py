"""The Judge page's logic, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judging import staging
from streamlit.testing.v1 import AppTest

from dashboard import making
from dashboard.browsing import boxes, kinds
from oversight.store import JudgementInbox, open_store


def app() -> None:
    from oversight.dashboard import judge_page

    judge_page.page()


def opened(directory: Path, monkeypatch: pytest.MonkeyPatch, **address: str) -> AppTest:
    """The page as a browser that comes to this address gets it."""
    monkeypatch.setenv("OVERSIGHT_STORE", str(directory))
    at = AppTest.from_function(app, default_timeout=60)
    for name, value in address.items():
        at.query_params[name] = value
    return ran(at)


def ran(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception
    return at


def press(at: AppTest, label: str) -> AppTest:
    (button,) = [each for each in at.button if each.label == label]
    assert not button.disabled, label
    button.click()
    return ran(at)


def labels(at: AppTest) -> dict[str, bool]:
    """The buttons, and whether each can be pressed."""
    return {button.label: not button.disabled for button in at.button}


def nodes(node: Any) -> Iterator[Any]:
    for child in getattr(node, "children", {}).values():
        yield child
        yield from nodes(child)


def sent(at: AppTest) -> str:
    """Everything that the browser is told."""
    return "\n".join(str(getattr(node, "proto", "")) for node in nodes(at.main))


def words(at: AppTest) -> str:
    return "\n".join(text.value for text in at.text)


PERSON = {"run": staging.RUN, "judge": "calm-otter-1", "mode": "turns"}


def test_an_untouched_slider_is_no_belief_and_a_verdict_is_stored_turn_by_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging.lay_out(tmp_path, 2)
    at = opened(tmp_path, monkeypatch, **PERSON, feedback="yes")
    assert labels(at) == {"it is 50 %": True, "Save and read on": False, "Cannot tell yet": True}
    assert [secret for secret in staging.SECRETS if secret in sent(at)] == []
    assert "Seat a in turn 0" in sent(at)
    assert "turn 1: it" not in sent(at)
    at.slider[0].set_value(80)
    assert "A 20% · B 80%" in words(ran(at))
    press(at, "Save and read on")
    assert "turn 1: it" in sent(at)
    assert "You then held: A 20%" in sent(at)
    assert labels(at) == {"it is 50 %": True, "Save the verdict": False, "Abstain": True}
    press(at, "it is 50 %")
    at.text_area[0].set_value("both say so")
    assert [secret for secret in staging.SECRETS if secret in sent(at)] == []
    press(at, "Save the verdict")
    assert "The right answer is" in words(at)
    assert [secret for secret in staging.SECRETS if secret in sent(at)] == []
    (row,) = open_store(tmp_path).arrow("SELECT * FROM judgements").to_pylist()
    assert (row["probs"], row["explanation"], row["mode"]) == ([0.5, 0.5], "both say so", "stepped")
    assert [each["probs"] for each in json.loads(row["beliefs"])] == [[pytest.approx(0.2), 0.8], [0.5, 0.5]]
    press(at, "Next")
    assert "transcript 2 of 2" in sent(at)
    press(at, "Cannot tell yet")
    press(at, "Abstain")
    press(at, "Next")
    assert "You have judged 2 transcripts" in words(at)
    probs = open_store(tmp_path).arrow("SELECT probs FROM judgements ORDER BY judged_at")["probs"].to_pylist()
    assert probs == [[0.5, 0.5], None]


def test_a_reload_goes_on_at_the_same_turn_and_another_person_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging.lay_out(tmp_path, 1)
    at = opened(tmp_path, monkeypatch, **PERSON)
    at.slider[0].set_value(30)
    press(ran(at), "Save and read on")
    again = opened(tmp_path, monkeypatch, **PERSON)
    assert "You then held: A 70%" in sent(again)
    other = opened(tmp_path, monkeypatch, **PERSON | {"judge": "keen-wren-2"})
    assert "You then held" not in sent(other)
    at.slider[0].set_value(10)
    again.slider[0].set_value(90)
    press(ran(at), "Save the verdict")
    assert "nothing left" in words(ran(again))  # the same person, in another window
    assert open_store(tmp_path).arrow("SELECT probs FROM judgements").to_pylist() == [{"probs": [0.9, 0.1]}]


def test_who_asks_once_at_the_end_shows_everything_at_once_and_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging.lay_out(tmp_path, 2)
    at = opened(tmp_path, monkeypatch, **PERSON | {"mode": "end"})
    assert "turn 1: it" in sent(at)
    at.slider[0].set_value(1)
    press(ran(at), "Save the verdict")
    assert "The right answer" not in words(at)
    assert "transcript 2 of 2" in sent(at)
    (row,) = open_store(tmp_path).arrow("SELECT mode, probs FROM judgements").to_pylist()
    assert row == {"mode": "at the end", "probs": [0.99, 0.01]}


def test_more_than_two_answers_are_scaled_and_the_sum_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staging.lay_out(tmp_path, 2, answers=3)
    at = opened(tmp_path, monkeypatch, **PERSON | {"mode": "end"})
    assert [slider.value for slider in at.slider] == [0, 0, 0]
    assert not labels(at)["Save the verdict"]
    at.slider[0].set_value(30)
    at.slider[2].set_value(10)
    assert "sum 40, scaled to 100 %:  A 75% · B 0% · C 25%" in words(ran(at))
    press(at, "Save the verdict")
    (row,) = open_store(tmp_path).arrow("SELECT probs FROM judgements").to_pylist()
    assert row["probs"] == [0.75, 0, 0.25]


def test_steps_are_labelled_one_at_a_time_until_the_first_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging.lay_out_solutions(tmp_path, 1)
    at = opened(tmp_path, monkeypatch, **PERSON, about="steps", feedback="yes")
    for _ in range(2):
        assert "5 + 1 =" not in sent(at)
        assert [secret for secret in staging.SECRETS if secret in sent(at)] == []
        assert not labels(at)["Save and read on"]
        press(at, "correct")
        assert not labels(at)["Save and read on"]
        at.slider[0].set_value(90)
        press(ran(at), "Save and read on")
        wrong = "5 + 1 = 7" in sent(at)
        press(at, "incorrect" if wrong else "neutral")
        press(at, "it is 50 %")
        press(at, "Save the labels")
        assert ("The first wrong step is step 2." if wrong else "No step is wrong.") in words(at)
        press(at, "Next")
    assert "You have judged 2 solutions" in words(at)
    rows = open_store(tmp_path).arrow("SELECT labels FROM judgements").to_pylist()
    said = sorted([note["data"].get("label") for note in json.loads(row["labels"])] for row in map(dict, rows))
    assert said == [["correct", "incorrect", None], ["correct", "neutral", None]]


def test_whoever_comes_without_an_id_is_given_one_and_can_invite_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging.lay_out(tmp_path, 1)
    at = opened(tmp_path, monkeypatch)
    assert "?run=run-1&mode=turns" in at.code[0].value
    at.text_input[0].set_value("Ann Smith")
    assert not labels(ran(at))["Begin"]
    at.text_input[0].set_value("hazel-finch-9")
    at.radio[0].set_value("once at the end")
    ran(at)
    press(at, "Begin")
    assert "transcript 1 of 1" in sent(at)
    assert {name: at.query_params[name] for name in ("run", "judge", "mode")} == {
        "run": staging.RUN,
        "judge": "hazel-finch-9",
        "mode": "end",
    }
    (assignment, done), *_ = JudgementInbox(tmp_path).of_judge("hazel-finch-9")
    assert (assignment.settings["mode"], done) == ("at the end", False)


def test_an_invitation_does_not_say_what_will_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staging.lay_out(tmp_path, 1)
    at = opened(tmp_path, monkeypatch, run=staging.RUN, mode="turns")
    assert not at.selectbox
    assert [secret for secret in staging.SECRETS if secret in sent(at)] == []
    press(at, "Begin")
    assert "transcript 1 of 1" in sent(at)
    refused = opened(tmp_path, monkeypatch, run=staging.RUN, mode="turns", judge="Ann Smith")
    assert "is not a valid one" in refused.warning[0].value
    assert "Begin" in labels(refused)


def test_where_nothing_can_be_kept_nobody_is_asked_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staging.lay_out(tmp_path, 1)
    JudgementInbox(tmp_path).path.mkdir()  # what even the superuser, as whom these tests may run, cannot open
    at = opened(tmp_path, monkeypatch, **PERSON)
    assert "Judging is not possible" in at.error[0].value
    assert "make its folder and file writable" in sent(at)
    assert str(tmp_path.parent) not in sent(at)
    assert not at.slider


def test_an_address_without_such_a_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staging.lay_out(tmp_path, 1)
    at = opened(tmp_path, monkeypatch, **PERSON | {"run": "run-9'; DROP TABLE runs; --"})
    assert "no such run" in words(at)
    press(at, "Judge something else")
    assert [each.label for each in at.selectbox] == ["Run"]


def test_what_waited_for_the_database_is_brought_when_somebody_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging.lay_out(tmp_path, 2)
    saved = staging.judge_next(staging.session(tmp_path), 0.4, 0.6)  # and the dashboard was killed
    assert staging.stored(tmp_path) == []
    at = opened(tmp_path, monkeypatch, **PERSON)
    assert staging.stored(tmp_path) == [saved.judgement_id]
    assert "transcript 2 of 2" in sent(at)


def test_of_an_image_only_what_was_revealed_by_then_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = making.quickstart(tmp_path, limit=1)
    at = opened(tmp_path, monkeypatch, run=run, judge="calm-otter-1", arms="debate", mode="turns")
    counts = []
    while "Save and read on" in labels(at):
        counts.append(drawn(at))
        press(at, "Cannot tell yet")
    counts.append(drawn(at))
    assert len(counts) > 1
    assert counts[-1] == (4, 60)
    assert sorted(counts) == counts
    assert all(revealed > 0 and revealed + unknown == 64 for revealed, unknown in counts)
    alone = opened(tmp_path, monkeypatch, run=run, judge="keen-wren-2", arms="direct", mode="turns")
    assert drawn(alone) == (0, 0)


def drawn(at: AppTest) -> tuple[int, int]:
    """Pixels with a brightness, and without."""
    known = kinds(boxes(at), "pixel-revealed") + kinds(boxes(at), "pixel")
    return len(known), len(kinds(boxes(at), "pixel-unknown"))
