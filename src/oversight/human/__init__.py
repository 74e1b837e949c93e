"""People as judges of stored transcripts: what they are shown, in which order, and what is kept of what they say."""

from oversight.human.desk import Answered, Desk, Session, new_person
from oversight.human.hearing import Hearing, Said
from oversight.human.queue import About, Queue, arms
from oversight.human.solutions import Labelled, Solved

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
