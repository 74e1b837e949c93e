"""People as judges of stored transcripts: what they are shown, in which order, and what is kept of what they say."""

from oversight.judging.queue import About, Queue, arms
from oversight.judging.session import Feedback, JudgingSession, SessionSettings, new_person
from oversight.judging.step_labelling import LabelledSolution, PersonLabel
from oversight.judging.transcript_view import ShownMessage, TranscriptView

__all__ = [
    "About",
    "Feedback",
    "JudgingSession",
    "LabelledSolution",
    "PersonLabel",
    "Queue",
    "SessionSettings",
    "ShownMessage",
    "TranscriptView",
    "arms",
    "new_person",
]
