"""The command line: ``oversight``."""

from __future__ import annotations

import atexit
import sys
import traceback
import warnings
from contextlib import suppress
from types import TracebackType

import typer

from oversight.cli.commands import app
from oversight.cli.outlet import Outlets, OutputLost, outlets
from oversight.cli.output import err, plain
from oversight.errors import OversightError
from oversight.util.interrupts import INTERRUPTED, interrupts, leave_at_once, leave_on_signals
from oversight.util.secrets import redact

__all__ = ["main"]

_WRONG = 2
_LONGEST_NAME = 120


_PATIENT = frozenset({"run", "rejudge", "import"})
"""Commands whose exit code tells what they did, whether or not their output finds a reader."""


def main() -> None:
    """Run the command and exit with its code; whatever the user did wrong is one line and exit code 2.

    Ctrl-C and SIGTERM end it in order, and a second one at once, with exit code 130.
    """
    warnings.showwarning = _warn
    sys.excepthook = _crash
    with interrupts(leave_at_once):
        # At the interpreter's end, too, an interrupt is no reason for a traceback.
        atexit.register(leave_on_signals)
        with outlets(patient=not _PATIENT.isdisjoint(sys.argv[1:2])) as streams:
            code = _run(streams)
    sys.exit(code)


def _run(streams: Outlets) -> int:
    """Run the command; returns its exit code when all is said."""
    code: object = 0
    try:
        code = app(standalone_mode=False)
        streams.out.flush()
    except OutputLost:
        pass
    except (typer.TyperException, OversightError) as error:
        # Typer's own errors say more in this than as a string: which option, and which one may have been meant.
        explain = getattr(error, "format_message", error.__str__)
        _complain(explain())
        code = _WRONG
    except (KeyboardInterrupt, typer.Abort):
        err.print(plain("interrupted"))
        code = INTERRUPTED
    except OSError as error:
        _complain(_about(error))
        code = _WRONG
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        _complain("a path holds a null byte, which no file's name can")
        code = _WRONG
    with suppress(OutputLost):
        streams.out.flush()
    if streams.out.trouble is not None:
        _complain(f"the output cannot be written: {streams.out.trouble.strerror}")
        code = code or _WRONG
    streams.err.flush()
    return code if isinstance(code, int) else 0


def _about(error: OSError) -> str:
    """Say which file, of those that the user named, the system refuses, and why."""
    reason = error.strerror or str(error) or type(error).__name__
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return ": ".join([*(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in names), reason])


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    """A task that leaves out bad rows says so by a warning; people are shown the words, not our source line."""
    err.print(plain(redact(f"warning: {message}")), soft_wrap=True)


def _complain(message: str) -> None:
    err.print(plain(redact("error: " + " ".join(message.split()))), soft_wrap=True)


def _crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a fault of ours, in which a key may stand."""
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))
