"""Attacks on the dashboard's address: by other pages, by other names, by other users of the machine."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from cli.running import here

from dashboard import hostile

OVERSIGHT = Path(sys.executable).parent / "oversight"
WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
    "Sec-WebSocket-Protocol": "streamlit",
}


class Answer(NamedTuple):
    """What came back on a socket."""

    status: int
    headers: Mapping[str, str]
    body: str


class ServedReply(NamedTuple):
    """A dashboard in a process of its own, as it printed its address."""

    port: int
    printed: str
    said: Path

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return self.printed.partition("?token=")[2]

    def get(self, path: str = "/", *more: tuple[str, str], **headers: str) -> Answer:
        """Ask over a socket, with exactly these headers; the dashboard's own host unless one is given."""
        named = [("Host", self.host), *more] if not any(name == "Host" for name, _ in more) else list(more)
        return exchange(self.port, path, [*named, *((name.replace("_", "-"), text) for name, text in headers.items())])

    def cookie(self) -> str:
        """What a browser is given that opens the printed address."""
        return self.get(f"/?token={self.token}").headers["set-cookie"].partition(";")[0]

    def stream(self, *more: tuple[str, str], **headers: str) -> Answer:
        """Begin the handshake of the websocket that all content comes over."""
        return self.get(
            "/_stcore/stream", *more, **{name.replace("-", "_"): v for name, v in WEBSOCKET.items()}, **headers
        )


def exchange(port: int, path: str, headers: Sequence[tuple[str, str]]) -> Answer:
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers)]
    if not any(name.lower() == "connection" for name, _ in headers):
        lines.append("Connection: close")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        data = b""
        while b"\r\n\r\n" not in data and (part := client.recv(65536)):
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        switched = b" 101 " in head.split(b"\r\n")[0]
        while not switched and (part := client.recv(65536)):
            body += part
    first, *rest = head.decode("latin-1").split("\r\n")
    given = {name.strip().lower(): text.strip() for name, _, text in (line.partition(":") for line in rest)}
    return Answer(int(first.split()[1]), given, body.decode("utf-8", "replace"))


@contextmanager
def served(store: Path, *options: str) -> Iterator[ServedReply]:
    said = store.parent / "said.txt"
    with said.open("w") as out:
        process = subprocess.Popen(
            [OVERSIGHT, "dashboard", "--store", store, "--port", "0", *options],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        try:
            yield _reached(process, said)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def _reached(process: subprocess.Popen[bytes], said: Path) -> ServedReply:
    port, deadline = 0, time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        printed = said.read_text().split("  (store ")[0]
        # With --url another address than the port's own is printed.
        if "(store " in said.read_text():
            listening = _listening(process.pid)
            port = listening[0] if listening else 0
        if port:
            with suppress(OSError, IndexError):
                if exchange(port, "/_stcore/health", [("Host", f"127.0.0.1:{port}")]).status == 200:
                    return ServedReply(port, printed.strip(), said)
        time.sleep(0.1)
    raise AssertionError(f"the dashboard did not answer: {said.read_text()}")


def _listening(pid: int) -> list[int]:
    """The TCP ports on which a process listens."""
    nodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            nodes |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(link)))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in nodes]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedReply]:
    store = tmp_path_factory.mktemp("guard") / "store"
    hostile.write(store)
    with served(store) as found:
        yield found


def test_the_printed_address_carries_a_token_that_no_other_process_can_see(dashboard: ServedReply) -> None:
    assert re.fullmatch(rf"http://127\.0\.0\.1:{dashboard.port}/\?token=[\w-]{{20,}}", dashboard.printed)
    listed = subprocess.run(["ps", "axwwe"], capture_output=True, text=True, check=False).stdout
    assert dashboard.token not in listed


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/results?run=r-hostile",
        "/static/js/none.js",
        "/_stcore/host-config",
        "/_stcore/metrics",
        "/media/x.csv",
        "/favicon.png",
        "/_stcore/agent/openapi.json",
        "/?token=",
        "/?token=wrong",
        "/_stcore/health/../host-config",
    ],
)
def test_without_the_token_nothing_is_served(dashboard: ServedReply, path: str) -> None:
    answer = dashboard.get(path)
    assert answer.status == 403
    assert "oversight dashboard" in answer.body
    assert "streamlit" not in answer.body.lower()
    assert dashboard.token not in answer.body + str(answer.headers)
    assert "set-cookie" not in answer.headers


def test_without_the_token_health_is_told_and_no_more(dashboard: ServedReply) -> None:
    answer = dashboard.get("/_stcore/health")
    assert (answer.status, answer.body) == (200, "ok")


