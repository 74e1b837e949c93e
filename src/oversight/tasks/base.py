"""The base class of tasks: where questions come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

from oversight.question import Item

__all__ = ["InputPath", "Task"]


def _beside_the_experiment(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base", Path())
    return path if path.is_absolute() else base / path


InputPath = Annotated[Path, AfterValidator(_beside_the_experiment)]
"""A path in an experiment file: relative ones start at the file's own folder."""


class Task(ABC):
    """A source of questions with gold answers. Its docstring is what ``oversight tasks`` shows.

    Attributes:
        name: the name experiments use.
    """

    name: ClassVar[str]

    class Options(BaseModel):
        """What an experiment may set."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, options: BaseModel | None = None) -> None:
        self.options: Any = options if options is not None else self.Options()

    @abstractmethod
    def items(self, seed: int) -> Iterator[Item]:
        """Yield the questions in a fixed order; ``seed`` decides whatever the task draws.

        Raises:
            UsageError: a row cannot be read; the message names file and line.
        """
