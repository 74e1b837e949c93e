"""The page Transcripts: finding an episode, and reading it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.running import here
from streamlit.testing.v1 import AppTest

import oversight
from dashboard import making
from dashboard.browsing import boxes, kinds, opened, said, texts
from dashboard.conftest import Kept, watch
from oversight.core.message import chat_history

EVERYTHING = 15 + 1 + 2 + 2


def listed(at: AppTest) -> list[str]:
    return list(at.dataframe[0].value["episode"]) if at.dataframe else []


def choose(at: AppTest, label: str, option: str) -> None:
    box = next(box for box in at.selectbox if box.label == label)
    box.set_value(option).run()
    assert not at.exception


def press(at: AppTest, label: str) -> None:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception


def test_everything_is_listed_once(kept: Kept) -> None:
    found = listed(opened("transcripts"))
    assert len(found) == len(set(found)) == EVERYTHING


def test_the_address_filters(kept: Kept) -> None:
    assert sorted(listed(opened("transcripts", run=kept.quickstart, arm="debate"))) == kept.episodes(
        "debate", kept.quickstart
    )
    assert listed(opened("transcripts", run=kept.tree, protocol="amplification")) == kept.episodes("amplification")
    assert listed(opened("transcripts", task="digits", protocol="amplification")) == []


@pytest.mark.long
@pytest.mark.parametrize("verdict", ["right", "wrong", "confidently wrong", "tie", "abstained", "failed"])
def test_verdicts_are_those_of_the_view_that_scores(kept: Kept, verdict: str) -> None:
    where = {
        "right": "correct",
        "wrong": "NOT correct AND NOT tie AND NOT abstained",
        "confidently wrong": "NOT correct AND NOT tie AND confidence >= 0.8",
        "tie": "tie",
        "abstained": "abstained",
        "failed": "false",
    }[verdict]
    wanted = oversight.open_store(kept.directory).arrow(f"SELECT DISTINCT episode_id FROM results WHERE {where}")
    at = opened("transcripts", verdict=verdict)
    assert sorted(listed(at)) == sorted(wanted["episode_id"].to_pylist())
    if not wanted.num_rows:
        assert "Nothing in this store" in at.info[0].value


@pytest.mark.long
def test_a_choice_goes_into_the_address(kept: Kept) -> None:
    at = opened("transcripts", page="7")
    choose(at, "Protocol", "debate")
    assert at.query_params["protocol"] == "debate"
    assert "page" not in at.query_params
    assert len(listed(at)) == 6 + 2
    choose(at, "Run", kept.talk)
    assert at.query_params["run"] == kept.talk
    assert "protocol" not in at.query_params


@pytest.mark.long
def test_search_reads_questions_and_what_was_said_and_not_the_prompts(kept: Kept) -> None:
    spoken = kept.episodes("spoken")
    assert sorted(listed(opened("transcripts", find="ZEPPELIN"))) == spoken
    assert sorted(listed(opened("transcripts", find="how many passengers"))) == spoken
    assert listed(opened("transcripts", find="zeppelin", run=kept.quickstart)) == []
    assert listed(opened("transcripts", find="You are debater_a")) == []
    assert listed(opened("transcripts", find="100%_")) == []


@pytest.mark.long
def test_a_click_opens_an_episode_and_next_and_previous_keep_the_filter(kept: Kept) -> None:
    at = opened("transcripts", run=kept.quickstart, arm="debate")
    order = listed(at)
    at.session_state["episodes-1-6"] = {"selection": {"rows": [], "columns": [], "cells": [[1, "question"]]}}
    at.run()
    assert at.query_params["episode"] == order[1]
    assert at.query_params["arm"] == "debate"
    press(at, "Next")
    assert at.query_params["episode"] == order[2]
    press(at, "Previous")
    press(at, "Previous")
    assert at.query_params["episode"] == order[0]
    assert next(b for b in at.button if b.label == "Previous").disabled
    assert "1 of 6" in [caption.value for caption in at.caption]
    press(at, "← All transcripts")
    assert listed(at) == order


@pytest.mark.long
def test_a_debate_shows_who_said_what_with_its_quotes_in_place(kept: Kept) -> None:
    episode = kept.episodes("spoken")[0]
    at = opened("transcripts", episode=episode)
    turns = kinds(boxes(at), "turn")
    assert ["".join(texts(kinds([turn], "author"))) for turn in turns] == ["debater_a", "debater_b"]
    assert list(texts(kinds(turns[:1], "verified"))) == ["“twelve passengers”"]
    assert list(texts(kinds(turns[:1], "unverified"))) == ["“thirteen passengers”"]
    assert "7 + 9 tokens" in said(at)
    assert "$0.25" in said(at)
    assert [code.value for code in at.code] == [episode, f"oversight show {episode[:12]}"]
    assert at.get("vega_lite_chart") or at.get("arrow_vega_lite_chart")


@pytest.mark.long
def test_an_episode_is_found_by_the_beginning_of_its_id(kept: Kept) -> None:
    episode = kept.episodes("spoken")[0]
    assert "zeppelin" in said(opened("transcripts", episode=episode[:10]))
    assert "holds no such episode" in opened("transcripts", episode="nothing").warning[0].value
    assert "no such attempt" in opened("transcripts", episode=episode, attempt="9").warning[0].value


@pytest.mark.long
def test_the_material_shows_what_was_quoted_from_it(kept: Kept) -> None:
    at = opened("transcripts", episode=kept.episodes("spoken")[0], view="material")
    (paper,) = kinds(boxes(at), "paper")
    assert "".join(texts([paper])) == "The captain counted twelve passengers."
    assert list(texts(kinds([paper], "hit"))) == ["twelve passengers"]
    assert list(texts(kinds(boxes(at), "unverified"))) == ["thirteen passengers"] * 2


@pytest.mark.long
def test_a_wrong_quote_is_listed_once_for_each_seat_however_often_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models.py").write_text(making.MODELS, encoding="utf-8")
    (tmp_path / "said.txt").write_text(f"{making.SAID} {making.SAID}", encoding="utf-8")
    making.rows(tmp_path, making.QUESTION)
    store = tmp_path / "store"
    run = making.run(tmp_path, making.SPOKEN.format(name="twice", arm="spoken"), store)
    watch(store, monkeypatch)
    (row, *_) = oversight.open_store(store).arrow("SELECT episode_id FROM episodes WHERE run_id = ?", [run]).to_pylist()
    at = opened("transcripts", episode=row["episode_id"], view="material")
    assert list(texts(kinds(boxes(at), "unverified"))) == ["thirteen passengers"] * 2
    assert said(at).count("2 times") == 2


@pytest.mark.long
def test_a_prompt_is_what_the_seat_was_sent(kept: Kept) -> None:
    episode = kept.episodes("spoken")[0]
    messages = oversight.open_store(kept.directory).transcript(episode).messages
    place = next(place for place, message in enumerate(messages) if message.author == "judge")
    at = opened("transcripts", episode=episode, view="prompts", seat="judge", call=str(place))
    shown = [
        "".join(texts(kinds([turn], "body"))) for turn in (*kinds(boxes(at), "turn-quiet"), *kinds(boxes(at), "turn"))
    ]
    history = chat_history("judge", messages[:place], messages[place].branch)
    assert sorted(shown) == sorted(message.content for message in history)
    assert any("zeppelin" in text for text in shown)


@pytest.mark.long
def test_options_are_written_as_in_an_experiment(kept: Kept) -> None:
    assert "beliefs: true, rounds: 1" in said(opened("transcripts", episode=kept.episodes("spoken")[0]))


@pytest.mark.long
def test_every_call_is_on_demand(kept: Kept) -> None:
    at = opened("transcripts", episode=kept.episodes("spoken")[0], view="calls")
    assert list(at.dataframe[0].value["seat"]) == ["debater_a", "debater_b", "judge", "judge"]


@pytest.mark.long
def test_what_an_imported_transcript_took_is_unknown_unless_its_calls_came_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"question": "Who?", "answers": ["Ann", "Ben"], "gold": 0, "protocol": "direct", "verdict": {"answer": 0}}
    call = {"seat": "judge", "model": "m", "prompt_tokens": 5, "completion_tokens": 1, "cost_usd": 0.25}
    lines = [line | {"id": "bare"}, line | {"id": "with calls", "calls": [call], "seed": 1}]
    (tmp_path / "judged.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert here("import", "jsonl", tmp_path / "judged.jsonl", "--store", tmp_path / "store").code == 0
    watch(tmp_path / "store", monkeypatch)
    found = oversight.open_store(tmp_path / "store").sql("SELECT episode_id, seed FROM episodes ORDER BY seed")
    bare, full = (
        [list(texts(fact["p"])) for fact in kinds(boxes(opened("transcripts", episode=episode)), "fact")]
        for episode in found["episode_id"]
    )
    assert bare[:3] == [["calls", "unknown"], ["tokens", "unknown"], ["cost", "unknown"]]
    assert full[:3] == [["calls", "1"], ["tokens", "5 + 1"], ["cost", "$0.25"]]


@pytest.mark.long
def test_a_decomposition_is_drawn_as_a_tree(kept: Kept) -> None:
    at = opened("transcripts", episode=kept.episodes("amplification")[0])
    root = kinds(boxes(at), "node")[0]
    (below,) = [part for part in root["p"] if part["k"] == "kids"]
    assert [next(texts(kinds([kid], "strong"))) for kid in below["p"]] == ["the first part?", "the second part?"]
    assert "It does not matter." in list(texts(below["p"]))


@pytest.mark.long
def test_steps_stand_beside_the_truth(kept: Kept) -> None:
    at = opened("transcripts", episode=kept.episodes("process_supervision")[0])
    steps = kinds(boxes(at), "step")
    tags = [list(texts(kinds([step], "tag"))) for step in steps]
    assert all(tag[0].split()[0] in ("correct", "neutral", "incorrect") for tag in tags)
    assert {tag[1] for tag in tags if len(tag) > 1} <= {"right", "first mistake"}
    assert any(tag[1:] == ["first mistake"] for tag in tags)


@pytest.mark.long
def test_the_digits_game_draws_the_image_and_what_was_revealed(kept: Kept) -> None:
    at = opened("transcripts", episode=kept.episodes("debate", kept.quickstart)[0])
    (pixels,) = kinds(boxes(at), "pixels")
    assert len(pixels["p"]) == 64
    revealed = kinds([pixels], "pixel-revealed")
    assert sorted(texts(revealed)) == ["1", "2", "3", "4"]
    assert len({cell["c"] for cell in revealed}) == 2
