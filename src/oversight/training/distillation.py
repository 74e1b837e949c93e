"""From trees of answered questions to rows that a model can be trained on."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from oversight.core.belief import Belief, BeliefSource
from oversight.core.chat import ChatMessage, ChatReply, ChatRequest
from oversight.core.conduct import conduct_part
from oversight.core.episode import Episode
from oversight.core.message import Kind, chat_history, said_once
from oversight.core.protocol import Distillable
from oversight.core.question import Item, Question, same_question
from oversight.errors import UsageError
from oversight.experiment.protocol_binding import ProtocolBinding
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.chat_rows import ChatRow
from oversight.models.client import ModelCast
from oversight.store import Transcript
from oversight.util.aio import run_sync

__all__ = ["DistillationDataset", "HeldOutSet", "ceiling_rows", "held_out", "lessons", "overseer_rows", "sees_material"]

_SPOKEN = frozenset({Kind.FORM, Kind.DRAFT, Kind.VERDICT})


class HeldOutSet(NamedTuple):
    """What is to be kept out of the rows.

    Attributes:
        asked: the evaluation questions by their prompts, as `same_question` has them; of each its id and its material.
    """

    asked: Mapping[str, frozenset[tuple[str, str]]]

    def has(self, question: Question, *, sees_material: bool) -> bool:
        """Whether a reader of this question, with or without its material, sees one to be evaluated on.

        One prompt may ask for something else of every material. But where a single question has it, more or less
        material, or another excerpt under the same id, makes no other question of it.
        """
        others = self.asked.get(same_question(question.prompt), frozenset())
        if not sees_material or not others:
            return bool(others)
        material = _material(question)
        if len(others) == 1:
            ((name, other),) = others
            return name == question.id or material in other or other in material
        return not material or any(other in ("", material) for _, other in others)

    def has_part(self, asked: str) -> bool:
        """Whether a sub-question is one to be evaluated on, whatever the material beside it."""
        return same_question(asked) in self.asked


class DistillationDataset:
    """Rows for X, and what was left out of them.

    Args:
        protocol: the protocol that was amplified with, with its options.
        alone: the protocol with which X is asked by itself.
        settings: X's, which say how its beliefs are read.
        held_out: what `held_out` gave for the evaluation questions.

    Attributes:
        left_out: how many questions were left out, by why: ``unanswered``, ``undecided`` (the overseer abstained or
            held several answers equally likely), ``disagreed`` (two independent answers did), ``steered`` (an
            assistant was told what to argue), ``held_out`` (a sub-question is one to be evaluated on).
    """

    def __init__(
        self, protocol: ProtocolBinding, alone: ProtocolBinding, settings: ModelSettings, held_out: HeldOutSet
    ) -> None:
        self._protocol = protocol
        self._alone = alone
        self._settings = settings
        self._held_out = held_out
        self.left_out: Counter[str] = Counter()

    def of(self, transcript: Transcript) -> Iterator[ChatRow]:
        """One row for each question of a tree: what X would be asked by itself, and what came out of the tree.

        Raises:
            UsageError: the question itself is to be evaluated on.
        """
        question = transcript.question
        if self._held_out.has(question, sees_material=sees_material(self._alone)):
            raise UsageError(f"question '{question.id}' is to be evaluated on, and must not be trained on")
        verdict, nodes = transcript.outcome.verdict, _nodes(transcript)
        if transcript.sides:
            # Whatever an assistant that was told what to argue took part in is no lesson, however it ended.
            self.left_out["steered"] += len(nodes)
            return
        if verdict is not None and (best := _settled(verdict.belief)) is not None:
            yield self._root(question, verdict.belief, question.labels[best])
        else:
            self.left_out["undecided"] += 1
        for node in nodes:
            if node["parent"] is None or node["how"] == "memo":
                continue
            why = self._unfit(node)
            if why is None:
                yield self._node(question, node["question"], node["answer"])
            else:
                self.left_out[why] += 1

    def of_overseer(self, transcript: Transcript) -> Iterator[ChatRow]:
        """The overseers' rows of a tree without a steering adversary and with nothing to be evaluated on."""
        if not transcript.sides and not any(self._held_out.has_part(node["question"]) for node in _nodes(transcript)):
            yield from overseer_rows(transcript)

    def _unfit(self, node: dict[str, Any]) -> str | None:
        if node["answer"] is None:
            return "unanswered"
        if node["agreed"] is False:
            return "disagreed"
        return "held_out" if self._held_out.has_part(node["question"]) else None

    def _root(self, question: Question, belief: Belief, best: str) -> ChatRow:
        pupil = _PromptRecorder(self._settings, best, _stated(question, belief))
        run_sync(_judged(self._alone, question, pupil))
        return pupil.row()

    def _node(self, question: Question, asked: str, answer: str) -> ChatRow:
        pupil = _PromptRecorder(self._settings, answer)
        run_sync(_asked(self._protocol, question, asked, pupil))
        return pupil.row()


