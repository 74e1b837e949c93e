"""One thread per loaded model, which generates for every episode of this process."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from oversight.errors import CallFailed, FailureClass
from oversight.models.embedded.language.batch_row import BatchRow, GeneratedReply, GenerationJob

if TYPE_CHECKING:
    from oversight.models.embedded.language.checkpoint import DType
    from oversight.models.embedded.language.decoding import Batch

__all__ = ["Runner", "runner_for"]

_LEAVE_AFTER_S = 10.0
"""How long the end of the process waits for the step that is being computed."""

_LONGEST_MESSAGE = 300


class _Asked(NamedTuple):
    job: GenerationJob
    future: Future[GeneratedReply]


class Runner:
    """Loads a model at the first job, then generates for the jobs that wait, up to a batch at a time.

    A job that is given up, its future cancelled, leaves the batch at the next token.

    Args:
        path: of the weights.
        dtype: of the weights in memory.
    """

    def __init__(self, path: Path, dtype: DType = "auto") -> None:
        self._path = path
        self._dtype = dtype
        self._waiting: deque[_Asked] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, job: GenerationJob) -> Future[GeneratedReply]:
        """Queue a job; its future raises `CallFailed` if nothing usable comes of it."""
        asked = _Asked(job, Future())
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"generate-{self._path.name}", daemon=True)
                self._thread.start()
                # A daemon thread that is inside PyTorch while the interpreter goes away brings the process down.
                atexit.register(self.close)
            self._waiting.append(asked)
            self._changed.notify()
        return asked.future

    def close(self) -> None:
        """Let the thread end after the token that it is computing; jobs that are left stay without a reply."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_LEAVE_AFTER_S)

    def _run(self) -> None:
        try:
            batch = self._load()
        except Exception as error:  # whatever the libraries raise about a file they cannot read
            self._refuse(f"{self._path} cannot be loaded as a language model: {_one_line(error)}")
            return
        running: dict[int, _Asked] = {}
        while self._wait(running):
            try:
                self._admit(batch, running)
                for row in batch.step() if batch.rows else ():
                    _answer(running.pop(id(row)).future, row.generated())
            except Exception as error:  # out of memory, or a model that this batching does not fit
                failure = CallFailed(FailureClass.SERVER_ERROR, f"{self._path.name}: {_one_line(error)}")
                for asked in running.values():
                    _fail(asked.future, failure)
                running.clear()
                batch.drop(batch.rows)

    def _load(self) -> Batch:
        from oversight.models.embedded.language.checkpoint import Checkpoint
        from oversight.models.embedded.language.decoding import Batch

        with self._changed:
            first = self._waiting[0].job.threads
        _set_threads(first)
        return Batch(Checkpoint(self._path, self._dtype))

    def _wait(self, running: dict[int, _Asked]) -> bool:
        """Wait until there is something to do; return whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting or running)
            return not self._closed

    def _admit(self, batch: Batch, running: dict[int, _Asked]) -> None:
        """Drop the rows that were given up, and read the prompts of as many new jobs as there is room."""
        batch.drop([row for row in batch.rows if running[id(row)].future.cancelled()])
        for key in running.keys() - {id(row) for row in batch.rows}:
            del running[key]
        while not self._closed and (asked := self._next(len(running))) is not None:
            _set_threads(asked.job.threads)
            try:
                begun = batch.start(asked.job)
            except CallFailed as failure:
                _fail(asked.future, failure)
                continue
            except Exception as error:  # the batch is as it was: only this prompt could not be read
                _fail(asked.future, CallFailed(FailureClass.SERVER_ERROR, f"{self._path.name}: {_one_line(error)}"))
                continue
            if isinstance(begun, BatchRow) and not begun.finish_reason:
                running[id(begun)] = asked
            else:
                _answer(asked.future, begun if isinstance(begun, GeneratedReply) else begun.generated())

    def _next(self, running: int) -> _Asked | None:
        """Take the first job that is still awaited, if the batch has room for it."""
        with self._changed:
            while self._waiting and self._waiting[0].future.cancelled():
                self._waiting.popleft()
            if not self._waiting or running >= self._waiting[0].job.batch_size:
                return None
            return self._waiting.popleft()

    def _refuse(self, message: str) -> None:
        """Fail every job, now and later."""
        while self._wait({}):
            while (asked := self._next(0)) is not None:
                _fail(asked.future, CallFailed(FailureClass.UNKNOWN_MODEL, message))


@cache
def runner_for(path: Path, dtype: DType) -> Runner:
    """Return the one runner of these weights in this process."""
    return Runner(path, dtype)


def _answer(future: Future[GeneratedReply], generated: GeneratedReply) -> None:
    with suppress(InvalidStateError):  # cancelled meanwhile
        future.set_result(generated)


def _fail(future: Future[GeneratedReply], failure: CallFailed) -> None:
    with suppress(InvalidStateError):
        future.set_exception(failure)


def _set_threads(threads: int) -> None:
    import torch

    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST_MESSAGE]
