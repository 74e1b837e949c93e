"""``oversight dashboard``: starting the Streamlit app for those who have its address."""

from __future__ import annotations

import os
import secrets
import socket
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from oversight.cli.output import err, out, plain
from oversight.errors import UsageError

__all__ = ["dashboard"]

_PORT = 8501
_TRIED = 20
"""How many ports are tried where none was asked for."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def dashboard(
    store: Annotated[Path, typer.Option(envvar="OVERSIGHT_STORE", help="The store's directory.")] = Path(
        "oversight-store"
    ),
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help=f"By default the first free one from {_PORT} on.")
    ] = None,
    address: Annotated[
        str, typer.Option(metavar="HOST", help="What to listen on; by default only this machine can reach it.")
    ] = "127.0.0.1",
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="How browsers reach it through a proxy or a tunnel: https://HOST[:PORT]."),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Ask browsers for no token: something in front of it asks who comes.")
    ] = False,
) -> None:
    """Watch runs and read transcripts in a browser, also while a run is writing them."""
    reached = None if url is None else _origin(url)
    chosen = _free_port(address, port)
    # How the app, which Streamlit runs as a script, is told. The token stays in this process.
    os.environ["OVERSIGHT_STORE"] = str(store.absolute())
    where = import_module("oversight.dashboard.guard").Address(address, chosen, reached)
    token = None if no_token else secrets.token_urlsafe(24)
    opened = f"{where.printed}/?token={token}" if token else where.printed
    out.print(plain(f"{opened}  (store {store}; Ctrl-C ends it)"), soft_wrap=True)
    if not _is_local(address):
        who = "everyone who can reach this machine" if no_token else "everyone who has the address with its token"
        err.print(plain(f"listening on {address}: {who} can read every transcript, and judge"), soft_wrap=True)
    import_module("oversight.dashboard.serving").serve(where, token)


def _origin(url: str) -> str:
    """The scheme, host and port of an address as browsers send them.

    Raises:
        UsageError: it is no such address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or parts.path.strip("/"):
        raise UsageError("--url: write how browsers reach the dashboard, like https://HOST or http://HOST:PORT")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


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