class _PromptRecorder(ChatModel):
    """Writes down the one thing that X is asked, and gives the answer that X is to learn.

    Args:
        settings: X's, which say how its beliefs are read.
        answer: what it says.
        stated: what it says instead where probabilities are asked for.
    """

    def __init__(self, settings: ModelSettings, answer: str, stated: str | None = None) -> None:
        super().__init__(settings)
        self._answer = answer
        self._stated = stated
        self._learnt: tuple[tuple[ChatMessage, ...], str] | None = None

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Say what came out of the tree, in the form that is asked for."""
        text = self._stated if request.json_schema is not None and self._stated is not None else self._answer
        self._learnt = request.messages, text
        return ChatReply(text=text, choice_probs={self._answer: 1.0} if request.choices else None)

    def row(self) -> ChatRow:
        """What it was asked, and what it said."""
        assert self._learnt is not None
        return ChatRow.of(*self._learnt)


async def _judged(alone: ProtocolBinding, question: Question, pupil: _PromptRecorder) -> None:
    protocol = alone.create()
    cast = ModelCast({"judge": [pupil]})
    await protocol.run(Episode(question, templates=alone.templates(), cast=cast, options=protocol.options))


def _settled(belief: Belief) -> int | None:
    """The place of the one likeliest answer, if there is one."""
    best = [place for place, p in enumerate(belief.probs or ()) if p == max(belief.probs or ())]
    return best[0] if len(best) == 1 else None


def _stated(question: Question, belief: Belief) -> str:
    """A belief as a model would state it."""
    assert belief.probs is not None
    return json.dumps({**dict(zip(question.labels, belief.probs, strict=True)), "abstain": False})


async def _asked(binding: ProtocolBinding, question: Question, asked: str, pupil: _PromptRecorder) -> None:
    protocol = binding.create()
    assert isinstance(protocol, Distillable)
    cast = ModelCast({"strong": [pupil]})
    episode = Episode(question, templates=binding.templates(), cast=cast, options=protocol.options)
    await conduct_part(protocol, episode, partial(protocol.answer_alone, episode, asked), "answer_alone")


def overseer_rows(transcript: Transcript) -> Iterator[ChatRow]:
    """One row for each thing that an overseer did, for training one: its prompt, byte for byte, and its reply."""
    for place, message in enumerate(transcript.messages):
        if message.call is None or message.kind not in _SPOKEN or not message.text.strip():
            continue
        if any(call.role == "overseer" and call.number == message.call for call in transcript.calls):
            prompt = chat_history(message.author, transcript.messages[:place], message.branch)
            yield ChatRow.of(prompt, said_once(message, transcript.question.labels))


def ceiling_rows(items: Iterable[Item], alone: ProtocolBinding, settings: ModelSettings) -> Iterator[ChatRow]:
    """One row for each training question with its true answer, for the supervised ceiling and nothing else."""
    for item in items:
        shares = tuple(float(place == item.gold) for place in range(len(item.question.answers)))
        true = Belief(probs=shares, source=BeliefSource.COMPUTED)
        pupil = _PromptRecorder(settings, item.question.labels[item.gold], _stated(item.question, true))
        run_sync(_judged(alone, item.question, pupil))
        yield pupil.row()


def held_out(questions: Iterable[Question]) -> HeldOutSet:
    """What is to be kept out of the rows of a model that is to be tested on these questions."""
    asked: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for question in questions:
        asked[same_question(question.prompt)].add((question.id, _material(question)))
    return HeldOutSet({prompt: frozenset(those) for prompt, those in asked.items()})


def sees_material(alone: ProtocolBinding) -> bool:
    """Whether X, asked by itself, reads the material."""
    return bool(alone.create().options.sees == "material")


def lessons(found: DistillationDataset, transcripts: Iterable[Transcript]) -> tuple[list[ChatRow], list[ChatRow]]:
    """The rows for X and for an overseer that a round's transcripts give, without repetition."""
    own: dict[ChatRow, None] = {}
    overseer: dict[ChatRow, None] = {}
    for transcript in transcripts:
        own.update(dict.fromkeys(found.of(transcript)))
        overseer.update(dict.fromkeys(found.of_overseer(transcript)))
    return list(own), list(overseer)


def _nodes(transcript: Transcript) -> list[dict[str, Any]]:
    verdict = transcript.outcome.verdict
    return [note.data for note in verdict.annotations if note.kind == "node"] if verdict else []


def _material(question: Question) -> str:
    return same_question(question.material or "")
