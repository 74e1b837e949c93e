"""``oversight dashboard``: starting the Streamlit app so that it reaches nobody and tells nobody."""

from __future__ import annotations

import os
import socket
from importlib import import_module
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from oversight.cli.output import err, out, plain
from oversight.errors import UsageError

__all__ = ["dashboard"]

_PORT = 8501
_TRIED = 20
"""How many ports are tried where none was asked for."""

_QUIET = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",  # a traceback has paths of this machine in it
    "client.toolbarMode": "minimal",
    "logger.hideWelcomeMessage": "true",
    "logger.level": "error",
    "runner.magicEnabled": "false",
}


def dashboard(
    store: Annotated[Path, typer.Option(envvar="OVERSIGHT_STORE", help="The store's directory.")] = Path(
        "oversight-store"
    ),
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help=f"By default the first free one from {_PORT} on.")
    ] = None,
    address: Annotated[
        str, typer.Option(metavar="HOST", help="What to listen on; by default nobody else can reach it.")
    ] = "127.0.0.1",
) -> None:
    """Watch runs and read transcripts in a browser, also while a run is writing them."""
    chosen = _free_port(address, port)
    # How the app, which Streamlit runs as a script, is told.
    os.environ["OVERSIGHT_STORE"] = str(store.absolute())
    shown = f"[{address}]" if ":" in address else address
    out.print(plain(f"http://{shown}:{chosen}  (store {store}; Ctrl-C ends it)"), soft_wrap=True)
    if not _is_local(address):
        err.print(
            plain(f"listening on {address}: whoever reaches this machine can read every transcript, and judge"),
            soft_wrap=True,
        )
    theme = import_module("oversight.dashboard.theme")
    flags = {**_QUIET, **theme.options(), "server.address": address, "server.port": str(chosen)}
    _streamlit([f"--{name}={value}" for name, value in flags.items()])


def _streamlit(arguments: list[str]) -> None:
    from streamlit.web import cli

    cli.main(
        ["run", str(files("oversight.dashboard") / "app.py"), *arguments], prog_name="streamlit", standalone_mode=False
    )


def _is_local(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _free_port(address: str, port: int | None) -> int:
    wanted = range(_PORT, _PORT + _TRIED) if port is None else (port,)
    reason = ""
    for number in wanted:
        try:
            family = socket.getaddrinfo(address, number, type=socket.SOCK_STREAM)[0][0]
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, number))
                return int(probe.getsockname()[1])
        except OSError as error:
            reason = error.strerror or str(error)
    where = f"--port {port}" if port is not None else f"ports {_PORT} to {_PORT + _TRIED - 1}"
    raise UsageError(f"{where} on {address}: {reason}; choose another with --port or --address")
