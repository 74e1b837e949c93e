"""Bringing people's judgements from the inbox into the database, whichever process holds it."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

from oversight.core.outcome import Judgement
from oversight.errors import StoreError
from oversight.store.access import StoreLocked, WriterSuspended, retrying
from oversight.store.damage import DATABASE
from oversight.store.judgement_inbox import JudgementInbox
from oversight.store.query_client import ask_writer
from oversight.store.query_server import DONE
from oversight.store.writer import StoreWriter

__all__ = ["flush_judgements"]

_PATIENCE_S = 3.0
"""Seconds that a person waits for a store between two owners; the next one to open it ingests what is left."""

_ANSWER_S = 30.0
_BATCH = 100

_one_at_a_time = threading.Lock()


def flush_judgements(directory: Path) -> int:
    """Bring what is pending into the database; return how many judgements still wait for it.

    A run that writes the store takes them over its socket; where there is none, this process opens the file for
    a moment. Judgements are safe in the inbox whatever happens here, and are stored once however often they
    are brought.

    Raises:
        StoreError: the database cannot take them, now or later: it says what to do.
    """
    directory = directory.absolute()
    inbox = JudgementInbox(directory)
    with _one_at_a_time:
        for last in retrying(_PATIENCE_S):
            pending = inbox.pending()
            if not pending or not (directory / DATABASE).is_file():
                return len(pending)
            try:
                for start in range(0, len(pending), _BATCH):
                    batch = pending[start : start + _BATCH]
                    _hand_over(directory, batch)
                    inbox.delivered(batch)
                return 0
            except WriterSuspended:
                return len(pending)
            except OSError:  # no process answers
                pass
            try:
                StoreWriter.open(directory, answering=False).close()  # which takes in what is pending
                return len(inbox.pending())
            except StoreLocked:
                if last:
                    return len(pending)
    raise AssertionError("unreachable: the last try returns")


def _hand_over(directory: Path, judgements: Sequence[Judgement]) -> None:
    """Have the writing process store them.

    Raises:
        OSError: there is none, or it went away.
        StoreError: it refused.
    """
    request = {"judgements": [judgement.model_dump(mode="json") for judgement in judgements]}
    kind, body = ask_writer(directory, json.dumps(request).encode(), _ANSWER_S)
    if kind != DONE:
        raise StoreError(f"store {directory}: the run that writes it refused a judgement: {body.decode()}")
