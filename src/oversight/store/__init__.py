"""The store: one DuckDB file per directory, written by one process and read by any number."""

from oversight.store.access import Parameter
from oversight.store.judgement_flush import flush_judgements
from oversight.store.judgement_inbox import InboxError, JudgementInbox, JudgingAssignment, PartEntry
from oversight.store.reader import Store, open_store
from oversight.store.record_rows import ArmRow, PlanRow, RunEvent, RunRow, as_json
from oversight.store.schema import VERSION
from oversight.store.stored_episode import Transcript
from oversight.store.writer import StoreWriter

__all__ = [
    "VERSION",
    "ArmRow",
    "InboxError",
    "JudgementInbox",
    "JudgingAssignment",
    "Parameter",
    "PartEntry",
    "PlanRow",
    "RunEvent",
    "RunRow",
    "Store",
    "StoreWriter",
    "Transcript",
    "as_json",
    "flush_judgements",
    "open_store",
]
