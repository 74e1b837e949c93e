"""oversight: does a protocol let a weak judge find the truth anyway?

The names below are what plugins and notebooks need; everything else is the framework's own.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oversight.util.quiet_start  # noqa: F401 - before all that takes long
from oversight.belief import Belief, BeliefSource, BeliefStatus
from oversight.episode import Episode
from oversight.errors import CallFailed, FailureClass, OversightError, ProtocolError, StoreError, UsageError
from oversight.protocol import Assignment, Distillable, Protocol
from oversight.question import Answer, Item, Question, Worked, same_question
from oversight.seat import Seat
from oversight.supervision import Checked, Solution, SolutionOptions, read_solution, solutions_to_check, verdict_over
from oversight.tasks.base import Task
from oversight.transcript import Message, visible_to
from oversight.verdict import Annotation, Verdict

if TYPE_CHECKING:
    from oversight.engine.run import RunSettings, run_experiment
    from oversight.reports.report import report
    from oversight.store import open_store

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
    "open_store",
    "read_solution",
    "report",
    "run_experiment",
    "same_question",
    "solutions_to_check",
    "verdict_over",
    "visible_to",
]

# Plugins import this package in every worker, where nobody needs a database or statistics.
_LAZY = {
    "RunSettings": "oversight.engine.run",
    "open_store": "oversight.store",
    "report": "oversight.reports.report",
    "run_experiment": "oversight.engine.run",
}

# In a checkout the plugin folders lie beside ``src``; in an installed wheel they lie inside this package.
_checkout = Path(__file__).resolve().parents[2]
if (_checkout / "protocols" / "__init__.py").is_file() and (_checkout / "pyproject.toml").is_file():
    __path__.append(str(_checkout))


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'oversight' has no attribute '{name}'")
