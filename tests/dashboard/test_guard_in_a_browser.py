"""Attacks on the dashboard from a real browser that has been let in: by other pages and by other names."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dashboard import hostile
from dashboard.chromium import browsing, needs_chromium, serving

pytestmark = [needs_chromium, pytest.mark.long]

REBOUND = "rebound.example"
FOREIGN = """\
<!DOCTYPE html><title>elsewhere</title><iframe src="{address}/transcripts"></iframe><img src="{address}/favicon.png">
<script>
const tried = {{}};
const read = (path) => fetch("{address}" + path, {{credentials: "include"}}).then((r) => r.text()).then(
  (text) => tried[path] = text, () => tried[path] = "refused");
const socket = new Promise((done) => {{
  const stream = new WebSocket("{ws}/_stcore/stream", ["streamlit"]);
  stream.onopen = () => done("open"); stream.onerror = () => done("refused");
}});
Promise.all([read("/"), read("/_stcore/host-config"), socket.then((how) => tried.socket = how)]).then(
  () => document.body.dataset.tried = JSON.stringify(tried));
</script>
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Leave the terminal to the tests."""


@pytest.fixture(scope="module")
def hostile_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("hostile") / "store"
    hostile.write(store)
    return store


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A web server of another program on another port of this machine: its folder and port."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("options", [(), ("--no-token",)])
def test_a_page_of_another_port_reads_frames_and_drives_nothing(
    hostile_store: Path, elsewhere: tuple[Path, int], options: tuple[str, ...]
) -> None:
    folder, port = elsewhere
    with serving(hostile_store, *options) as address, browsing(address) as visitor:
        own = visitor.address
        (folder / "index.html").write_text(FOREIGN.format(address=own, ws=own.replace("http", "ws")))
        visitor.open("/transcripts")  # the browser has the cookie, and goes on to another page
        visitor.sees("3 episodes")
        for host in ("127.0.0.1", "localhost"):
            visitor.page.goto(f"http://{host}:{port}/index.html")
            tried = visitor.page.locator("body[data-tried]")
            tried.wait_for()
            assert set(json.loads(tried.get_attribute("data-tried") or "").values()) == {"refused"}
            assert "episodes" not in "".join(frame.content() for frame in visitor.page.frames)
            assert visitor.page.evaluate("document.querySelector('img').naturalWidth") == 0


@pytest.mark.parametrize("options", [(), ("--no-token",)])
def test_a_name_that_is_pointed_at_this_machine_reads_nothing(hostile_store: Path, options: tuple[str, ...]) -> None:
    with serving(hostile_store, *options) as address:
        rebound = address.replace("127.0.0.1", REBOUND)
        with browsing(address, resolve=f"MAP {REBOUND} 127.0.0.1") as visitor:
            visitor.page.goto(rebound)
            visitor.sees("another address than the dashboard was started with")
            read = "fetch('/_stcore/host-config').then((r) => r.status)"
            assert visitor.page.evaluate(read) == 403
            assert visitor.page.context.cookies(rebound) == []


def test_the_printed_address_opens_the_page_and_leaves_no_token_behind(hostile_store: Path) -> None:
    with serving(hostile_store) as address, browsing(address, enters=False) as visitor:
        visitor.open("/transcripts")
        visitor.sees("Open the address with the token")
        visitor.page.goto(address.replace("/?", "/results?run=r-hostile&"))
        visitor.sees("Judge accuracy")
        assert "token" not in visitor.page.url
        assert "run=r-hostile" in visitor.page.url
        assert "token" not in visitor.page.evaluate("document.cookie.replace('_streamlit_xsrf', '')")
