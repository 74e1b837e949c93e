"""A written solution is put together again from what its writer drafted, as the overseer met it."""

from __future__ import annotations

import asyncio

import pytest

from oversight import Answer, Episode, Question
from oversight.core.message import Kind
from oversight.judging.step_labelling import PersonLabel, as_annotations, is_done, solution_of
from oversight.judging.transcript_view import transcript_view
from oversight.models.client import ModelCast
from oversight.plugins import Plugin
from oversight.prompting.templates import Templates
from oversight.protocols.process_supervision import ProcessSupervision
from oversight.store import Transcript
from oversight.testing.scripted import ScriptedModel

from . import staging

QUESTION = Question(id="q", prompt="Which one?", answers=(Answer(text="the harbour"), Answer(text="the mill")))
DRAFT, REVISED = "It is of 1871.\nIt names the harbour.\nAnswer: A", "It names the mill.\nAnswer: B"
RIGHT, WRONG = '{"label": "correct", "p_correct": 0.9}', '{"label": "incorrect", "p_correct": 0.1}'


def transcript(*said: str, overseer: tuple[str, ...], **options: object) -> Transcript:
    """An episode of the protocol itself, as the store gives it back."""
    chosen = ProcessSupervision.Options.model_validate({"solutions": "written"} | options)
    episode = Episode(
        QUESTION,
        templates=Templates(Plugin.of(ProcessSupervision).prompts),
        cast=ModelCast({"strong": [ScriptedModel(said)], "overseer": [ScriptedModel(overseer, then=lambda _: RIGHT)]}),
        options=chosen,
    )
    verdict = asyncio.run(ProcessSupervision(chosen).run(episode))
    item = staging.checked_item(0).model_copy(update={"question": QUESTION})
    spec = staging.spec(item, "e").model_copy(update={"options": {"solutions": "written"} | options})
    outcome = staging.checked(spec).model_copy(update={"messages": episode.messages, "verdict": verdict})
    return Transcript(run_id="r", spec=spec, outcome=outcome, gold=1)


def test_a_revised_solution_is_the_one_that_was_checked_last() -> None:
    made = transcript(DRAFT, REVISED, overseer=(RIGHT, WRONG), revisions=1)
    assert made.outcome.verdict is not None
    checked = [note.data["text"] for note in made.outcome.verdict.annotations if note.kind == "step"]
    found = solution_of(made, 0)
    assert list(found.steps) == checked == ["It is of 1871.", "It names the mill.", "Answer: B"]
    assert (found.answer, found.writer, found.revisions) == (1, "solver_0", 1)


def test_steps_that_the_overseer_did_not_get_to_are_there_for_a_person() -> None:
    made = transcript(DRAFT, overseer=(WRONG,), aggregate="minimum")
    found = solution_of(made, 0)
    assert found.steps == ("It is of 1871.", "It names the harbour.", "Answer: A")
    said = [PersonLabel(label="correct", p_correct=0.8), PersonLabel(label="incorrect", p_correct=0.3)]
    assert [is_done(found, said[:n]) for n in range(3)] == [False, False, True]
    assert not is_done(found.model_copy(update={"stop_at_error": False}), said)
    *steps, whole = as_annotations(found, said)
    assert [note.data["text"] for note in steps] == list(found.steps[:2])
    assert (whole.data["score"], whole.data["first_error"], whole.data["labelled"]) == (0.3, 1, 2)


def test_where_there_is_no_solution_none_is_made_up() -> None:
    with pytest.raises(ValueError, match="no solution 1"):
        solution_of(transcript(DRAFT, overseer=()), 1)


def test_a_transcript_without_requests_can_be_judged_all_the_same() -> None:
    """As those are that were not made here."""
    spec = staging.spec(staging.item(0), "e")
    outcome = staging.debate(spec)
    messages = tuple(message for message in outcome.messages if message.kind is not Kind.REQUEST)
    found = transcript_view(
        Transcript(run_id="r", spec=spec, outcome=outcome.model_copy(update={"messages": messages}), gold=0)
    )
    assert (found.asked, [len(part) for part in found.parts]) == ("", [2, 3])
    assert [secret for secret in staging.SECRETS if secret in found.model_dump_json()] == []
