"""Following redirects only on the server that a model names.

A redirected request carries all of its headers but ``Authorization`` to wherever the server points: other keys, and
whatever the user put into ``extra_headers``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

__all__ = ["guard_redirects", "own_redirects_only"]

_MOST_REDIRECTS = 5
_NOT_FOLLOWING = {"follow_redirects": False}
_DEFAULT_PORTS = {"http": 80, "https": 443}

_refused: ContextVar[list[str] | None] = ContextVar("refused_redirects", default=None)


@contextmanager
def own_redirects_only() -> Iterator[list[str]]:
    """Refuse redirects to other servers in requests that are made inside.

    Yields:
        A list, to which the reason is added when one was refused.
    """
    refused: list[str] = []
    token = _refused.set(refused)
    try:
        yield refused
    finally:
        _refused.reset(token)


def guard_redirects() -> None:
    """Have the HTTP library that LiteLLM makes its clients from heed `own_redirects_only`.

    LiteLLM makes a client for each provider in its own way, and none of them can be told. Requests that others make
    in this process are sent as ever.
    """
    httpx: Any = importlib.import_module("httpx")
    send, send_soon = httpx.Client.send, httpx.AsyncClient.send

    def guarded(client: Any, request: Any, **options: Any) -> Any:
        if not _is_guarded(client, options):
            return send(client, request, **options)
        response = send(client, request, **options | _NOT_FOLLOWING)
        for _ in range(_MOST_REDIRECTS):
            if response.next_request is None:
                break
            response.close()
            _check(response, httpx)
            response = send(client, response.next_request, **options | _NOT_FOLLOWING)
        return response

    async def guarded_soon(client: Any, request: Any, **options: Any) -> Any:
        if not _is_guarded(client, options):
            return await send_soon(client, request, **options)
        response = await send_soon(client, request, **options | _NOT_FOLLOWING)
        for _ in range(_MOST_REDIRECTS):
            if response.next_request is None:
                break
            await response.aclose()
            _check(response, httpx)
            response = await send_soon(client, response.next_request, **options | _NOT_FOLLOWING)
        return response

    httpx.Client.send, httpx.AsyncClient.send = guarded, guarded_soon


def _is_guarded(client: Any, options: Mapping[str, Any]) -> bool:
    """Whether a request would follow redirects, and was made inside `own_redirects_only`."""
    wanted = options.get("follow_redirects")
    follows = wanted if isinstance(wanted, bool) else client.follow_redirects
    return bool(follows) and _refused.get() is not None


def _check(response: Any, httpx: Any) -> None:
    """Raise httpx's error for an address that cannot be asked, if a redirect leads to another server."""
    refused = _refused.get()
    reason = _leads_away(str(response.request.url), str(response.next_request.url))
    if reason and refused is not None:
        refused.append(reason)
        raise httpx.UnsupportedProtocol(reason, request=response.request)


def _leads_away(asked: str, told: str) -> str | None:
    """Why a redirect is not followed; None where it stays on the server."""
    here, there = _origin(asked), _origin(told)
    upgraded = (here[0], there[0]) == ("http", "https") and here[1] == there[1]
    if here == there or (upgraded and here[2] == _DEFAULT_PORTS["http"] and there[2] == _DEFAULT_PORTS["https"]):
        return None
    return (
        f"the server at {_shown(here)} redirects to {_shown(there)}, which is not followed: the key and extra_headers "
        "are meant for the first; if the other is right, write it as api_base"
    )


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _shown(origin: tuple[str, str, int | None]) -> str:
    scheme, host, port = origin
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS.get(scheme)) else f":{port}")
