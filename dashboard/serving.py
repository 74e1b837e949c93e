"""Starting Streamlit behind the `Guard`, with everything off that reaches outside this machine."""

from __future__ import annotations

import logging
from importlib.resources import files
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from . import theme
from .guard import Address, Guard

__all__ = ["serve"]

_SETTINGS: dict[str, Any] = {
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "server.xsrfCookieSameSite": "strict",
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "server.scriptHealthCheckEnabled": False,
    "server.allowedHosts": [],  # the guard knows them
    "server.sslCertFile": "",
    "server.sslKeyFile": "",
    "server.baseUrlPath": "",
    "server.customComponentBaseUrlPath": "",
    "browser.gatherUsageStats": False,
    "client.allowedOrigins": [],  # by default pages of Streamlit's cloud may steer the app
    "client.showErrorDetails": "none",  # a traceback has paths of this machine in it
    "client.toolbarMode": "minimal",
    "global.developmentMode": False,
    "logger.hideWelcomeMessage": True,
    "logger.level": "error",
    "runner.magicEnabled": False,
}
"""Set here and not left to the user's own configuration of Streamlit, which may be for other apps."""


def serve(address: Address, token: str | None) -> None:
    """Serve the dashboard until the process is told to end.

    Args:
        address: where, and how browsers reach it.
        token: what a browser must bring; None if any may come in.
    """
    logging.getLogger("uvicorn.error").addFilter(_worth_saying)
    app = st.App(
        str(files(__package__ or "dashboard") / "app.py"),
        middleware=[Middleware(Guard, address=address, token=token)],
    )
    where: dict[str, Any] = {"server.address": address.host, "server.port": address.port}
    # A proxy may put its own name for this server in place of the browser's.
    where["server.corsAllowedOrigins"] = [address.url] if address.url else []
    app.run(config={**_SETTINGS, **theme.options(), **where})


def _worth_saying(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
