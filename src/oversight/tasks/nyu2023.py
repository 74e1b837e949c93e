"""Questions about stories that the judge has not read: those of the debates of Michael et al. (2023)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from oversight.core.question import Answer, Item, Question
from oversight.tasks.dataset_files import FileTask
from oversight.tasks.row_files import Row, read_jsonl, row_problems
from oversight.tasks.task import InputPath
from oversight.util.digest import digest

__all__ = [
    "METADATA",
    "ROOMS",
    "Nyu2023",
    "Record",
    "Room",
    "RoomListing",
    "Setup",
    "TokenText",
    "placed",
    "question_id",
    "readable",
]

ROOMS = "debates/official"
"""Where the rooms are below the published folder."""

METADATA = "debates-metadata.jsonl"
"""Where the list of them is."""

_STORY = "QuALITYSourceMaterial"

_WRITTEN = {"``": '"', "''": '"', "`": "'", "--": "—", "-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]"}
_OPENING = {"``", "`", "-LRB-", "-LSB-", "$", "--"}
_CLOSING = {"''", "'", "-RRB-", "-RSB-", "--", ".", ",", ";", ":", "?", "!", "!?", "...", "%"}
_CONTRACTED = re.compile(r"'(?:s|ll|re|d|m|ve|t)|n't", re.IGNORECASE)
_SPACES = re.compile(r"[ \t]+")
_SPLIT = {("can", "not"), ("gon", "na"), ("got", "ta"), ("wan", "na"), ("lem", "me"), ("gim", "me")}

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Record(BaseModel):
    """A part of a file as its authors' Scala program names things; what is not declared here is ignored."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class RoomListing(Record):
    """A room as the list of all rooms has it."""

    name: str
    included_in_paper: bool


class _Story(Record):
    article_id: str
    title: Text
    contents: tuple[str, ...] = Field(min_length=1)


class _SourceMaterial(Record):
    story: _Story = Field(alias=_STORY)


class Setup(Record):
    """What a room is about."""

    source_material: _SourceMaterial
    question: Text
    answers: tuple[Text, Text]
    correct_answer_index: int = Field(ge=0, le=1)

    @property
    def story(self) -> _Story:
        """The story that the debaters have read."""
        return self.source_material.story


class Room(Record):
    """One debate or consultancy."""

    setup: Setup


def question_id(setup: Setup) -> str:
    """The id of the question that a room asks: the same for every room that asks it."""
    return f"{setup.story.article_id}/{digest(setup.question, length=8)}"


