"""A tree of answered questions becomes rows whose prompts are the ones that X is really sent."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from oversight import Answer, Belief, BeliefSource, Episode, Question
from oversight.core.chat import ChatMessage, ChatReply, ChatRequest
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.question import Item
from oversight.errors import UsageError
from oversight.experiment.protocol_binding import ProtocolBinding
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.chat_rows import ChatRow
from oversight.models.client import ModelCast
from oversight.plugins import Plugin
from oversight.prompting.markup import find, unescape
from oversight.protocols.amplification import Amplification
from oversight.protocols.direct import Direct
from oversight.store import Transcript
from oversight.training.distillation import DistillationDataset, ceiling_rows, held_out, lessons, overseer_rows

NOTE = Question(
    id="note",
    prompt='Who wrote the note? <tag> & "quotes"',
    answers=(
        Answer(text="the miller", solution="His hand."),
        Answer(text="the clerk"),
        Answer(text="a <ghost>"),
    ),
    material="The note is dated 3 May.\nInk & paper are <the mill's>.",
)
FIRST, SECOND = "Whose ink is it?", "Who could write?"
DIVISION = {NOTE.prompt: [FIRST, SECOND]}
ALONE: dict[str, Any] = {"sees": "material"}

Say = Callable[[ChatRequest], str | ChatReply]


class Keeping(ChatModel):
    """Says what a function gives, and keeps what it was asked beside what it said."""

    def __init__(self, say: Say, **settings: Any) -> None:
        super().__init__(ModelSettings(model="keeping", **settings))
        self._say = say
        self.kept: list[tuple[ChatRequest, str]] = []

    async def chat(self, request: ChatRequest) -> ChatReply:
        said = self._say(request)
        reply = said if isinstance(said, ChatReply) else ChatReply(text=said, prompt_tokens=50, completion_tokens=50)
        self.kept.append((request, reply.text))
        return reply

    @property
    def rows(self) -> list[ChatRow]:
        """What it was asked and said, as rows."""
        return [ChatRow.of(request.messages, text) for request, text in self.kept]


class Grown(NamedTuple):
    """An amplified question: its transcript, and the models that took part."""

    transcript: Transcript
    overseer: Keeping
    strong: Keeping

    @property
    def nodes(self) -> list[dict[str, Any]]:
        verdict = self.transcript.outcome.verdict
        assert verdict is not None
        return [note.data for note in verdict.annotations]


def binding(protocol: type, options: Mapping[str, Any]) -> ProtocolBinding:
    return ProtocolBinding(Plugin.of(protocol), dict(options))


def answering(request: ChatRequest) -> str:
    """An assistant who says another thing to everybody."""
    return f"So says {request.seat}: it is as <it> is & was."


def overseeing(table: Mapping[str, Sequence[str]], shares: Sequence[float], *, agree: bool = True) -> Say:
    """An overseer who divides as a table says, and ends with a belief."""

    def say(request: ChatRequest) -> str | ChatReply:
        if request.choices:
            probs = dict(zip(request.choices, shares, strict=True))
            return ChatReply(text=max(probs, key=lambda label: probs[label]), choice_probs=probs)
        if request.json_schema is None:
            # A sampled belief, or answers put together.
            return "B" if "nothing else: A, B, C." in request.messages[-1].content else f"Together, {request.seat}."
        known = request.json_schema["properties"]
        if "agree" in known:
            return json.dumps({"agree": agree})
        if "abstain" in known:
            return json.dumps(dict(zip("ABC", shares, strict=True)) | {"abstain": False})
        asked = find("question", request.messages[0].content)[0].content
        return json.dumps({"questions": list(table.get(unescape(asked.strip()), ()))})

    return say


def grow(
    table: Mapping[str, Sequence[str]] = DIVISION,
    shares: Sequence[float] = (0.2, 0.5, 0.3),
    *,
    question: Question = NOTE,
    overseer: Say | None = None,
    belief: str = "logprob",
    agree: bool = True,
    assignment: tuple[int, ...] = (),
    **options: Any,
) -> Grown:
    """Amplify a question."""
    bound = binding(Amplification, options)
    protocol = bound.create()
    say = overseer or overseeing(table, shares, agree=agree)
    models = {"overseer": Keeping(say, belief=belief, belief_samples=3), "strong": Keeping(answering)}
    cast = ModelCast({role: [model] for role, model in models.items()})
    episode = Episode(question, templates=bound.templates(), cast=cast, options=protocol.options, assignment=assignment)
    verdict = asyncio.run(protocol.run(episode))
    spec = EpisodeSpec(
        **{"episode_id": question.id, "arm": "a", "task": "t", "protocol": "amplification", "protocol_version": "1"},
        **{"protocol_key": "k", "options": options, "cast": {}, "judge": None, "strong": None, "question": question},
        **{"question_key": "k", "answer_order": (0, 1, 2), "assignment": assignment, "seed": 0, "repeat": 0},
    )
    outcome = EpisodeOutcome(
        episode_id=question.id,
        attempt=0,
        status="judged",
        started_at=datetime.now(UTC),
        duration_s=0,
        messages=episode.messages,
        calls=tuple(episode.calls),
        sides=tuple(episode.sides),
        verdict=verdict,
    )
    transcript = Transcript(run_id="r", spec=spec, outcome=outcome, gold=0)
    return Grown(transcript, models["overseer"], models["strong"])


def learnt(
    *grown: Grown,
    alone: Mapping[str, Any] = ALONE,
    kept_out: Sequence[Question] = (),
    belief: str = "logprob",
    **options: Any,
) -> tuple[list[ChatRow], DistillationDataset]:
    """The rows for X, and what was left out."""
    settings = ModelSettings(model="x", belief=belief, belief_samples=3)
    found = DistillationDataset(binding(Amplification, options), binding(Direct, alone), settings, held_out(kept_out))
    return lessons(found, [each.transcript for each in grown])[0], found


def asked_alone(question: Question, options: Mapping[str, Any], belief: str) -> list[tuple[ChatMessage, ...]]:
    """What `direct` really sends to X."""
    bound = binding(Direct, options)
    model = Keeping(overseeing({}, (0.2, 0.5, 0.3)), belief=belief, belief_samples=3)
    protocol = bound.create()
    cast = ModelCast({"judge": [model]})
    episode = Episode(question, templates=bound.templates(), cast=cast, options=protocol.options)
    asyncio.run(protocol.run(episode))
    return [request.messages for request, _ in model.kept]


def prompt(row: ChatRow) -> tuple[ChatMessage, ...]:
    return row.messages[:-1]


def reply(row: ChatRow) -> str:
    return row.messages[-1].content


@pytest.mark.parametrize("sees", ["nothing", "answers", "material"])
@pytest.mark.parametrize("belief", ["logprob", "sampled", "stated"])
def test_the_question_itself_is_put_as_x_is_asked_alone(sees: str, belief: str) -> None:
    rows, _ = learnt(grow(), alone={"sees": sees}, belief=belief)
    root = rows[0]
    assert set(asked_alone(NOTE, {"sees": sees}, belief)) == {prompt(root)}
    assert ("is dated 3 May" in str(prompt(root))) is (sees == "material")
    if belief == "stated":
        assert json.loads(reply(root)) == {"A": 0.2, "B": 0.5, "C": 0.3, "abstain": False}
    else:
        assert reply(root) == "B"


def test_several_votes_of_x_are_asked_the_same() -> None:
    rows, _ = learnt(grow(), alone={"sees": "material", "votes": 3})
    assert set(asked_alone(NOTE, {"sees": "material", "votes": 3}, "logprob")) == {prompt(rows[0])}


@pytest.mark.parametrize("reads", [True, False])
def test_a_sub_question_is_put_as_a_leaf_is_asked(reads: bool) -> None:
    grown = grow(leaves_see_material=reads)
    rows, found = learnt(grown, leaves_see_material=reads)
    assert len(rows) == 3
    assert sorted(rows[1:], key=reply) == sorted(grown.strong.rows, key=reply)
    assert all(("is dated 3 May" in str(prompt(row))) is reads for row in rows[1:])
    assert found.left_out == {}


def test_what_was_divided_is_put_as_a_leaf_is_asked_with_the_answer_put_together() -> None:
    table = {**DIVISION, FIRST: ["Is there ink?", "Is there paper?"]}
    grown = grow(table, depth=2)
    rows, _ = learnt(grown, depth=2)
    # Had it not been divided, an assistant would have been asked this.
    (leaf,) = [row for row in grow(depth=2).strong.rows if FIRST in str(prompt(row))]
    (row,) = [row for row in rows if f"<question>\n{FIRST}\n" in prompt(row)[0].content]
    assert prompt(row) == prompt(leaf)
    assert reply(row) == "Together, overseer_1."
    assert len(rows) == 1 + 4


def test_an_equal_sub_question_gives_no_second_row() -> None:
    table = {NOTE.prompt: [FIRST, SECOND], FIRST: ["Is there ink?"], SECOND: ["is  THERE ink"]}
    grown = grow(table, depth=2)
    assert Counter(node["how"] for node in grown.nodes)["memo"] == 1
    rows, found = learnt(grown, depth=2)
    assert len(rows) == 1 + 3
    assert sum("is there ink" in prompt(row)[0].content.lower() for row in rows) == 1
    assert found.left_out == {}


def test_nothing_is_said_twice() -> None:
    rows, _ = learnt(grow(), grow())
    assert len(rows) == len(set(rows)) == 3
    settings = ModelSettings(model="x")
    again = DistillationDataset(binding(Amplification, {}), binding(Direct, ALONE), settings, held_out([]))
    _, overseer = lessons(again, [grow().transcript] * 2)
    assert len(overseer) == len(set(overseer)) == 2


def test_a_question_that_is_not_divided_gives_itself_alone() -> None:
    for grown in (grow(depth=0), grow({})):
        rows, _ = learnt(grown)
        assert [reply(row) for row in rows] == ["B"]


@pytest.mark.parametrize("shares", [(0.4, 0.4, 0.2), (1 / 3, 1 / 3, 1 / 3)])
def test_a_tie_is_no_lesson_but_its_sub_questions_are(shares: tuple[float, ...]) -> None:
    rows, found = learnt(grow(shares=shares))
    assert len(rows) == 2
    assert found.left_out == {"undecided": 1}


def test_an_abstention_is_no_lesson_but_its_sub_questions_are() -> None:
    usual = overseeing(DIVISION, (1, 0, 0))

    def say(request: ChatRequest) -> str | ChatReply:
        if request.json_schema is not None and "abstain" in request.json_schema["properties"]:
            return '{"A": 0.4, "B": 0.3, "C": 0.3, "abstain": true}'
        return usual(request)

    rows, found = learnt(grow(overseer=say, belief="stated"))
    assert len(rows) == 2
    assert found.left_out == {"undecided": 1}


def test_what_nobody_answered_is_left_out() -> None:
    grown = grow(tokens=60)
    assert [node["how"] for node in grown.nodes] == ["decomposed", "unanswered", "unanswered"]
    rows, found = learnt(grown, tokens=60)
    assert [reply(row) for row in rows] == ["B"]
    assert found.left_out == {"unanswered": 2}


def test_what_two_assistants_disagree_about_is_left_out() -> None:
    rows, found = learnt(grow(agree=False, verify=True), verify=True)
    assert [reply(row) for row in rows] == ["B"]
    assert found.left_out == {"disagreed": 2}
    rows, found = learnt(grow(agree=True, verify=True), verify=True)
    # Not what the second assistant said, who was asked in other words.
    assert [reply(row)[:15] for row in rows] == ["B", "So says assista", "So says assista"]


@pytest.mark.parametrize("adversary", ["one", "all"])
def test_a_steered_tree_teaches_x_nothing(adversary: str) -> None:
    grown = grow(adversary=adversary, assignment=(2,))
    rows, found = learnt(grown, adversary=adversary)
    assert rows == []
    assert found.left_out == {"steered": 3}


@pytest.mark.parametrize("belief", ["logprob", "stated", "sampled"])
def test_an_overseer_s_rows_are_what_it_was_asked_and_said(belief: str) -> None:
    table = {**DIVISION, FIRST: ["Is there ink?", "Is there paper?"]}
    grown = grow(table, belief=belief, depth=2, verify=True)
    rows = list(overseer_rows(grown.transcript))
    # Two divided and one not, three compared, one put together, one decided.
    assert len(rows) == 3 + 3 + 1 + 1
    assert Counter(rows) == Counter(set(grown.overseer.rows))
    assert not set(rows) & set(grown.strong.rows)


def test_an_overseer_s_row_is_the_request_that_could_be_read() -> None:
    usual, tries = overseeing(DIVISION, (0.1, 0.8, 0.1)), Counter[str]()

    def say(request: ChatRequest) -> str | ChatReply:
        tries["form"] += request.json_schema is not None
        if request.choices:
            return ChatReply(text="well", choice_probs=None)
        return "no form at all" if tries["form"] == 1 else usual(request)

    grown = grow(overseer=say)
    rows = list(overseer_rows(grown.transcript))
    assert [reply(row)[:2] for row in rows] == ['{"', '{"']
    assert set(rows) <= set(grown.overseer.rows)


def test_the_ceiling_s_rows_are_exactly_the_true_answers() -> None:
    items = [Item(question=NOTE, gold=gold) for gold in range(3)]
    for belief in ("logprob", "stated"):
        settings = ModelSettings(model="x", belief=belief)
        rows = list(ceiling_rows(items, binding(Direct, ALONE), settings))
        assert [prompt(row) for row in rows] == asked_alone(NOTE, ALONE, belief) * 3
        if belief == "logprob":
            assert [reply(row) for row in rows] == ["A", "B", "C"]
        else:
            shares = [[float(place == gold) for place in range(3)] for gold in range(3)]
            assert [[json.loads(reply(row))[label] for label in "ABC"] for row in rows] == shares


def other(prompt: str, material: str | None = NOTE.material) -> Question:
    return NOTE.model_copy(update={"id": "held", "prompt": prompt, "material": material})


@pytest.mark.parametrize(
    "prompt", [NOTE.prompt, NOTE.prompt.upper(), f"\n {NOTE.prompt}?! ", NOTE.prompt.replace(" ", "\u00a0 \t")]
)
def test_a_question_to_be_evaluated_on_is_refused(prompt: str) -> None:
    with pytest.raises(UsageError, match="question 'note' is to be evaluated on"):
        learnt(grow(), kept_out=[other(prompt)])


def test_material_that_is_spaced_otherwise_is_no_other_material() -> None:
    with pytest.raises(UsageError, match="question 'note' is to be evaluated on"):
        learnt(grow(), kept_out=[other(NOTE.prompt, f"{NOTE.material}\n")])


def test_the_same_words_about_other_material_are_another_question() -> None:
    rows, found = learnt(grow(), kept_out=[other(NOTE.prompt, "Another note.")])
    assert (len(rows), found.left_out) == (3, {})


def test_no_prompt_of_the_evaluation_is_learnt_whatever_x_sees() -> None:
    """Without material in it, the prompt of the one is byte for byte that of the other."""
    held = other(NOTE.prompt, "Another note.")
    try:
        rows, _ = learnt(grow(), alone={"sees": "nothing"}, kept_out=[held])
    except UsageError:
        return
    assert not {prompt(row) for row in rows} & set(asked_alone(held, {"sees": "nothing"}, "logprob"))


@pytest.mark.parametrize("asked", [FIRST, "whose INK  is it", f" {FIRST} "])
@pytest.mark.parametrize(
    "material", [pytest.param(NOTE.material, id="same material"), pytest.param("Another note.", id="other material")]
)
def test_a_sub_question_to_be_evaluated_on_is_withheld(asked: str, material: str) -> None:
    """A sub-question makes sense by itself, so it is the same whatever lies beside it."""
    rows, found = learnt(grow({NOTE.prompt: [asked, SECOND]}), kept_out=[other(FIRST, material)])
    assert found.left_out == {"held_out": 1}
    assert len(rows) == 2
    assert not any("ink" in prompt(row)[0].content.lower() for row in rows)


def test_no_overseer_learns_to_answer_a_question_to_be_evaluated_on() -> None:
    """The overseer of a divided sub-question reads the answers to its parts and gives its own."""
    grown = grow({**DIVISION, FIRST: ["Is there ink?"]}, depth=2)
    settings = ModelSettings(model="x")
    found = DistillationDataset(binding(Amplification, {}), binding(Direct, ALONE), settings, held_out([other(FIRST)]))
    _, overseer = lessons(found, [grown.transcript])
    assert not [row for row in overseer if f"<question>\n{FIRST}\n" in prompt(row)[0].content]


def test_a_belief_computed_by_nobody_is_a_lesson_too() -> None:
    grown = grow()
    verdict = grown.transcript.outcome.verdict
    assert verdict is not None
    pooled = verdict.model_copy(update={"belief": Belief(probs=(0.1, 0.2, 0.7), source=BeliefSource.COMPUTED)})
    outcome = grown.transcript.outcome.model_copy(update={"verdict": pooled})
    rows, _ = learnt(grown._replace(transcript=grown.transcript.model_copy(update={"outcome": outcome})))
    assert reply(rows[0]) == "C"
