"""Reasoning, texts that were cut off and unknown counts, on the dashboard's pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.test_reasoning import PLUGINS, Thoughts, make

import oversight
from dashboard.browsing import boxes, kinds, opened, said, texts
from dashboard.conftest import watch
from oversight.core.message import Kind
from oversight.reports.report import report


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Thoughts:
    return make(tmp_path_factory.mktemp("reasoning"))


@pytest.fixture
def thoughts(made: Thoughts, monkeypatch: pytest.MonkeyPatch) -> Thoughts:
    watch(made.directory, monkeypatch)
    return made


def test_reasoning_is_folded_and_in_no_speech(thoughts: Thoughts) -> None:
    at = opened("transcripts", episode=thoughts.episode)
    folds = [fold for fold in kinds(boxes(at), "fold") if "CANARY" in "".join(texts([fold]))]
    titles = ["".join(texts(fold["p"][:1])) for fold in folds]
    assert [title for title in titles if "debater_a" in title] == [
        f"no seat reads itreasoning of debater_a, turn {turn} (6 words)" for turn in (1, 2)
    ]
    assert not [title for title in titles if "CANARY" in title]
    assert len(folds) == 4 + 2 + 1
    for turn in kinds(boxes(at), "turn"):
        assert "CANARY" not in "".join(texts([turn]))
    assert said(at).count("CANARY") == len(folds)


def test_what_was_cut_off_is_marked_and_unknown_counts_are_called_so(thoughts: Thoughts) -> None:
    at = opened("transcripts", episode=thoughts.episode)
    assert said(at).count("cut off by a token limit; 3 words were left out") == 2
    assert "unknown + 5 tokens, 0 cached" in said(at)
    (tokens,) = [list(texts(fact["p"])) for fact in kinds(boxes(at), "fact") if "tokens" in texts(fact["p"])]
    assert tokens == ["tokens", "unknown + 35"]
    at = opened("transcripts", episode=thoughts.episode, view="calls")
    assert at.dataframe[0].value["prompt"].isna().sum() == 2
    assert "a count that is not known" in at.caption[-1].value


def test_the_moments_of_a_seat_are_its_replies(thoughts: Thoughts) -> None:
    messages = oversight.open_store(thoughts.directory).transcript(thoughts.episode).messages
    at = opened("transcripts", episode=thoughts.episode, view="prompts", seat="debater_a")
    (moments,) = [box for box in at.selectbox if box.label == "Moment"]
    assert not [option for option in moments.options if "reasoning" in option]
    replies = sum(m.author == "debater_a" and m.kind is not Kind.REASONING for m in messages)
    assert len(moments.options) == replies
    assert "CANARY" not in said(at)


def test_results_say_which_side_was_cut_off_and_that_tokens_are_unknown(thoughts: Thoughts) -> None:
    from oversight.dashboard.measured.cost_figure import use_of

    at = opened("results", run=thoughts.run, view="lost")
    assert "Texts that a token limit cut off, by whose they are" in said(at)
    found = at.dataframe[-1].value
    assert found.to_dict("records") == [
        {"arm": "debate", "side": side, "texts": 4, "episodes": 2} for side in ("dishonest", "honest")
    ]
    assert "Neither tokens nor prices" in opened("results", run=thoughts.run, view="cost").info[0].value
    (row,) = report(oversight.open_store(thoughts.directory))
    known = row.model_copy(update={"prompt_tokens": 30})
    use = use_of([row, known])
    assert use is not None
    assert use.of == [None, (30 + 140) / 4]
    assert "Rows with a count that is not known are left out." in use.why


def test_a_run_in_which_nothing_was_cut_off_says_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(tmp_path, PLUGINS.replace('"length" if cut else "stop"', '"stop"'))
    watch(whole.directory, monkeypatch)
    assert "token limit" not in said(opened("results", run=whole.run, view="lost"))