class Nyu2023(FileTask):
    """Questions on stories that only the experts have read, as people and GPT-4 debated them.

    Michael et al. (2023), "Debate Helps Supervise Unreliable Experts" (CC BY 4.0): 247 questions on 96
    stories, and 342 with those the paper does not count. A room is one debate or consultancy; several rooms
    ask the same question, which is one item here. The questions are hard ones of QuALITY, with the two
    answers that were debated. The material is the story. Questions about one story share a cluster.
    """

    name: ClassVar[str] = "nyu2023"
    sample: ClassVar[Mapping[str, Any]] = {
        "setup": {
            "sourceMaterial": {
                "QuALITYSourceMaterial": {
                    "articleId": "sample",
                    "title": "The Ferry",
                    "contents": ["Ann", "did", "n't", "wait", ":", "she", "let", "the", "boat", "go", "."],
                }
            },
            "question": "Why was there no boat?",
            "answers": ["A storm sank it", "Ann let it go"],
            "correctAnswerIndex": 1,
        }
    }

    class Options(FileTask.Options):
        """Which questions."""

        path: InputPath | None = Field(
            None,
            description="the folder 'pub' of github.com/julianmichael/debate, branch 2023-nyu-experiments, which "
            "holds debates-metadata.jsonl and debates/official: 632 files that have no single, checkable download",
        )
        in_paper: bool = Field(True, description="only the questions of rooms that the paper counts")

        @model_validator(mode="after")
        def _names_the_folder(self) -> Self:
            if self.path is None:
                raise ValueError(
                    "path is missing: get the folder 'pub' of github.com/julianmichael/debate, branch "
                    "2023-nyu-experiments, and name your copy with 'path:' (--set task.path=YOUR/pub)"
                )
            return self

    def rows(self) -> Iterator[Row]:
        """One room for each question that is asked, with the best text there is of its story.

        Four stories are there twice: word by word and, in a few early rooms, sentence by sentence.
        """
        folder = self.options.path
        stories: dict[str, dict[str, Any]] = {}
        asked: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        for entry in sorted(self._listed(folder), key=lambda entry: entry.name):
            for row in read_jsonl(folder / ROOMS / f"{entry.name}.json"):
                with row_problems(row):
                    setup = row.read_as(Room).setup
                raw = dict(row.fields["setup"])
                story = raw.pop("sourceMaterial")[_STORY]
                known = stories.setdefault(setup.story.article_id, story)
                if len(story["contents"]) > len(known["contents"]):
                    stories[setup.story.article_id] = story
                if entry.included_in_paper or not self.options.in_paper:
                    asked.setdefault((setup.story.article_id, setup.question), (row.where, raw))
        for (article, _), (where, raw) in asked.items():
            yield Row(where, 1, {"setup": {**raw, "sourceMaterial": {_STORY: stories[article]}}})

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """The question that one room asks."""
        setup = row.read_as(Room).setup
        question = Question(
            id=question_id(setup),
            prompt=f'{setup.question}\n\nThe question is about the story "{setup.story.title}".',
            answers=tuple(Answer(text=text) for text in setup.answers),
            material=readable(setup.story.contents),
            cluster=setup.story.article_id,
        )
        yield Item(question=question, gold=setup.correct_answer_index)

    def _listed(self, folder: Path) -> Iterator[RoomListing]:
        for row in read_jsonl(folder / METADATA):
            with row_problems(row):
                yield row.read_as(RoomListing)


class TokenText(NamedTuple):
    """A text made of tokens, and where in it each token stands, from its first character to past its last."""

    text: str
    places: tuple[tuple[int, int], ...]


@lru_cache(maxsize=256)
def readable(tokens: tuple[str, ...]) -> str:
    """A text from its tokens, which are those of the Penn Treebank and line breaks, spaced as prose is.

    What the tokens do not tell is not restored: how wide an ellipsis was spaced, and where italics began.
    """
    return _SPACES.sub(" ", _joined(tokens).text).strip()


@lru_cache(maxsize=256)
def placed(tokens: tuple[str, ...]) -> TokenText:
    """The same text, with the place of every token in it."""
    text, places = _joined(tokens)
    # What `readable` takes away: all but the first of several spaces, and what surrounds the text.
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    lost = [True] * start + [False] * (end - start) + [True] * (len(text) - end)
    for spaces in _SPACES.finditer(text):
        lost[spaces.start() + 1 : spaces.end()] = [True] * (len(spaces[0]) - 1)
    kept = [0, *accumulate(not each for each in lost)]
    return TokenText(readable(tokens), tuple((kept[min(b, len(text))], kept[min(e, len(text))]) for b, e in places))


def _joined(tokens: tuple[str, ...]) -> TokenText:
    text = ""
    space = False
    last = ""
    places = []
    for word in tokens:
        begin = len(text)
        if word == "\n":
            text, space = text.rstrip(" ") + word, False
        # An abbreviation ends a sentence by itself.
        elif word and not (word == "." and last.endswith(".") and last != "..."):
            joined = word in _CLOSING or _CONTRACTED.fullmatch(word) or (last.lower(), word) in _SPLIT
            text += " " if space and not joined else ""
            begin = len(text)
            text += _WRITTEN.get(word, word)
            space = word not in _OPENING
        places.append((begin, len(text)))
        last = word or last
    return TokenText(text, tuple(places))
