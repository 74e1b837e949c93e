"""The command line: ``oversight``."""

from __future__ import annotations

import sys
import warnings

import typer

from oversight.cli.app import app
from oversight.cli.output import err, plain
from oversight.errors import OversightError

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its code; whatever the user did wrong is one line and exit code 2."""
    warnings.showwarning = _warn
    try:
        code = app(standalone_mode=False)
    except (typer.TyperException, OversightError) as error:
        # Typer's own errors say more in this than as a string: which option, and which one may have been meant.
        explain = getattr(error, "format_message", error.__str__)
        _complain(explain())
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    """A task that leaves out bad rows says so by a warning; people are shown the words, not our source line."""
    err.print(plain(f"warning: {message}"), soft_wrap=True)


def _complain(message: str) -> None:
    err.print(plain("error: " + " ".join(message.split())), soft_wrap=True)
