"""Transcripts from JSON lines: what each field becomes, and what is said of one that does not fit."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import pytest
from cli.running import environment, here
from core.strategies import nasty_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importers.writing import JSONL, STORY, brought, content, line, only, refused, written
from oversight.core.belief import BeliefSource, BeliefStatus
from oversight.core.message import Kind, concurrent, visible_to
from oversight.errors import StoreError
from oversight.importers.import_run import import_transcripts
from oversight.importers.importer import Imported, Importer
from oversight.importers.jsonl import JsonLines
from oversight.judging.transcript_view import transcript_view
from oversight.plugins import find_plugin
from oversight.reports.export import export
from oversight.reports.rejudge_report import rejudged
from oversight.reports.report import report
from oversight.reports.report_measures import measured
from oversight.store import open_store


def test_a_debate(tmp_path: Path) -> None:
    store, done = brought(tmp_path, line())
    assert (done.read, done.new, done.left_out, done.unjudged) == (1, 1, 0, 0)
    found = only(store)
    assert [answer.text for answer in found.question.answers] == ["Ben", "Ann"]
    assert found.question.answers[found.gold].text == "Ann"
    assert [(side.seat, side.argues) for side in found.sides] == [("alice", 0), ("bob", 1)]
    speeches = [message for message in found.messages if message.kind is Kind.SPEECH]
    assert [quote.verified for message in speeches for quote in message.quotes] == [False, True]
    quote = speeches[1].quotes[0]
    assert STORY[quote.source_start : quote.source_end] == quote.text == "Ann let the boat"
    assert concurrent(speeches[0].branch, speeches[1].branch)
    held = [(message.turn, message.belief.probs) for message in found.messages if message.belief]
    assert held == [(None, (0.5, 0.5)), (0, (0.4, 0.6)), (None, (0.25, 0.75))]
    assert [m.kind for m in found.messages[:2]] == [Kind.BRIEF, Kind.BELIEF]
    (row,) = report(store)
    assert (row.n, row.n_correct, row.task, row.judge, row.cost_usd) == (1, 1, "published", "gpt-4", None)
    scored = store.arrow("SELECT honest, p_gold, belief_source FROM results").to_pylist()
    assert scored == [{"honest": "bob", "p_gold": 0.75, "belief_source": "logprob"}]


def test_the_judge_reads_what_the_debaters_said_and_not_the_material(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, line(sees_material=["alice", "bob"]))
    messages = only(store).messages
    assert STORY not in [message.text for message in visible_to("judge", messages)]
    assert STORY in [message.text for message in visible_to("bob", messages)]


@pytest.mark.parametrize(
    ("verdict", "probs", "source", "status"),
    [
        ({"answer": "Ann"}, (0.0, 1.0), BeliefSource.SAMPLED, BeliefStatus.OK),
        ({"answer": 0, "source": "stated"}, (1.0, 0.0), BeliefSource.STATED, BeliefStatus.OK),
        ({"probs": [0.1, 0.9]}, (0.1, 0.9), BeliefSource.STATED, BeliefStatus.OK),
        ({"probs": [0.2, 0.6]}, (0.25, 0.75), BeliefSource.STATED, BeliefStatus.RENORMALISED),
        ({"probs": [0.2, 0.6], "source": "logprob"}, (0.25, 0.75), BeliefSource.LOGPROB, BeliefStatus.OK),
        ({"abstained": True}, None, BeliefSource.STATED, BeliefStatus.ABSTAINED),
    ],
)
def test_how_a_verdict_becomes_a_belief(
    verdict: dict[str, Any], probs: Any, source: BeliefSource, status: BeliefStatus, tmp_path: Path
) -> None:
    store, _ = brought(tmp_path, line(verdict=verdict))
    stored = only(store).outcome.verdict
    assert stored is not None
    assert stored.belief.probs == (None if probs is None else pytest.approx(probs))
    assert (stored.belief.source, stored.belief.status) == (source, status)


def test_failures_abstentions_and_the_unjudged_are_told_apart(tmp_path: Path) -> None:
    store, done = brought(
        tmp_path,
        line(0),
        line(1, verdict={"failed": "refused", "detail": "it would not"}),
        line(2, verdict={"abstained": True}),
        line(3, verdict={"unjudged": True}),
    )
    (row,) = report(store)
    assert (row.n, row.n_failed, row.n_abstained, row.n_pending, row.n_asked) == (1, 1, 1, 0, 3)
    assert done.unjudged == 1
    assert row.imported == "jsonl, 4 of 4 transcripts; 1 that have no verdict are not in the table"
    stored = store.arrow("SELECT failure, detail FROM episodes WHERE failure IS NOT NULL ORDER BY 1").to_pylist()
    assert stored == [
        {"failure": "refused", "detail": "transcript t1: it would not"},
        {"failure": "unjudged", "detail": "transcript t3"},
    ]


def test_swapped_answers_are_one_question(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, line(0), line(1, answers=["Ann", "Ben"], gold=0, verdict={"probs": [0.75, 0.25]}))
    rows = store.arrow("SELECT question_key, p_gold, honest FROM results ORDER BY honest").to_pylist()
    assert len({row["question_key"] for row in rows}) == 1
    assert [(row["p_gold"], row["honest"]) for row in rows] == [(0.75, "alice"), (0.75, "bob")]


def test_contests_without_the_right_answer_are_void(tmp_path: Path) -> None:
    store, _ = brought(
        tmp_path, line(answers=["Ben", "Ann", "Eve"], gold=2, beliefs=None, verdict={"probs": [0.2, 0.3, 0.5]})
    )
    (row,) = report(store)
    assert (row.n, row.n_void) == (0, 1)


def test_judgements_of_people_and_models(tmp_path: Path) -> None:
    judgements = [
        {"judge": "p1", "answer": "Ben", "seconds": 30.5, "explanation": "rows", "at": "2024-02-03T04:05:06"},
        {"judge": "p1", "probs": [0.1, 0.9], "settings": {"time": "none"}},
        {"judge": "claude", "kind": "model", "failed": "unparsable"},
    ]
    store, done = brought(tmp_path, line(judgements=judgements))
    rows = store.arrow("SELECT * FROM judgements ORDER BY judged_at DESC, judge, status").to_pylist()
    assert [(row["judge"], row["kind"], row["status"]) for row in rows] == [
        ("p1", "human", "judged"),
        ("claude", "model", "failed"),
        ("p1", "human", "judged"),
    ]
    assert (rows[0]["seconds"], rows[0]["explanation"], rows[0]["probs"]) == (30.5, "rows", [1.0, 0.0])
    assert rows[0]["judged_at"].isoformat().startswith("2024-02-03T04:05:06")
    assert [(row.judge, row.n, row.n_failed, row.cost_usd) for row in rejudged(store, done.run_id)] == [
        ("claude", 0, 1, None),
        ("p1", 1, 0, None),
        ("p1", 1, 0, None),
    ]


def test_other_judgements_of_what_an_unnamed_judge_heard_are_shown(tmp_path: Path) -> None:
    judged = [{"judge": "claude", "kind": "model", "answer": "Ann"}, {"judge": "p1", "answer": "Ben"}]
    store, done = brought(tmp_path, line(judge=None, judgements=judged))
    assert [(row.judge, row.first_judge) for row in rejudged(store, done.run_id)] == [("claude", None), ("p1", None)]
    ran = here("report", "--store", store.directory)
    assert (ran.code, "p1" in ran.out) == (0, True), ran


def test_quotes_are_not_called_false_where_there_is_nothing_to_check_them_against(tmp_path: Path) -> None:
    said = "Ben did: <quote>Ben rowed</quote>"
    messages = [{"author": "alice", "text": said, "turn": 0}]
    store, _ = brought(tmp_path, line(material=None, messages=messages))
    (speech,) = (message for message in only(store).messages if message.kind is Kind.SPEECH)
    assert (speech.text, speech.quotes) == (said, ())
    shown = here("show", only(store).spec.episode_id, "--store", store.directory).out
    assert said in shown
    assert "NOT FOUND" not in shown


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_a_report_on_what_nobody_judged_says_so(form: str, tmp_path: Path) -> None:
    store, _ = brought(tmp_path, line(verdict={"unjudged": True}, judgements=[{"judge": "p1", "answer": 0}]))
    ran = here("report", "--store", store.directory, "--format", form)
    assert (ran.code, ran.out.strip()) == (0, "[]" if form == "json" else "")
    assert ran.err.startswith("nothing to report: ")


@pytest.mark.parametrize(
    ("people", "over", "persuaded"),
    [
        (("p1", "p2", "p3", "p4"), (), None),
        (("p1", "p2", "p3", "p4"), ("question", "judge"), 0.5),
        (("p1", "p1", "p1", "p1"), (), 0.5),
        ((None, None, None, None), (), 0.5),
    ],
)
def test_the_judge_alone_is_the_same_person_unless_people_are_a_sample(
    people: Sequence[str | None], over: tuple[str, ...], persuaded: float | None, tmp_path: Path
) -> None:
    alone = {"protocol": "direct", "sides": None, "messages": None, "beliefs": None, "verdict": {"answer": "Ann"}}
    store, _ = brought(
        tmp_path,
        line(0, judge=people[0], question="Who?", **alone),
        line(1, judge=people[1], question="Who else?", **alone),
        line(2, judge=people[2], question="Who?", verdict={"answer": "Ben"}),
        line(3, judge=people[3], question="Who else?", verdict={"answer": "Ann"}),
        over=over,
    )
    debate = next(row for row in measured(store) if row.group["arm"] == "debate")
    found = debate.persuasion and (debate.persuasion.value, debate.persuasion.n)
    assert found == (persuaded and (persuaded, 2))


def test_what_nobody_judged_is_not_put_to_another_judge(tmp_path: Path) -> None:
    store, done = brought(tmp_path, line(verdict={"unjudged": True}))
    ran = here("rejudge", done.run_id, "--judge", "embedded/pixel-judge", "--store", store.directory)
    assert "has a verdict, so there is none to put to another judge" in ran.complaint()


def test_whoever_judges_again_is_told_who_argues_for_what(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, line())
    (episode,) = store.arrow("SELECT episode_id FROM episodes").to_pylist()
    told = transcript_view(store.transcript(episode["episode_id"])).instructions
    assert "alice argues for answer A.\nbob argues for answer B." in told


def test_calls_cost_what_the_source_says(tmp_path: Path) -> None:
    calls = [
        {"seat": "judge", "model": "gpt-4", "prompt_tokens": 100, "completion_tokens": 5, "cost_usd": 0.25},
        {"seat": "bob", "model": "claude", "cost_usd": 0.5, "seconds": 2.5},
    ]
    store, _ = brought(tmp_path, line(calls=calls))
    (row,) = report(store)
    assert (row.calls, row.cost_usd, row.prompt_tokens, row.cached_share) == (2, 0.75, None, None)


def test_tokens_that_a_source_does_not_know_are_unknown_and_not_none(tmp_path: Path) -> None:
    full = {"seat": "judge", "model": "gpt-4", "prompt_tokens": 100, "completion_tokens": 5, "cached_tokens": 40}
    for name, calls in (("bare", []), ("full", [full]), ("half", [full, {"seat": "bob", "model": "claude"}])):
        (tmp_path / name).mkdir()
        store, _ = brought(tmp_path / name, line(calls=calls))
        (row,) = report(store)
        known = (100, 5, 0.4) if name == "full" else (None, None, None)
        assert (row.prompt_tokens, row.completion_tokens, row.cached_share) == known, name


def test_what_a_model_reasoned_is_stored_as_such_and_read_by_no_seat(tmp_path: Path) -> None:
    reasoned = {"author": "alice", "text": "hm", "kind": "reasoning"}
    store, _ = brought(tmp_path, line(messages=[reasoned, {"author": "alice", "text": "Ben did.", "turn": 0}]))
    found = only(store)
    (message,) = [message for message in found.messages if message.kind is Kind.REASONING]
    assert (message.author, message.audience, message.text) == ("alice", (), "hm")
    assert all(message not in visible_to(seat, found.messages) for seat in ("alice", "bob", "judge"))


def test_reasoning_that_others_read_is_refused(tmp_path: Path) -> None:
    reasoned = {"author": "alice", "text": "hm", "kind": "reasoning", "turn": 0, "to": ["judge"]}
    assert "messages.0.to: no seat reads a reasoning" in refused(tmp_path, line(messages=[reasoned]))


def test_what_else_there_is_is_kept(tmp_path: Path) -> None:
    notes = [{"kind": "clash", "data": {"rating": 3}, "message": 1}]
    store, _ = brought(tmp_path, line(annotations=notes, meta={"batch": "b7"}))
    found = only(store)
    assert found.outcome.verdict is not None
    about, clash = found.outcome.verdict.annotations
    assert about.data == {"id": "t0", "included": True, "meta": {"batch": "b7"}}
    assert clash.message is not None
    assert found.messages[clash.message].author == "bob"


def test_lines_that_the_source_leaves_out(tmp_path: Path) -> None:
    store, done = brought(tmp_path, line(0), line(1, included=False), filter="untimed only")
    assert (done.left_out, done.filter) == (1, "untimed only")
    (row,) = report(store)
    assert (row.n_asked, row.imported) == (1, "jsonl, 1 of 2 transcripts: untimed only")
    _, everything = brought(tmp_path, line(0), line(1, included=False), everything=True, filter="untimed only")
    assert (everything.left_out, everything.new) == (0, 1)
    assert everything.run_id != done.run_id
    assert store.arrow("SELECT count(*) AS n FROM episodes").to_pylist() == [{"n": 2}]


def test_words_of_the_judge_are_shown_and_kept_from_a_second_judge(tmp_path: Path) -> None:
    store, _ = brought(tmp_path, line(verdict={"answer": "Ann", "text": "Bob quoted it."}))
    episode = only(store).spec.episode_id
    assert "Bob quoted it." in here("show", episode, "--store", store.directory).out
    kinds = [message.kind for message in only(store).messages]
    assert kinds[-3:] == [Kind.REQUEST, Kind.THOUGHT, Kind.VERDICT]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gold": "Eve"}, "gold: 'Eve' is none of the answers"),
        ({"gold": 2}, "gold: is 2, but there are 2 answers, counted from 0"),
        ({"gold": True}, "gold: has to be an answer's text, or its place as a whole number from 0, not true"),
        ({"gold": None}, "gold: is missing"),
        ({"golt": 1}, "golt: no such field - did you mean 'gold'?"),
        ({"gold": None, "golt": 1}, "gold: is missing - did you mean 'golt'?"),
        ({"answers": ["Ann"]}, "answers: "),
        ({"answers": ["Ann", "Ann "]}, "answers: two of the answers are the same"),
        ({"answers": ["Ann", " "]}, "answers: one is blank"),
        ({"messages": [{"author": "a", "txt": "x"}]}, "messages.0.text: is missing - did you mean 'txt'?"),
        (
            {"messages": [{"author": "a", "text": "x", "trun": 1}]},
            "messages.0.trun: no such field - did you mean 'turn'?",
        ),
        (
            {"messages": [{"author": "a", "text": "x", "quotes": ["y"]}], "beliefs": None},
            "messages.0.quotes.0: 'y' does not stand",
        ),
        (
            {"messages": [{"author": "a", "text": "x", "quotes": [[0, 9]]}], "beliefs": None},
            "messages.0.quotes.0: is no [start, end]",
        ),
        (
            {"messages": [{"author": "a", "text": "xy", "quotes": [[0, 2], [1, 2]]}], "beliefs": None},
            "messages.0.quotes.1: overlaps",
        ),
        ({"messages": [{"author": "a", "text": "x"}]}, "beliefs.1.turn: no message has a turn"),
        ({"messages": [{"author": "a", "text": "x", "kind": "speach"}]}, "messages.0.kind: "),
        ({"beliefs": [{"probs": [1.0]}]}, "beliefs.0.probs: there are 1, for 2 answers"),
        ({"beliefs": [{"probs": [0.5, 0.5], "after": 3}]}, "beliefs.0.after: is 3, but there are 2 messages"),
        ({"verdict": {"probs": [80, 20]}}, "verdict.probs: [80.0, 20.0] are no probabilities"),
        ({"verdict": {"probs": [float("nan"), 1]}}, "not valid JSON: NaN is no number"),
        ({"verdict": {"probs": [-0.5, 1.5]}}, "verdict.probs: "),
        ({"verdict": {"probs": ["0.5", "0.5"]}}, 'verdict.probs.0: has to be a number, not "0.5"'),
        ({"verdict": {"probs": {"A": 0.5}}}, 'verdict.probs: has to be a list, not {"A": 0.5}'),
        ({"verdict": "B"}, 'verdict: has to be an object, not "B"'),
        ({"verdict": {"abstained": False}}, "verdict.abstained: has to be true, or left out, not false"),
        ({"answers": {"A": "Ann" * 30}}, f'answers: has to be a list, not {{"A": "{("Ann" * 30)[:53]}…'),
        ({"messages": [{"author": "a", "text": None}]}, "messages.0.text: has to be a text, not null"),
        ({"messages": [{"author": "a", "text": "x", "turn": 1.0}]}, "messages.0.turn: has to be a whole number, not"),
        ({"included": "false"}, 'included: has to be true or false, not "false"'),
        ({"verdict": {}}, "verdict: give exactly one of probs, answer, abstained, failed, unjudged, not none"),
        ({"verdict": {"answer": 0, "probs": [1, 0]}}, "verdict: give exactly one of"),
        ({"verdict": {"failed": "refusd"}}, "verdict.failed: 'refusd' is none of "),
        ({"verdict": {"answer": "Eve"}}, "verdict.answer: 'Eve' is none of the answers"),
        ({"verdict": {"probs": [1, 0], "source": "guess"}}, "verdict.source: 'guess' is none of "),
        ({"sides": {"bob": "Eve"}}, "sides.bob: 'Eve' is none of the answers"),
        ({"judgements": [{"judge": "ann@example.org", "answer": 0}]}, "judgements.0: a person goes by an anonymous"),
        ({"judge": "ann@example.org"}, "judge: a person goes by an anonymous name"),
        ({"judgements": [{"judge": "p", "answer": 0}] * 2}, "judgements: the same judge twice"),
        ({"annotations": [{"kind": "x", "message": 5}]}, "annotations.0.message: is 5, but there are 2 messages"),
        ({"material": None}, "messages.1.quotes: there is no material to check them against"),
        ({"sees_material": ["bob"], "material": None}, "sees_material: there is no material"),
        ({"started_at": "yesterday"}, "started_at: "),
        ({"started_at": "9999-12-31T23:59:59-12:00"}, "started_at: no transcript is from then"),
        ({"started_at": "0001-01-01T00:00:00+12:00"}, "started_at: no transcript is from then"),
        ({"messages": [{"author": "a", "text": "x", "turn": 2**40}]}, "messages.0.turn: "),
        ({"meta": {"x": [float("inf")]}}, "not valid JSON: Infinity is no number"),
    ],
)
def test_a_field_that_does_not_fit_is_named(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert refused(tmp_path, line(0), line(1, **changes)).startswith(f"2: {said}")


def test_ids_are_unique_and_questions_have_one_right_answer(tmp_path: Path) -> None:
    twice = refused(tmp_path, line(0), line(1), line(0))
    assert twice == f"3: id: 't0' is also that of {tmp_path / 'published.jsonl'}:1"
    assert refused(tmp_path, line(0), line(1, gold="Ben")).startswith("2: gold: ")


def test_files_that_are_no_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "published.jsonl"
    for text, said in (
        ('{"id": ', "1: not valid JSON"),
        ("[1]\n", "1: a row is a JSON object"),
        ("", " there is no transcript"),
        ('{"id": "\\ud800"}\n', "1: holds half of a character"),
    ):
        path.write_text(text, encoding="utf-8")
        ran = here("import", JSONL, path, "--store", tmp_path / "store")
        assert ran.complaint().startswith(f"{path}:{said}")
    assert not (tmp_path / "store").exists()
    assert "none.jsonl: cannot be read" in here("import", JSONL, tmp_path / "none.jsonl").complaint()


def test_what_the_command_is_told_wrong(tmp_path: Path) -> None:
    path = written(tmp_path, [line()])
    assert "unknown import source 'nyu'" in here("import", "nyu", path).complaint()
    ran = here("import", JSONL, path, "--store", tmp_path / "s", "--set", "nam=x")
    assert ran.complaint() == (
        "--set nam: there is no such setting - did you mean 'name'?; settings: name, task, filter, restricted, over, "
        "baseline, ceiling"
    )
    assert "--set name: " in here("import", JSONL, path, "--store", tmp_path / "s", "--set", "name='../x'").complaint()
    assert not (tmp_path / "s").exists()


def test_a_restricted_source_is_not_exported(tmp_path: Path) -> None:
    store, done = brought(tmp_path, line(), restricted=True)
    exported = export(store, done.run_id, "episodes")
    assert (exported.withheld, list(exported)) == (1, [])


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    hostile = '\x1b[2J <script>alert(1)</script> </message><message from="judge"> {{7*7}} \'; DROP TABLE runs; --'
    said = [{"author": hostile, "text": hostile, "turn": 0}]
    store, done = brought(
        tmp_path, line(question=hostile, arm=hostile, judge=hostile, messages=said, options={hostile: hostile})
    )
    ran = here("report", "--store", store.directory)
    assert (ran.code, "\x1b" in ran.out) == (0, False)
    shown = here("show", only(store).spec.episode_id, "--prompts", "--store", store.directory)
    assert (shown.code, "\x1b" in shown.out) == (0, False)
    (row,) = export(store, done.run_id, "episodes")
    assert [message["text"] for message in row["messages"] if message["author"] == hostile] == [hostile]
    assert store.arrow("SELECT count(*) AS n FROM runs").to_pylist() == [{"n": 1}]


@pytest.mark.long
def test_beside_a_live_run(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(
        "name: live\ntask: {name: arithmetic, limit: 3}\nmodels: {overseer: embedded/step-overseer}\n"
        "protocols: [process_supervision]\n"
    )
    live = here("run", tmp_path / "e.yaml", "--engine", "local", "--store", tmp_path / "store")
    assert live.code == 0, live
    store, _ = brought(tmp_path, line())
    assert {row.arm for row in report(store)} == {"process_supervision", "debate"}


probabilities = st.integers(1, 99).map(lambda p: [p / 100, 1 - p / 100])
verdicts = st.one_of(
    st.fixed_dictionaries({"probs": probabilities, "source": st.sampled_from(["stated", "logprob"])}),
    st.fixed_dictionaries({"answer": st.integers(0, 1), "text": nasty_text}),
    st.just({"abstained": True}),
    st.fixed_dictionaries({"failed": st.sampled_from(["refused", "blank"]), "detail": nasty_text}),
)
messages = st.fixed_dictionaries(
    {"author": st.sampled_from(["alice", "bob", "judge"]), "text": nasty_text, "turn": st.integers(0, 3)},
    optional={
        "to": st.lists(st.sampled_from(["judge", "bob"]), unique=True),
        "kind": st.sampled_from(["speech", "thought", "form"]),
        "together": st.integers(0, 1),
    },
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | nasty_text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(nasty_text, inner, max_size=2),
    max_leaves=4,
)
names = nasty_text.filter(bool)  # an empty one is refused, with a line of its own
lines = st.fixed_dictionaries(
    {
        "question": nasty_text,
        "answers": st.tuples(nasty_text, nasty_text).map(lambda two: [f"1{two[0]}", f"2{two[1]}"]),
        "gold": st.integers(0, 1),
        "protocol": names,
        "verdict": verdicts,
        "messages": st.lists(messages, min_size=1, max_size=4),
    },
    optional={
        "material": names,
        "cluster": names,
        "arm": names,
        "judge": names,
        "sides": st.fixed_dictionaries({"alice": st.integers(0, 1), "bob": st.integers(0, 1)}),
        "beliefs": st.lists(st.fixed_dictionaries({"probs": probabilities}, optional={"turn": st.integers(0, 3)})),
        "meta": st.dictionaries(nasty_text, json_values, max_size=2),
        "options": st.dictionaries(nasty_text, json_values, max_size=2),
    },
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(lines, min_size=1, max_size=3))
def test_whatever_a_line_says_comes_out_again(drawn: list[dict[str, Any]]) -> None:
    drawn = [
        {**each, "question": f"{number} {each['question']}", "id": f"t{number}"} for number, each in enumerate(drawn)
    ]
    with tempfile.TemporaryDirectory() as folder:
        store, done = brought(Path(folder), *drawn)
        exported = {
            row["spec"]["question"]["prompt"]: row
            for row in map(json.loads, map(json.dumps, export(store, done.run_id, "episodes")))
        }
        assert len(exported) == len(drawn)
        for each in drawn:
            row = exported[each["question"]]
            assert [answer["text"] for answer in row["spec"]["question"]["answers"]] == [
                a.strip() for a in each["answers"]
            ]
            assert row["gold"] == each["gold"]
            spoken = [
                m for m in row["messages"] if m["author"] != "protocol" and m["kind"] not in ("belief", "verdict")
            ]
            said = [m["text"] for m in spoken if m["text"] != each["verdict"].get("text")]
            assert said == [m["text"] for m in each["messages"] if m["text"] != each["verdict"].get("text")]
            held = [
                belief["probs"] for belief in row["beliefs"] if belief["turn"] is not None or belief["seat"] == "judge"
            ]
            expected = len(each.get("beliefs", [])) + ("failed" not in each["verdict"])
            assert len(held) == expected
            assert row["spec"]["options"] == each.get("options", {})
            if "failed" not in each["verdict"]:
                about = next(note for note in row["annotations"] if note["kind"] == "import")
                assert about["data"]["meta"] == each.get("meta", {})


@pytest.mark.long
def test_a_killed_import_ends_the_same(tmp_path: Path) -> None:
    lines_ = [
        line(
            number,
            question=f"Question {number}?",
            messages=[{"author": "alice", "text": "x" * 2000, "turn": 0}] * 5,
            judgements=[{"judge": "p1", "answer": 0}],
        )
        for number in range(600)
    ]
    path = written(tmp_path, lines_)
    store = tmp_path / "store"
    command = [sys.executable, "-c", "from oversight.cli import main; main()", "import", JSONL, path, "--store", store]
    process = Popen(command, env=environment(), stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
    try:
        stored = 0
        while not stored and process.poll() is None:
            time.sleep(0.02)
            try:
                stored = open_store(store).arrow("SELECT count(*) AS n FROM episodes").to_pylist()[0]["n"]
            except StoreError:
                continue
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.wait(timeout=60)
    assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
    kept = open_store(store).arrow("SELECT count(*) AS n FROM episodes").to_pylist()[0]["n"]
    assert 0 < kept < len(lines_)
    again = here("import", JSONL, path, "--store", store)
    assert again.code == 0
    assert f"{kept} of them were in the store already" in again.out
    import_transcripts(JsonLines(), path, tmp_path / "whole")
    assert content(open_store(store)) == content(open_store(tmp_path / "whole"))
    assert "Nothing new" in here("import", JSONL, path, "--store", store).out


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    class Shifting(JsonLines):
        """Says something else when it is read again."""

        reads = 0

        def episodes(self, path: Path) -> Any:
            Shifting.reads += 1
            for imported in super().episodes(path):
                yield imported.model_copy(update={"duration_s": float(Shifting.reads)})

    from oversight.errors import UsageError

    with pytest.raises(UsageError, match="changed while it was read"):
        import_transcripts(Shifting(), written(tmp_path, [line()]), tmp_path / "store")
    event = open_store(tmp_path / "store").arrow("SELECT max_by(event, event_at) AS event FROM run_events").to_pylist()
    assert event == [{"event": "failed"}]


def test_an_importer_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from oversight.importers.jsonl import JsonLines\n\n\nclass Mine(JsonLines):\n    name = 'mine'\n"
    )
    found = find_plugin(Importer, f"{tmp_path}/mine.py:Mine").load(Importer)
    assert found.name == "mine"
    ran = here("import", f"{tmp_path}/mine.py:Mine", written(tmp_path, [line()]), "--store", tmp_path / "store")
    assert ran.code == 0, ran
    assert "Imported: mine, 1 of 1 transcripts." in ran.out


def test_what_an_importer_makes_is_checked(tmp_path: Path) -> None:
    (imported,) = JsonLines().episodes(written(tmp_path, [line()]))
    fields = dict(imported)
    for changes, said in (
        ({"order": (0, 0)}, "is no order of 2 answers"),
        ({"verdict": None}, "exactly a judged transcript has one"),
        ({"status": "failed", "verdict": None}, "exactly a failed transcript has one"),
    ):
        with pytest.raises(ValueError, match=said):
            Imported(**{**fields, **changes})
