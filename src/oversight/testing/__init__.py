"""What plugin authors test with: a scripted model, a conformance check, and a loopback API server."""

from oversight.testing.chat_server import LoopbackServer
from oversight.testing.conformance import (
    SAMPLE_QUESTION,
    ConformanceError,
    ForgeryFound,
    HistoryChanged,
    LeakFound,
    NotRepeatable,
    check_protocol,
)
from oversight.testing.faults import Chaos, Fault, Reply
from oversight.testing.fine_tuning_jobs import JobOutcome
from oversight.testing.scripted import Scripted, ScriptedModel

__all__ = [
    "SAMPLE_QUESTION",
    "Chaos",
    "ConformanceError",
    "Fault",
    "ForgeryFound",
    "HistoryChanged",
    "JobOutcome",
    "LeakFound",
    "LoopbackServer",
    "NotRepeatable",
    "Reply",
    "Scripted",
    "ScriptedModel",
    "check_protocol",
]
