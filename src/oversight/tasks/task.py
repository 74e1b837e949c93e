"""The base class of tasks: where questions come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo

from oversight.core.question import Item
from oversight.plugins import Pluggable, PluginKind

__all__ = ["InputPath", "Task"]


def _beside_the_experiment(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base", Path())
    return path if path.is_absolute() else base / path


InputPath = Annotated[Path, AfterValidator(_beside_the_experiment)]
"""A path in an experiment file: relative ones start at the file's own folder."""


class Task(Pluggable, ABC):
    """A source of questions with gold answers. Its docstring is what ``oversight tasks`` shows.

    Attributes:
        name: the name experiments use.
        restricted: the data's authors ask that it never be published in the clear.
    """

    plugin_kind = PluginKind("task", "oversight.tasks")

    name: ClassVar[str]
    restricted: ClassVar[bool] = False

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

    @classmethod
    def example(cls) -> Item | None:
        """The question that ``oversight tasks NAME`` shows; None where options are needed to have one."""
        try:
            task = cls(cls.Options())
        except ValidationError:
            return None
        return next(islice(task.items(seed=0), 1), None)
