"""Who is given what: everybody starts elsewhere, and nobody gets a question twice."""

from __future__ import annotations

from pathlib import Path

from oversight.core.outcome import is_person
from oversight.judging import SessionSettings, arms, new_person
from oversight.judging.step_labelling import PersonLabel
from oversight.store import JudgementInbox, StoreWriter, open_store

from . import staging

PEOPLE = [f"judge-{number}" for number in range(6)]


def order(directory: Path, judge: str, **settings: object) -> list[str]:
    """The episodes that a person judges until nothing is left."""
    at, found = staging.session(directory, judge, **settings), []
    while at.next()[0] is not None:
        found.append(staging.judge_next(at, 0.5, 0.5).episode_id)
    return found


def two_of_each(directory: Path) -> Path:
    """Two debates about each of three questions, two of which share a story, and a void one."""
    with StoreWriter.open(directory) as writer:
        writer.begin(staging.run_row())
        made = []
        for number, cluster in enumerate(["story", "story", ""]):
            item = staging.item(number, cluster=cluster)
            for arm in ("first", "second"):
                spec = staging.spec(item, f"{arm}{number}", arm=arm)
                made.append((item, spec, staging.debate(spec)))
        void = staging.item(3, answers=4)
        spec = staging.spec(void, "void", assignment=(0, 1))
        made.append((void, spec, staging.debate(spec)))
        staging.add(writer, made)
    return directory


def test_people_start_at_different_places_and_a_person_always_at_the_same(tmp_path: Path) -> None:
    staging.lay_out(tmp_path, 12)
    first = {}
    for judge in PEOPLE:
        assignment, queue = staging.session(tmp_path, judge).next()
        assert assignment is not None
        assert queue.left == 11
        first[judge] = assignment.episode_id
        again, queue = staging.session(tmp_path, judge).next()
        assert (again, queue.left) == (assignment, 11)
    assert len(set(first.values())) >= 4


def test_each_question_comes_once_and_those_of_one_story_last(tmp_path: Path) -> None:
    two_of_each(tmp_path)
    for judge in PEOPLE[:1]:
        given = order(tmp_path, judge)
        assert sorted(episode[-1] for episode in given) == ["0", "1", "2"]  # the void one nobody gets
        assert given[-1][-1] in "01"
        assert order(tmp_path, judge) == []
        _, queue = staging.session(tmp_path, judge).next()
        assert (queue.next, queue.left, queue.seen) == (None, 0, 3)
        more = order(tmp_path, judge, again=True)
        assert sorted(given + more) == sorted(f"{arm}{n}" for arm in ("first", "second") for n in range(3))
    assert {episode[:-1] for episode in order(tmp_path, PEOPLE[2], arms=("second",))} == {"second"}


def test_what_the_database_knows_counts_where_the_ledger_was_lost(tmp_path: Path) -> None:
    staging.lay_out(tmp_path, 3)
    at = staging.session(tmp_path)
    judged = staging.judge_next(at, 0.5, 0.5)
    at.flush()
    JudgementInbox(tmp_path).path.unlink()
    assert judged.episode_id not in order(tmp_path, "calm-otter-1")


def test_a_reload_goes_on_at_the_same_turn(tmp_path: Path) -> None:
    staging.lay_out(tmp_path, 2)
    at = staging.session(tmp_path, stepped=True)
    assignment, _ = at.next()
    assert assignment is not None
    at.believe(assignment, 0, [0.2, 0.8])
    later = staging.session(tmp_path, stepped=False, feedback=True)  # the address was changed: what was begun stays
    again, _ = later.next()
    assert again == assignment
    assert [entry.data["probs"] for entry in later.entries(again)] == [[0.2, 0.8]]
    assert len(later.view(again).parts) == 2


def test_a_solution_is_labelled_once_whatever_arms_checked_it(tmp_path: Path) -> None:
    staging.lay_out_solutions(tmp_path)
    assert arms(open_store(tmp_path), staging.RUN, "steps") == ["process", "again"]
    assert arms(open_store(tmp_path), staging.RUN, "verdict") == []
    at = staging.session(tmp_path, about="steps")
    seen = []
    for left in (3, 2, 1, 0):
        assignment, queue = at.next()
        assert assignment is not None
        assert queue.left == left
        assert staging.session(tmp_path, about="steps").next() == (assignment, queue._replace(next=at.next()[1].next))
        seen.append((assignment.episode_id, assignment.solution))
        for step in range(len(at.solution(assignment).steps)):
            at.label(assignment, step, PersonLabel(label="neutral", p_correct=0.5))
        assert at.finish(assignment) is not None
        if left % 2:
            at.flush()
    assert at.next()[0] is None
    assert {episode for episode, _ in seen} == {"process0", "process1"}
    assert {episode for episode, _ in seen[:2]} == {"process0", "process1"}  # another question before a second solution
    assert len(set(seen)) == 4


def test_ids_are_nobodys_name(tmp_path: Path) -> None:
    made = {new_person() for _ in range(50)}
    assert len(made) > 45
    assert all(map(is_person, made))
    assert [name for name in ("Ann Smith", "ab", "ann@example.org", "x" * 41, "1abc", "ann\n") if is_person(name)] == []
    assert SessionSettings(judge="abc", run_id="r").mode == "stepped"
