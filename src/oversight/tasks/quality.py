"""QuALITY: multiple-choice questions about long stories that take reading, not skimming."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from oversight.core.question import Answer, Item, Question, distinct
from oversight.tasks.dataset_files import Download, FileTask, locate
from oversight.tasks.row_files import Row, read_jsonl
from oversight.util.digest import draw

__all__ = ["Quality"]

_URL = "https://raw.githubusercontent.com/nyu-mll/quality/main/data/v1.0.1"
_CHOICES = 4
_ABOUT_THE_OTHERS = re.compile("all of the above|none of the above|neither of these", re.IGNORECASE)


class _Untimed(BaseModel):
    untimed_answer: int
    untimed_eval1_answerability: int
    untimed_eval2_context: int
    untimed_best_distractor: int | None = None


class _Speed(BaseModel):
    speed_answer: int


class _Asked(BaseModel):
    question: str
    question_unique_id: str
    options: list[str] = Field(min_length=_CHOICES, max_length=_CHOICES)
    gold_label: int = Field(ge=1, le=_CHOICES)
    writer_label: int
    difficult: bool
    validation: list[_Untimed] = []
    speed_validation: list[_Speed] = []

    @property
    def gold(self) -> int:
        return self.gold_label - 1


class _Set(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    article_id: str
    article: str = Field(min_length=1)
    source: str = ""
    questions: list[_Asked]


class Quality(FileTask):
    """Questions about long stories, which only the experts have read.

    Pang et al. (2022), "QuALITY: Question Answering with Long Input Texts, Yes!" (CC BY 4.0; stories under
    their own licences), version 1.0.1 without HTML: 2,523 train and 2,086 dev questions. The material is the
    story. Questions about one story share a cluster.

    With two answers, the wrong one is the best distractor: the one that most untimed annotators named so,
    then the one most of them chose, then the one most hurried annotators chose, then one drawn by seed. A
    question is left out if either answer is about the others ("all of the above"), and with any number of
    answers if one is blank or two are the same.

    The filters of Khan et al. (2024): ``hard: true, min_untimed_accuracy: 1, max_speed_accuracy: 0.5,
    min_context: 1.5, max_answerability: 1, sources: [Gutenberg]``.
    """

    name: ClassVar[str] = "quality"
    sample: ClassVar[Mapping[str, Any]] = {
        "article_id": "00001",
        "set_unique_id": "00001_SAMPLE",
        "source": "Gutenberg",
        "title": "The Lamp at Cold Point",
        "author": "nobody",
        "article": "Mara trimmed the lamp before the fog came in. She had promised her brother that she would never "
        "leave it, and so she did not go down to the boat, though she heard them call.",
        "questions": [
            {
                "question": "Why does Mara stay where she is?",
                "question_unique_id": "00001_SAMPLE_1",
                "options": ["She is afraid of fog", "She gave her word", "She heard nobody call", "She is hurt"],
                "writer_label": 2,
                "gold_label": 2,
                "validation": [
                    {
                        "untimed_annotator_id": "0001",
                        "untimed_answer": 2,
                        "untimed_eval1_answerability": 1,
                        "untimed_eval2_context": 2,
                        "untimed_best_distractor": 1,
                    }
                ],
                "speed_validation": [{"speed_annotator_id": "0002", "speed_answer": 3}],
                "difficult": 1,
            }
        ],
    }

    class Options(FileTask.Options):
        """Which questions, and how many answers. Filters by annotators leave out questions that lack them."""

        split: Literal["train", "dev"] = Field("dev", description="which published file, unless path names a file")
        answers: Literal[2, 4] = Field(2, description="2: the right one and the best distractor; or all 4")
        hard: bool = Field(False, description="only those that most hurried annotators got wrong")
        sources: list[str] = Field([], description="only stories from these, such as Gutenberg; all if empty")
        min_untimed_accuracy: float | None = Field(
            None, ge=0, le=1, description="least share of untimed annotators who are right"
        )
        max_speed_accuracy: float | None = Field(
            None, ge=0, le=1, description="largest share of hurried annotators who are right"
        )
        min_context: float | None = Field(
            None, ge=1, le=4, description="least mean of the context needed: 1 a sentence or two, 4 most of the story"
        )
        max_answerability: float | None = Field(
            None, ge=1, le=3, description="largest mean of the verdicts 1 one answer is best, 2 several are, 3 unclear"
        )
        writer_agrees: bool = Field(False, description="only those whose writer meant the answer taken for right")
        per_story: int | None = Field(None, ge=1, description="at most so many questions a story, drawn by seed")

    def rows(self) -> Iterator[Row]:
        """The sets of questions, each about one story; most stories have two sets."""
        name = f"QuALITY.v1.0.1.htmlstripped.{self.options.split}"
        return read_jsonl(locate(self.options.path, Download(f"{_URL}/{name}", f"quality/{name}")))

    def items(self, seed: int) -> Iterator[Item]:
        """Yield the questions in the file's order."""
        if self.options.per_story is None:
            yield from super().items(seed)
            return
        items = list(super().items(seed))
        kept: Counter[str] = Counter()
        chosen = set()
        for item in sorted(items, key=lambda item: draw(seed, "quality", "per story", item.question.id).random()):
            if kept[item.question.cluster] < self.options.per_story:
                kept[item.question.cluster] += 1
                chosen.add(item.question.id)
        yield from (item for item in items if item.question.id in chosen)

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """The questions of one set that pass the filters."""
        story = row.read_as(_Set)
        if self.options.sources and story.source not in self.options.sources:
            return
        for asked in story.questions:
            if not self._wanted(asked):
                continue
            places = list(range(_CHOICES))
            if self.options.answers != _CHOICES:
                places = sorted((asked.gold, _best_distractor(asked, seed)))
            shown = [asked.options[place].strip() for place in places]
            if not distinct(shown) or (len(shown) < _CHOICES and any(map(_about_the_others, shown))):
                continue
            question = Question(
                id=asked.question_unique_id,
                prompt=asked.question.strip(),
                answers=tuple(Answer(text=text) for text in shown),
                material=story.article,
                cluster=story.article_id,
            )
            yield Item(question=question, gold=places.index(asked.gold))

    def _wanted(self, asked: _Asked) -> bool:
        limits, untimed, right = self.options, asked.validation, asked.gold_label
        return (
            (asked.difficult or not limits.hard)
            and (asked.writer_label == right or not limits.writer_agrees)
            and _at_least(limits.min_untimed_accuracy, [one.untimed_answer == right for one in untimed])
            and _at_most(limits.max_speed_accuracy, [one.speed_answer == right for one in asked.speed_validation])
            and _at_least(limits.min_context, [one.untimed_eval2_context for one in untimed])
            and _at_most(limits.max_answerability, [one.untimed_eval1_answerability for one in untimed])
        )


def _about_the_others(answer: str) -> bool:
    return _ABOUT_THE_OTHERS.search(answer) is not None


def _at_least(limit: float | None, votes: Sequence[float]) -> bool:
    return limit is None or (bool(votes) and fmean(votes) >= limit)


def _at_most(limit: float | None, votes: Sequence[float]) -> bool:
    return limit is None or (bool(votes) and fmean(votes) <= limit)


def _best_distractor(asked: _Asked, seed: int) -> int:
    """The place of the wrong option that tempts most."""
    named = Counter(one.untimed_best_distractor for one in asked.validation)
    chosen = Counter(one.untimed_answer for one in asked.validation)
    hurried = Counter(one.speed_answer for one in asked.speed_validation)
    wrong = [place for place in range(_CHOICES) if place != asked.gold]
    draw(seed, "quality", "distractor", asked.question_unique_id).shuffle(wrong)
    return max(wrong, key=lambda place: (named[place + 1], chosen[place + 1], hurried[place + 1]))
