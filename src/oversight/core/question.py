"""A question as an episode sees it, and the gold answer that only the engine holds (rule 1)."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from oversight.prompting.markup import Trusted, escape, tag
from oversight.util.digest import digest
from oversight.util.invisible import without_invisible

__all__ = ["Answer", "Item", "Question", "Worked", "distinct", "same_question"]

_LABELS = string.ascii_uppercase
_AROUND = ' "“”„«»'


def same_question(prompt: str) -> str:
    """What equal questions share: the prompt without case, spaces, quotation marks around it and how it ends.

    Ways to write a letter do not tell questions apart, nor do characters that cannot be seen.
    """
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", prompt) if unicodedata.category(letter) != "Cf")
    return re.sub(r"\s+", " ", seen).strip(_AROUND).rstrip(_AROUND + "?.!").casefold()


class Answer(BaseModel):
    """A candidate answer; ``solution`` is the worked solution that leads to it, where there is one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    solution: str | None = None


class Worked(BaseModel):
    """A worked solution: its steps, and the place of the answer that it ends in.

    Unlike `Answer.solution`, which is part of an answer and shown with it, several of these may end in one
    answer; only protocols that check work show them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: int = Field(ge=0)
    steps: tuple[str, ...]


def distinct(texts: Iterable[str]) -> bool:
    """Whether people can tell texts apart as answers: none is blank, and no two look the same."""
    seen = [_as_seen(text) for text in texts]
    return all(seen) and len(set(seen)) == len(seen)


def _as_seen(text: str) -> str:
    """Return a text as a reader sees it: no space around it, nothing invisible, each letter in one way to write it."""
    if text.isascii():  # as most are: nothing to take out, and one way to write it
        return text.strip()
    return unicodedata.normalize("NFC", without_invisible(text)).strip()


def _distinct(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    texts = [_as_seen(answer.text) for answer in answers]
    if "" in texts:
        raise ValueError("one of the answers is blank")
    if len(set(texts)) < len(texts) and len({(_as_seen(a.text), a.solution) for a in answers}) < len(texts):
        raise ValueError("two of the answers are the same, at least to the eye")
    return answers


class Question(BaseModel):
    """A prompt with a closed set of candidate answers, and the material only some seats may see.

    Attributes:
        id: the question's name within its task. It must not tell which answer is right.
        prompt: what is asked; every seat reads it.
        answers: 2 to 26 candidates; seats know them by the labels A, B, C…
        material: what only some seats see (a story, an image, a proof), as text.
        cluster: questions that share a source (a story, an image) share a cluster, and intervals resample
            clusters; a question alone is its own cluster.
        worked: solutions to check, in an order that tells nothing about which are right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    prompt: str = Field(min_length=1)
    answers: Annotated[tuple[Answer, ...], Field(min_length=2, max_length=len(_LABELS)), AfterValidator(_distinct)]
    material: str | None = None
    cluster: str = ""
    worked: tuple[Worked, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        # One method, because each is a call for every question of a large table.
        if not self.cluster:
            object.__setattr__(self, "cluster", self.id)
        for each in self.worked:
            if each.answer >= len(self.answers):
                raise ValueError(f"a worked solution ends in answer {each.answer}, of {len(self.answers)}")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The letters seats use for the answers, in the order presented."""
        return tuple(_LABELS[: len(self.answers)])

    def presented(self, order: Sequence[int]) -> Question:
        """The same question with its answers in another order; ``order[i]`` is the i-th one's old place."""
        return self.model_copy(
            update={
                "answers": tuple(self.answers[place] for place in order),
                "worked": tuple(each.model_copy(update={"answer": order.index(each.answer)}) for each in self.worked),
            }
        )

    def block(self, *, solutions: bool = True) -> Trusted:
        """The question as every prompt shows it, with or without the worked solutions."""
        answers = [
            tag(
                "answer",
                escape(answer.text)
                + (f"\n{tag('solution', escape(answer.solution))}" if solutions and answer.solution else ""),
                label=label,
            )
            for label, answer in zip(self.labels, self.answers, strict=True)
        ]
        return Trusted(
            tag("question", f"\n{escape(self.prompt)}\n") + "\n" + tag("answers", "\n" + "\n".join(answers) + "\n")
        )


class Item(BaseModel):
    """What a task yields: a question, and what the engine keeps from every episode.

    Attributes:
        question: what is asked.
        gold: the place of its right answer.
        mistakes: for each of the question's worked solutions, the place from 0 of its first wrong step, None
            where no step is wrong; empty where that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Question
    gold: int = Field(ge=0)
    mistakes: tuple[int | None, ...] = ()

    @model_validator(mode="after")
    def _about_the_question(self) -> Self:
        if self.gold >= len(self.question.answers):
            raise ValueError(f"gold is {self.gold}, but there are {len(self.question.answers)} answers")
        if not self.mistakes:
            return self
        if len(self.mistakes) != len(self.question.worked):
            raise ValueError(f"{len(self.mistakes)} mistakes for {len(self.question.worked)} worked solutions")
        for mistake, worked in zip(self.mistakes, self.question.worked, strict=True):
            if mistake is not None and not 0 <= mistake < len(worked.steps):
                raise ValueError(f"the first mistake is step {mistake}, but there are {len(worked.steps)}")
        return self

    @cached_property
    def key(self) -> str:
        """A digest of everything in the item: a corrected gold answer makes it another item."""
        return digest(self.content())

    def content(self) -> dict[str, Any]:
        """Return everything in the item as JSON has it, without what a default says."""
        # Without defaults, so that a part which a later release adds does not make every old item another one.
        return self.model_dump(mode="json", exclude_defaults=True)
