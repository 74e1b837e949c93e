"""The command line: ``oversight``."""

from __future__ import annotations

import sys

import click

from oversight.cli.app import app
from oversight.cli.output import err, plain
from oversight.errors import OversightError

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its code; whatever the user did wrong is one line and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except click.ClickException as error:
        _complain(error.format_message())
        code = 2
    except OversightError as error:
        _complain(str(error))
        code = 2
    except (KeyboardInterrupt, click.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> None:
    err.print(plain("error: " + " ".join(message.split())), soft_wrap=True)
