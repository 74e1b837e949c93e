"""The questions that a plan asks, kept small: there may be hundreds of thousands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from oversight.digest import canonical, digest_of
from oversight.question import Answer, Item, Question, Worked

__all__ = ["PlannedQuestion", "PlannedQuestions"]


class PlannedQuestion:
    """A question of a task: what planning asks of it at hand, and the rest packed.

    Attributes:
        task: the task's name.
        key: the item's (`oversight.question.Item.key`).
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
        content = item.content()
        text = canonical(content)
        self.key = digest_of(text)
        if question.material is not None:
            self._material = texts.setdefault(question.material, question.material)
            del content["question"]["material"]
            text = canonical(content)
        self._packed = text.encode()

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
        and all(type(answer) is Answer for answer in question.answers)
        and all(type(solution) is Worked for solution in question.worked)
    )


class PlannedQuestions(Mapping[str, tuple[str, Item]]):
    """The questions of a plan: task and item by the item's key."""

    def __init__(self) -> None:
        self._by_key: dict[str, PlannedQuestion] = {}

    def add(self, question: PlannedQuestion) -> None:
        """Add a question; of two with one key the later stays."""
        self._by_key[question.key] = question

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