def test_with_the_token_a_browser_is_given_a_cookie_and_the_page_without_the_token(dashboard: ServedReply) -> None:
    answer = dashboard.get(f"/results?run=r-hostile&token={dashboard.token}&view=lost")
    assert answer.status == 200
    assert "url=/results?run=r-hostile&amp;view=lost" in answer.body
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert dashboard.token not in answer.body + cookie
    page = dashboard.get("/results", Cookie=dashboard.cookie())
    assert page.status == 200
    assert "<title>Streamlit</title>" in page.body
    assert dashboard.stream(Cookie=dashboard.cookie(), Origin=f"http://{dashboard.host}").status == 101


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "/%5Cevil.example", "/%2F%2Fevil.example"])
def test_the_entrance_leads_to_no_other_server(dashboard: ServedReply, path: str) -> None:
    answer = dashboard.get(f"{path}?token={dashboard.token}")
    (leads_to,) = re.findall(r"url=([^\"]*)\"", answer.body) or ["/"]
    assert re.match(r"/(?![/\\])", leads_to), leads_to


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}",
        "{host}@evil.example",
        "[::ffff:127.0.0.1]:{port}",
        "",
        "{host}, evil.example",
    ],
)
def test_another_name_for_the_same_machine_is_refused_even_with_the_token(dashboard: ServedReply, host: str) -> None:
    named = ("Host", host.format(port=dashboard.port, host=dashboard.host))
    cookie = dashboard.cookie()
    for path in ("/", f"/?token={dashboard.token}", "/_stcore/health"):
        answer = dashboard.get(path, named, Cookie=cookie)
        assert answer.status in (400, 403), path
        assert "set-cookie" not in answer.headers
    assert dashboard.stream(named, Cookie=cookie).status in (400, 403)
    assert dashboard.stream(named, Cookie=cookie, Origin=f"http://{named[1]}").status in (400, 403)


def test_a_request_with_two_hosts_or_none_is_refused(dashboard: ServedReply) -> None:
    cookie = dashboard.cookie()
    two = [("Host", dashboard.host), ("Host", "evil.example"), ("Cookie", cookie)]
    assert exchange(dashboard.port, "/", two).status in (400, 403)
    assert exchange(dashboard.port, "/", two[::-1]).status in (400, 403)
    assert exchange(dashboard.port, "/", [("Cookie", cookie)]).status in (400, 403)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "https://{host}",
        "null",
        "http://{host}.evil.example",
        "https://share.streamlit.io",
        "https://x.streamlit.app",
        "file://",
        "http://localhost:1",
        "",
    ],
)
def test_a_page_of_another_origin_can_neither_read_nor_drive_it(dashboard: ServedReply, origin: str) -> None:
    given, cookie = origin.format(host=dashboard.host), dashboard.cookie()
    assert dashboard.stream(Cookie=cookie, Origin=given).status == 403
    for path in ("/", f"/?token={dashboard.token}", "/_stcore/host-config", "/_stcore/health"):
        answer = dashboard.get(path, Cookie=cookie, Origin=given)
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_an_element_of_another_page_is_answered_nothing(dashboard: ServedReply, site: str) -> None:
    fetched = {"Cookie": dashboard.cookie(), "Sec_Fetch_Site": site, "Sec_Fetch_Mode": "no-cors"}
    assert dashboard.get("/favicon.png", **fetched).status == 403
    assert dashboard.get("/", **(fetched | {"Sec_Fetch_Mode": "navigate"})).status == 200


@pytest.mark.parametrize("path", ["/", "/?token={token}", "/_stcore/health", "/_stcore/host-config?token={token}"])
def test_no_page_may_frame_it_guess_its_types_or_learn_its_address(dashboard: ServedReply, path: str) -> None:
    headers = dashboard.get(path.format(token=dashboard.token)).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["frame-ancestors"] == "'none'"
    assert policy["default-src"] == "'none'"
    assert policy["script-src"].split()[:2] == ["'self'", "blob:"]
    assert "unsafe" not in policy["script-src"]
    assert policy["connect-src"] == f"'self' ws://{dashboard.host} wss://{dashboard.host}"


def test_no_cloud_may_steer_it(dashboard: ServedReply) -> None:
    assert '"allowedOrigins":[]' in dashboard.get(f"/_stcore/host-config?token={dashboard.token}").body


def test_without_a_token_names_and_origins_are_checked_all_the_same(tmp_path: Path) -> None:
    with served(tmp_path / "store", "--no-token", "--url", "https://Lab.example:8443/") as found:
        assert found.printed == "https://lab.example:8443"
        assert found.get("/").status == 200
        assert found.stream(Origin=f"http://localhost:{found.port}").status == 101
        proxied = ("Host", "lab.example:8443")
        assert found.get("/", proxied).status == 200
        assert found.stream(proxied, Origin="https://lab.example:8443").status == 101
        assert found.stream(Origin="https://lab.example:8443").status == 101
        assert found.stream(proxied, Origin="https://lab.example").status == 403
        assert found.stream(Origin="http://127.0.0.1:1").status == 403
        assert found.get("/", ("Host", "evil.example")).status == 403
        assert "token=" not in found.said.read_text()


@pytest.mark.parametrize(
    "url", ["lab.example", "ftp://lab.example", "https://me:pw@lab.example", "https://", "http://h:x"]
)
def test_an_address_that_no_browser_uses_is_a_usage_error(url: str, tmp_path: Path) -> None:
    said = here("dashboard", "--store", tmp_path / "store", "--url", url).complaint()
    assert "--url: write how browsers reach the dashboard" in said
