"""One person, one real browser, one run that goes on writing: the Judge page from end to end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
from judging import staging

from oversight.store import JudgementInbox, open_store
from oversight.store.access import DATABASE

pytestmark = pytest.mark.long

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("there is no chromium here", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

# A run that writes an episode after another until it is told to stop.
WRITER = """
import sys, pathlib, select
from judging import staging
from oversight.store import StoreWriter
with StoreWriter.open(pathlib.Path(sys.argv[1])) as writer:
    print("open", flush=True)
    number = 1000
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        item = staging.item(number)
        spec = staging.spec(item, f"w{number}", arm="live")
        staging.add(writer, [(item, spec, staging.debate(spec))], "run-2")
        number += 1
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that writes the store of hostile debates."""
    staging.lay_out(tmp_path, 2, hostile=True)
    process = staging.spawn(WRITER, tmp_path)
    assert process.stdout
    assert process.stdout.readline() == "open\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def dashboard(tmp_path: Path, running: subprocess.Popen[str]) -> Iterator[str]:
    """The address of the dashboard."""
    command = [sys.executable, "-c", "from oversight.cli import main; main()", "dashboard", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--store", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    opened = process.stdout.readline().split()[0]
    address, _, token = opened.partition("/?")
    assert address.startswith("http://127.0.0.1:"), opened
    assert token.startswith("token="), opened
    for _ in range(300):
        with suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
            break
        assert process.poll() is None
    yield opened
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page, and everything that its server told it or that it asked for."""

    def __init__(self, browser: Any, address: str) -> None:
        self.page = browser.new_page()
        self.page.set_default_timeout(60_000)
        self.frames: list[bytes] = []
        self.asked: list[str] = []
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._received))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def _received(self, payload: bytes | str) -> None:
        self.frames.append(payload.encode() if isinstance(payload, str) else payload)

    def told(self) -> list[str]:
        """The secrets that the browser was told, in any frame or in the page."""
        heard = b"\n".join(self.frames) + self.page.content().encode()
        assert b"Seat a in turn 0" in heard  # or else this looks in the wrong place
        return [secret for secret in (*staging.SECRETS, 'answer-gold"') if secret.encode() in heard]

    def slide(self, steps: int) -> None:
        """Move the slider by the keyboard, once it is the one of this turn, which nobody has touched."""
        self.page.get_by_text("Not said yet").wait_for()
        slider = self.page.get_by_role("slider")
        slider.focus()
        for _ in range(abs(steps)):
            slider.press("ArrowRight" if steps > 0 else "ArrowLeft")


def judgements(directory: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = open_store(directory).arrow("SELECT * FROM judgements").to_pylist()
    return found


def test_a_person_judges_by_slider_reloads_and_goes_on_while_a_run_writes(
    tmp_path: Path, running: subprocess.Popen[str], dashboard: str, browser: Any
) -> None:
    pages, _, token = dashboard.partition("/?")
    address = f"{pages}/judge?{token}&run={staging.RUN}&judge=calm-otter-1&mode=turns"
    watched = Watched(browser, address)
    page, expect = watched.page, sync_api.expect
    expect.set_options(timeout=60_000)
    expect(page.get_by_text("Seat b in turn 0")).to_be_visible()
    save = page.get_by_role("button", name="Save and read on")
    expect(save).to_be_disabled()
    watched.slide(20)
    expect(page.get_by_text("A 30% · B 70%")).to_be_visible()
    save.click()
    expect(page.get_by_text("Seat b in turn 1")).to_be_visible()
    watched.slide(-3)
    expect(page.get_by_text("A 53% · B 47%")).to_be_visible()

    page.reload()  # what was not saved was not said; what was saved is there
    expect(page.get_by_text("You then held: A 30% · B 70%")).to_be_visible()
    expect(page.get_by_text("Seat b in turn 1")).to_be_visible()
    verdict = page.get_by_role("button", name="Save the verdict")
    expect(verdict).to_be_disabled()
    watched.slide(30)
    expect(page.get_by_text("A 20% · B 80%")).to_be_visible()
    assert watched.told() == []
    assert judgements(tmp_path) == []
    expect(verdict).to_be_enabled()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("transcript 2 of 2")).to_be_visible()

    assert running.poll() is None, "the run was over before the verdict was given"
    (row,) = judgements(tmp_path)  # the run answers this query, and it took the verdict
    assert (row["kind"], row["judge"], row["mode"], row["probs"]) == ("human", "calm-otter-1", "stepped", [0.2, 0.8])
    assert page.evaluate("window.pwned") is None
    assert page.locator("main img, [data-testid=stMain] img, [data-testid=stMain] a[href^=javascript]").count() == 0
    expect(page.get_by_text("<script>window.pwned = 1</script>").first).to_be_visible()
    assert [url for url in watched.asked if not url.startswith((pages, "ws:", "data:", "blob:"))] == []
    assert JudgementInbox(tmp_path).pending() == []

    running.communicate("stop\n")
    with duckdb.connect(tmp_path / DATABASE, read_only=True) as plain:
        assert plain.execute("SELECT probs FROM judgements").fetchall() == [([0.2, 0.8],)]
        ((written,),) = plain.execute("SELECT count(*) FROM episodes WHERE arm = 'live'").fetchall()
    assert written > 1
