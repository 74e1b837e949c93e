"""The questions that a plan asks, kept small: there may be hundreds of thousands."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping

from oversight.core.question import Answer, Item, Question, Worked
from oversight.util.digest import canonical, digest_of, draw

__all__ = ["AskedQuestions", "PlannedQuestion", "PlannedQuestions"]


class PlannedQuestion:
    """A question of a task: what planning asks of it at hand, and the rest packed.

    Attributes:
        task: the task's name.
        key: the item's (`oversight.core.question.Item.key`).
        id, cluster: the question's.
        answers: how many it has.
        gold: the place of the right one.
    """

    __slots__ = ("_material", "_packed", "answers", "cluster", "gold", "id", "key", "task")

    def __init__(self, task: str, item: Item, texts: dict[str, str]) -> None:
        """Pack an item; ``texts`` are those that many share, a story or the name of a cluster, held once."""
        question = item.question
        self.task = task
        self.id = question.id
        self.cluster = self.id if question.cluster == self.id else texts.setdefault(question.cluster, question.cluster)
        self.answers = len(question.answers)
        self.gold = item.gold
        self._material: str | None = None
        self._packed: bytes | Item = item
        if not _is_plain(item):
            self.key = item.key
            return
        before, after = _encoded(item)
        if question.material is None:
            self.key = digest_of(before + after)
        else:
            self._material = texts.setdefault(question.material, question.material)
            self.key = digest_of(f'{before}"material":{canonical(question.material)},{after}')
        self._packed = (before + after).encode()

    @property
    def item(self) -> Item:
        """The question with its gold answer, as the task gave it."""
        if isinstance(self._packed, Item):
            return self._packed
        if self._material is None:
            item = Item.model_validate_json(self._packed)
        else:
            content = json.loads(self._packed)
            content["question"]["material"] = self._material
            item = Item.model_validate(content)
        item.__dict__["key"] = self.key  # where `cached_property` keeps it: it need not be digested again
        return item


def _is_plain(item: Item) -> bool:
    """Whether an item is made of the framework's own classes; a plugin's may hold what JSON does not."""
    question = item.question
    return (
        type(item) is Item
        and type(question) is Question
        and {Answer}.issuperset(map(type, question.answers))
        and {Worked}.issuperset(map(type, question.worked))
    )


def _encoded(item: Item) -> tuple[str, str]:
    """Return what stands before and after the material in the canonical JSON of a plain item's content.

    It is put together here because to dump and to encode an item takes ten times as long.
    """
    question = item.question
    mistakes = f'"mistakes":{canonical(item.mistakes)},' if item.mistakes else ""
    cluster = f'"cluster":{canonical(question.cluster)},' if question.cluster else ""
    answers = ",".join([_encoded_answer(answer) for answer in question.answers])
    name = f'"id":{canonical(question.id)},'
    before = f'{{"gold":{item.gold},{mistakes}"question":{{"answers":[{answers}],{cluster}{name}'
    worked = ""
    if question.worked:
        worked = f',"worked":{canonical([{"answer": each.answer, "steps": each.steps} for each in question.worked])}'
    return before, f'"prompt":{canonical(question.prompt)}{worked}}}}}'


def _encoded_answer(answer: Answer) -> str:
    solution = "" if answer.solution is None else f'"solution":{canonical(answer.solution)},'
    return f'{{{solution}"text":{canonical(answer.text)}}}'


class PlannedQuestions(Mapping[str, tuple[str, Item]]):
    """The questions of a plan: task and item by the item's key."""

    def __init__(self, questions: Iterable[PlannedQuestion] = ()) -> None:
        """Take questions in; of two with one key the later stays."""
        self._by_key = {question.key: question for question in questions}

    def packed(self, key: str) -> PlannedQuestion:
        """Return what planning knows of a question."""
        return self._by_key[key]

    def __getitem__(self, key: str) -> tuple[str, Item]:
        question = self._by_key[key]
        return question.task, question.item

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)


class AskedQuestions:
    """The questions of a task that a plan asks, each in every repeat.

    Attributes:
        questions: they, in order.
    """

    def __init__(self, questions: list[PlannedQuestion]) -> None:
        self.questions = questions
        self._orders: dict[tuple[int, int], list[tuple[int, ...]]] = {}
        self._known: dict[tuple[int, ...], tuple[int, ...]] = {}

    def orders(self, seed: int, repeat: int) -> list[tuple[int, ...]]:
        """Return for each question the order in which it presents its answers: arms of one seed share it."""
        if (seed, repeat) not in self._orders:
            generator = random.Random()
            found = self._orders[seed, repeat] = []
            for question in self.questions:
                places = range(question.answers)
                draw(seed, repeat, question.id, "answer order", again=generator)
                order = tuple(generator.sample(places, len(places)))
                found.append(self._known.setdefault(order, order))
        return self._orders[seed, repeat]
