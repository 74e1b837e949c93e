"""Who may reach the dashboard: every request is checked here before Streamlit sees it.

Another page in the same browser can send requests to this machine, and under a name of its own that it points here
(DNS rebinding) it can even read the answers; on a shared machine any user can connect. So a request must name the
address that the dashboard was started with, come from no other page, and bring the token that the terminal printed.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
import socket
from http import HTTPStatus
from importlib.resources import files
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Address", "Guard"]

_PARAMETER = "token"
_HEALTH = "/_stcore/health"
_NOT_PAGES = ("/_stcore/", "/static/", "/media/", "/component/")
# Compared with, not listened on.
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_DEFAULT_PORT = 80
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_HEADERS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # an address may still have the token in it
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_POLICY = (
    "default-src 'none'; script-src 'self' blob: {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; "
    "media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_OTHER_HOST = "This is another address than the dashboard was started with. Start it with --url and the one you use."
_OTHER_PAGE = "A page of another address sent this request."
_NO_TOKEN = "Open the address with the token that 'oversight dashboard' printed in its terminal."  # noqa: S105


class Address(NamedTuple):
    """Where the dashboard listens, and how browsers reach it.

    Attributes:
        host: a name or number to listen on.
        port: to listen on.
        url: the address that browsers use, where something in between gives it another: scheme, host and port.
    """

    host: str
    port: int
    url: str | None = None

    @property
    def printed(self) -> str:
        """The address for a person to open."""
        return self.url or _origin("127.0.0.1" if self.host in _WILDCARDS else self.host, self.port)

    def origins(self, reached: str | None) -> frozenset[str]:
        """Return the origins that are this dashboard.

        Args:
            reached: the number of this machine to which a connection was made, None if it is not known.
        """
        names = {self.host.lower()}
        if self.host in _WILDCARDS:
            # A number cannot be pointed elsewhere, and this machine's own name is given out here only.
            names |= {*_LOOPBACK, socket.gethostname().lower(), *([_number(reached)] if reached else [])}
        elif names <= _LOOPBACK:
            names |= _LOOPBACK
        return frozenset({*(_origin(name, self.port) for name in names), *([self.url] if self.url else [])})


class Guard:
    """ASGI middleware that refuses what does not come from the dashboard's own address or has no token.

    Args:
        app: what it stands in front of.
        address: the dashboard's.
        token: what the printed address holds; None if any browser may come in.
    """

    def __init__(self, app: ASGIApp, address: Address, token: str | None) -> None:
        self._app = app
        self._address = address
        self._token = token
        # All ports of a host share their cookies: the name tells dashboards apart, and the value is not the token.
        self._cookie = f"oversight-{address.port}"
        self._session = secrets.token_urlsafe(32)
        self._scripts = " ".join(_inline_scripts())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        server = scope.get("server")
        ours = self._address.origins(server[0] if server else None)
        refusal = self._refusal(request, ours)
        if refusal is None:
            app = self._entrance(request) if self._enters(request) else self._app
        elif scope["type"] == "websocket":
            await receive()  # the request to connect, which is turned down with 403
            await send({"type": "websocket.close", "code": 1008})
            return
        else:
            app = _refused(request, *refusal)
        headers = {**_HEADERS, "content-security-policy": self._policy(request, ours)}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await app(scope, receive, answer)

    def _refusal(self, request: HTTPConnection, ours: frozenset[str]) -> tuple[HTTPStatus, str] | None:
        """Why a request is refused, if it is."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1:
            return HTTPStatus.BAD_REQUEST, _OTHER_HOST
        if hosts[0].lower() not in _hosts(ours):
            return HTTPStatus.FORBIDDEN, _OTHER_HOST
        if any(origin.lower() not in ours for origin in request.headers.getlist("origin")):
            return HTTPStatus.FORBIDDEN, _OTHER_PAGE
        if _from_elsewhere(request) and request.headers.get("sec-fetch-mode") != "navigate":
            return HTTPStatus.FORBIDDEN, _OTHER_PAGE  # what an element asks for says no origin
        if self._token is None or request.scope["path"] == _HEALTH or self._has_token(request):
            return None
        known = request.cookies.get(self._cookie, "")
        return None if _equal(known, self._session) else (HTTPStatus.FORBIDDEN, _NO_TOKEN)

    def _has_token(self, request: HTTPConnection) -> bool:
        given = request.query_params.get(_PARAMETER)
        return given is not None and self._token is not None and _equal(given, self._token)

    def _enters(self, request: HTTPConnection) -> bool:
        """Whether a person opens the printed address."""
        page = request.scope["type"] == "http" and not request.scope["path"].startswith(_NOT_PAGES)
        return page and self._has_token(request)

    def _entrance(self, request: HTTPConnection) -> HTMLResponse:
        """Have the browser keep a cookie, and open the page without the token: not in its history, nor in a link."""
        # Not a redirect: after one from another page, the browser would not send the cookie yet.
        response = _page(HTTPStatus.OK, "Opening the dashboard …", leads_to=_without_token(request))
        secure = (self._address.url or "").startswith("https:")
        response.set_cookie(self._cookie, self._session, httponly=True, samesite="strict", secure=secure)
        return response

    def _policy(self, request: HTTPConnection, ours: frozenset[str]) -> str:
        host = request.headers.get("host", "").lower()
        if host not in _hosts(ours):  # what was not checked must not reach a header
            host = urlsplit(self._address.printed).netloc
        return _POLICY.format(scripts=self._scripts, host=host)


def _refused(request: HTTPConnection, status: HTTPStatus, why: str) -> HTMLResponse:
    """Say why nothing is served here."""
    # A link on another page brings no cookie; the same page, opened from here, does.
    again = why == _NO_TOKEN and _from_elsewhere(request)
    return _page(status, why, leads_to=_without_token(request) if again else None)


def _page(status: HTTPStatus, words: str, leads_to: str | None = None) -> HTMLResponse:
    move = f'<meta http-equiv="refresh" content="0; url={html.escape(leads_to)}">' if leads_to else ""
    text = f"<!DOCTYPE html><title>oversight</title>{move}<p>{html.escape(words, quote=False)}</p>\n"
    return HTMLResponse(text, status, {"cache-control": "no-store"})


def _without_token(request: HTTPConnection) -> str:
    """The same page's address on this server, without the token."""
    rest = [(name, value) for name, value in request.query_params.multi_items() if name != _PARAMETER]
    path = "/" + quote(request.scope["path"].lstrip("/"))
    return f"{path}?{urlencode(rest)}" if rest else path


def _from_elsewhere(request: HTTPConnection) -> bool:
    return request.headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _hosts(origins: frozenset[str]) -> set[str]:
    return {urlsplit(origin).netloc for origin in origins}


def _equal(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(errors="surrogatepass"), wanted.encode())


def _origin(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}" if port == _DEFAULT_PORT else f"http://{shown}:{port}"


def _number(host: str) -> str:
    """An address of this machine as browsers write it, where IPv4 reaches it over a socket for IPv6."""
    number = ip_address(host.partition("%")[0])
    mapped = number.ipv4_mapped if isinstance(number, IPv6Address) else None
    return str(mapped or number)


def _inline_scripts() -> list[str]:
    """The scripts in Streamlit's page, as a content security policy allows them."""
    page = (files("streamlit") / "static" / "index.html").read_text(encoding="utf-8")
    digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(page))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
