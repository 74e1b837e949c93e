"""A real browser on a real server; whoever imports this is skipped where either is missing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = Path("/usr/bin/chromium")
OVERSIGHT = Path(sys.executable).parent / "oversight"
PATIENCE_MS = 30_000

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")


@contextmanager
def serving(store: Path, *options: str) -> Iterator[str]:
    """``oversight dashboard`` on any free port; the address that it printed, with its token if it has one."""
    process = subprocess.Popen(
        [OVERSIGHT, "dashboard", "--store", store, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"((http://127\.0\.0\.1:\d+)(?:/\?token=[\w-]+)?)  \(store ", line)
        assert found, line
        _until_healthy(found[2], process)
        yield found[1]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert out.strip() in ("", "Stopping..."), out  # the one line was read, and the end is Streamlit's
        assert "Traceback" not in err, err


def _until_healthy(address: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health") as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the dashboard did not answer")


class Visitor:
    """A page in the browser, with every request that it made."""

    def __init__(self, context: Any, address: str, *, enters: bool) -> None:
        self.address = address.partition("/?")[0]
        if enters:
            context.request.get(address)  # which brings the cookie
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.requests: list[str] = []
        self.violations: list[str] = []
        self.page.on("console", self._said)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))

    def _said(self, message: Any) -> None:
        if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text:
            self.violations.append(message.text)

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def sees(self, text: str) -> Any:
        """Wait until a text stands on the page."""
        found = self.page.get_by_text(text).first
        found.wait_for(state="attached")
        return found

    def settled(self) -> None:
        """Wait until the server has nothing more to say."""
        # The page's content security policy forbids `wait_for_function`, which evaluates a text in it.
        self.page.locator("[data-testid=stMain]").wait_for()
        for busy in ("stStatusWidget", "stSkeleton"):
            self.page.locator(f"[data-testid={busy}]").first.wait_for(state="detached")

    @property
    def strangers(self) -> list[str]:
        """Requests to anywhere but the dashboard."""
        own = (self.address, self.address.replace("http", "ws"), "data:image/", "blob:" + self.address)
        return [url for url in self.requests if not url.startswith(own)]


@contextmanager
def browsing(address: str, *, enters: bool = True, resolve: str = "", **settings: Any) -> Iterator[Visitor]:
    """A browser that visits the dashboard.

    Args:
        address: as it was printed.
        enters: whether the browser has opened that address before, and so has the cookie.
        resolve: what it takes for the addresses of names, as Chromium's rules have it.
        settings: of the browser's context.
    """
    arguments = ["--no-sandbox", *([f"--host-resolver-rules={resolve}"] if resolve else [])]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        try:
            context = browser.new_context(viewport={"width": 1280, "height": 800}, **settings)
            yield Visitor(context, address, enters=enters)
        finally:
            browser.close()
