"""Output that may go nowhere: a closed pipe, a full device, a stream that was never open."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, NamedTuple, TextIO, cast

__all__ = ["Outlet", "Outlets", "OutputLost", "outlets"]


class OutputLost(OSError):
    """The output has no reader left, so that printing on is of no use."""


class Outlet:
    """Stands in for a standard stream: remembers what is wrong with it, and is quiet from then on.

    Args:
        stream: where the text goes; None if that was closed from the start.
        patient: go on without output; otherwise `OutputLost` is raised where the fault is found.

    Attributes:
        trouble: why text was lost; that a reader has had enough is no trouble.
    """

    def __init__(self, stream: TextIO | None, *, patient: bool) -> None:
        # Progress bars put another object in the stream's place, which writes through this one.
        self._stream: Any = (
            os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
            if stream is None
            else getattr(stream, "rich_proxied_file", stream)
        )
        self._patient = patient
        self._lost = False
        self.trouble: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text; what the stream's encoding cannot hold is written as an escape."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            coding = self._stream.encoding
            return self.write(text.encode(coding, "backslashreplace").decode(coding))
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Pass on what is held back."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        # What the stream still holds, and what the interpreter flushes at its end, goes nowhere without a complaint.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        first, self._lost = not self._lost, True
        if error.errno != errno.EPIPE:
            self.trouble = self.trouble or error
        if first and not self._patient:
            raise OutputLost(error.strerror or "the output is gone") from None


class Outlets(NamedTuple):
    """The two standard streams of a command."""

    out: Outlet
    err: Outlet


@contextmanager
def outlets(*, patient: bool) -> Iterator[Outlets]:
    """Put outlets in the place of the standard streams.

    Args:
        patient: go on when the output is lost, because the command does more than to print; errors and progress are
            never worth more than that.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # else the next file that is opened would take its place
    found = Outlets(Outlet(sys.stdout, patient=patient), Outlet(sys.stderr, patient=True))
    with redirect_stdout(cast("TextIO", found.out)), redirect_stderr(cast("TextIO", found.err)):
        yield found
