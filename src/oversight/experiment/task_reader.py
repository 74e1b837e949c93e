"""Reading the tasks of an experiment: each once, its questions packed."""

from __future__ import annotations

from typing import Any, NamedTuple

from oversight.core.plugin_shape import make_plugin
from oversight.errors import UsageError
from oversight.experiment.dry_run_process import DryRunProcess
from oversight.experiment.packed_questions import AskedQuestions, PlannedQuestion
from oversight.experiment.yaml_document import KeyPath, YamlDocument
from oversight.plugins import find_plugin
from oversight.tasks.task import Task
from oversight.util.digest import digest, draw

__all__ = ["TaskQuestions", "TaskReader"]


class TaskQuestions(NamedTuple):
    """What a task asks.

    Attributes:
        task: its name.
        asked: its questions, or a sample of them.
        contents: a digest of all its questions.
        restricted: whether they must not be published.
    """

    task: str
    asked: AskedQuestions
    contents: str
    restricted: bool


class TaskReader:
    """Reads each task of an experiment once, a plugin's code first in the process of dry runs.

    ``limit`` keeps that many questions of each.
    """

    def __init__(self, source: YamlDocument, limit: int | None, trying: DryRunProcess) -> None:
        self._source = source
        self._limit = limit
        self._trying = trying
        self._read: dict[str, TaskQuestions] = {}

    @property
    def contents(self) -> list[str]:
        """A digest of each task's questions, before any limit."""
        return [read.contents for read in self._read.values()]

    def read(self, raw: dict[str, Any], seed: int, where: KeyPath) -> TaskQuestions:
        """Read the task that an experiment names at ``where``.

        Raises:
            UsageError: there is no such task, an option is wrong, or a row cannot be used.
        """
        key = digest([raw, seed])
        if key not in self._read:
            options = {name: value for name, value in raw.items() if name not in ("name", "limit")}
            reference, limit = raw.get("name"), raw.get("limit")
            if not isinstance(reference, str):
                raise self._source.problem(where, "name the task, as in 'task: {name: digits}'")
            if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
                raise self._source.problem((*where, "limit"), f"limit is a number of questions, not {limit!r}")
            with self._source.located((*where, "name")):
                plugin = find_plugin(Task, reference, self._source.folder)
                self._trying.check(plugin, Task, options)
                cls = plugin.load(Task)
            checked = self._source.validate(cls.Options, options, where)
            with self._source.located(where):
                task = make_plugin(cls, checked)
            asked = self._unique(task, seed, where)
            contents = digest([question.key for question in asked])
            for size in (limit, self._limit):
                asked = _sampled(asked, size, seed)
            self._read[key] = TaskQuestions(task.name, AskedQuestions(asked), contents, task.restricted)
        return self._read[key]

    def _unique(self, task: Task, seed: int, where: KeyPath) -> list[PlannedQuestion]:
        found: dict[str, PlannedQuestion] = {}
        texts: dict[str, str] = {}
        try:
            for item in task.items(seed):
                if item.question.id in found:
                    raise self._source.problem(where, f"two questions share the id '{item.question.id}'")
                found[item.question.id] = PlannedQuestion(task.name, item, texts)
        except UsageError:
            raise  # it names the row it is about
        except (Exception, SystemExit) as error:
            raise self._source.problem(where, f"task '{task.name}' failed: {type(error).__name__}: {error}") from error
        if not found:
            raise self._source.problem(where, "the task has no questions")
        return list(found.values())


def _sampled(questions: list[PlannedQuestion], size: int | None, seed: int) -> list[PlannedQuestion]:
    """A seeded sample; a smaller one is part of a larger one, whatever the order of the rows."""
    if size is None or size >= len(questions):
        return questions
    return sorted(questions, key=lambda question: draw(seed, question.id, "question sampling").random())[:size]
