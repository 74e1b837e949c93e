"""A person is shown what the judge's seat was shown, and nothing that could tell what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import here

from oversight.core.judge_view import judge_view
from oversight.core.message import Kind, chat_history
from oversight.judging.transcript_view import transcript_view
from oversight.prompting.markup import escape
from oversight.store import open_store

from . import staging

EXPERIMENT = """\
name: heard
task: {name: digits, images: 2}
models: {judge: embedded/pixel-judge, strong: embedded/pixel-debater}
protocols:
  - direct
  - {direct: {sees: material}, as: expert}
  - consultancy: {rounds: 2}
  - debate: {rounds: 2, turns: sequential}
"""


def test_no_word_that_is_hidden_from_the_judge_is_in_what_a_person_is_shown(tmp_path: Path) -> None:
    at = staging.session(staging.lay_out(tmp_path), feedback=True)
    assignment, _ = at.next()
    assert assignment is not None
    shown = at.view(assignment).model_dump_json()
    assert [secret for secret in staging.SECRETS if secret in shown] == []
    assert "gold" not in shown
    assert at.answered(assignment) is None
    staging.judge_next(at, 0.5, 0.5)
    answered = at.answered(assignment)
    assert answered is not None
    assert answered.label == "AB"[int(assignment.episode_id[1:]) % 2]
    assert staging.session(tmp_path, "keen-wren-2").answered(assignment) == answered  # the assignment's setting counts


def test_turns_are_told_apart_and_the_judges_question_opens_the_turn_that_answers_it(tmp_path: Path) -> None:
    store = open_store(staging.lay_out(tmp_path, 1))
    found = transcript_view(store.transcript("e0"))
    assert [[(said.author, said.own, said.turn) for said in part] for part in found.parts] == [
        [("a", False, 0), ("b", False, 0)],
        [("judge", True, 0), ("a", False, 1), ("b", False, 1)],
    ]
    assert (found.instructions, found.asked, found.material) == ("You judge a debate.", "Decide now.", None)
    assert [quote.verified for quote in found.parts[0][0].quotes] == [True, False]
    assert [len(part) for part in found.at_the_end().parts] == [5]


def test_reasoning_costs_whoever_judges_again_no_request(tmp_path: Path) -> None:
    messages = open_store(staging.lay_out(tmp_path, 1)).transcript("e0").messages
    assert judge_view(messages) == judge_view([m for m in messages if m.kind is not Kind.REASONING])
    # A judge who reasoned before each of its replies, one of them private.
    place = next(place for place, message in enumerate(messages) if message.text == "HIDDEN-JUDGE-NOTE")
    heard = judge_view([*messages[:place], *messages[place + 1 :]])
    assert all(message.kind is not Kind.REASONING for message in heard.messages)
    history = chat_history(heard.seat, heard.messages)
    assert [part.role for part in history] == ["system", "user", "assistant", "user"]
    assert history[1].content.endswith("Ask now.")
    assert "HIDDEN" not in "".join(part.content for part in history)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_everything_shown_is_in_the_prompt_of_the_judge_of_every_protocol_and_nothing_is_missing(
    tmp_path: Path,
) -> None:
    experiment = tmp_path / "e.yaml"
    experiment.write_text(EXPERIMENT)
    assert here("run", experiment, "--engine", "local", "--store", tmp_path / "store").code == 0
    store = open_store(tmp_path / "store")
    episodes = store.arrow("SELECT episode_id, arm FROM episodes").to_pylist()
    assert len(episodes) == 12
    for row in episodes:
        transcript = store.transcript(row["episode_id"])
        heard, found = judge_view(transcript.messages), transcript_view(transcript)
        assert heard.asked is not None
        prompt = "\n".join(message.content for message in chat_history(heard.seat, [*heard.messages, heard.asked]))
        shown = [found.prompt, *found.answers, *found.instructions.splitlines(), found.asked]
        shown += [found.material] if found.material else []
        words = [said.text for part in found.parts for said in part]
        assert [text for text in shown if escape(text) not in prompt] == []
        assert prompt.count("<message ") == len(words)
        assert (found.material is not None) == (row["arm"] == "expert")
        assert len(found.parts) == (2 if row["arm"] in ("consultancy", "debate") else 1)
