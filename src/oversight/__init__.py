"""oversight: does a protocol let a weak judge find the truth anyway?

The names below are what plugins and notebooks need; everything else is the framework's own.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

import oversight.util.quiet_start  # noqa: F401 - before all that takes long
from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.episode import Episode
from oversight.core.message import Message, visible_to
from oversight.core.protocol import Distillable, Protocol
from oversight.core.question import Answer, Item, Question, Worked, same_question
from oversight.core.seat import Seat
from oversight.core.side import Assignment
from oversight.core.solutions import Checked, Solution, SolutionOptions, read_solution, solutions_to_check, verdict_over
from oversight.core.verdict import Annotation, Verdict
from oversight.errors import CallFailed, FailureClass, OversightError, ProtocolError, StoreError, UsageError
from oversight.tasks.task import Task
from oversight.util.checkout import map_checkout

if TYPE_CHECKING:
    from oversight.execution.run import RunSettings
    from oversight.reports.report import report
    from oversight.store import open_store
    from oversight.training.run_experiment import run_experiment

__all__ = [
    "Annotation",
    "Answer",
    "Assignment",
    "Belief",
    "BeliefSource",
    "BeliefStatus",
    "CallFailed",
    "Checked",
    "Distillable",
    "Episode",
    "FailureClass",
    "Item",
    "Message",
    "OversightError",
    "Protocol",
    "ProtocolError",
    "Question",
    "RunSettings",
    "Seat",
    "Solution",
    "SolutionOptions",
    "StoreError",
    "Task",
    "UsageError",
    "Verdict",
    "Worked",
    "__version__",
    "open_store",
    "read_solution",
    "report",
    "run_experiment",
    "same_question",
    "solutions_to_check",
    "verdict_over",
    "visible_to",
]

# Plugins import this package in every worker, which need no database and no statistics.
_LAZY = {
    "RunSettings": "oversight.execution.run",
    "open_store": "oversight.store",
    "report": "oversight.reports.report",
    "run_experiment": "oversight.training.run_experiment",
}

map_checkout()

__version__ = metadata.version("oversight")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'oversight' has no attribute '{name}'")
