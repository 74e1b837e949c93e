"""People as judges of stored transcripts: what they are shown, in which order, and what is kept of what they say."""

from oversight.judging.queue import About, Queue, arms
from oversight.judging.session import Answered, Desk, Session, new_person
from oversight.judging.step_labelling import Labelled, Solved
from oversight.judging.transcript_view import Hearing, Said

__all__ = [
    "About",
    "Answered",
    "Desk",
    "Hearing",
    "Labelled",
    "Queue",
    "Said",
    "Session",
    "Solved",
    "arms",
    "new_person",
]
