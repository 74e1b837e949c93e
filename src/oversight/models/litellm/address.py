"""Where a model's calls go: found out, checked and named before and after they fail."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from oversight.errors import UsageError
from oversight.models.litellm.library import load_litellm
from oversight.models.litellm.litellm_settings import LiteLLMSettings

__all__ = [
    "check_address",
    "check_host",
    "endpoint_of",
    "error_chain",
    "failed_connection",
    "provider_of",
    "through_proxy",
]

_BASES = ("API_BASE", "BASE_URL")
"""How the variables end in which providers' addresses may be set: OPENAI_BASE_URL, HOSTED_VLLM_API_BASE."""


def check_address(settings: LiteLLMSettings) -> None:
    """See that the model's name has a provider and its address is one, without looking at the network.

    Raises:
        UsageError: it has none, or it is none.
    """
    provider_of(settings)
    base = _base(settings)
    if base is None:
        return
    try:
        parts = urlsplit(base)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        port_is_one, parts = False, urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_one:
        raise UsageError(f"the address of {settings.model} is no URL: write it as http://HOST:PORT/v1")


def check_host(settings: LiteLLMSettings) -> None:
    """See that the host of the model's address has one, where the address is given and no proxy looks it up.

    Raises:
        UsageError: it is unknown here.
    """
    base = _base(settings)
    host = urlsplit(base).hostname if base else None
    if host is None or _proxy_for(str(base)) is not None:
        return
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host name"
        raise UsageError(f"model {settings.model}: host '{host}' is not known here: {reason}") from None


def endpoint_of(settings: LiteLLMSettings) -> str:
    """Return where calls go: the host and port of an address that is given, or else the provider's name."""
    base = _base(settings)
    if base is not None:
        return urlsplit(base).netloc.rpartition("@")[2]
    return provider_of(settings)


def provider_of(settings: LiteLLMSettings) -> str:
    """Return the provider by LiteLLM's name for it, also of a model that is named without one, as ``gpt-5``.

    Raises:
        UsageError: there is none.
    """
    return _provider(settings.model, settings.params.get("custom_llm_provider"), settings.api_base)


def failed_connection(error: BaseException) -> str | None:
    """Say in one line which host could not be reached and why, from the errors that led to ``error``; None if unclear.

    A proxy through which the request went is named, because it is what could not be reached, or did not let it pass.
    """
    url = _requested(error)
    links = reversed(list(error_chain(error)))
    cause = next((link for link in links if isinstance(link, OSError) and link.strerror), None)
    if url is None or cause is None:
        return None
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    reason = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror
    return f"cannot connect to {parts.hostname}:{port}{through_proxy(error)}: {reason}"


def through_proxy(error: BaseException) -> str:
    """Return " (through the proxy HOST:PORT)" if the failed request went through one, or nothing."""
    url = _requested(error)
    proxy = None if url is None else _proxy_for(url)
    return f" (through the proxy {urlsplit(proxy).netloc.rpartition('@')[2] or 'of the environment'})" if proxy else ""


@functools.cache
def _provider(model: str, stated: str | None, base: str | None) -> str:
    try:
        found = load_litellm().get_llm_provider(model, custom_llm_provider=stated, api_base=base)
    except Exception:  # LiteLLM raises an error of a call that was never made, over several lines
        bare = model.rpartition("/")[2] or "NAME"
        raise UsageError(
            f"'{model}' names no provider that is known: write PROVIDER/NAME, as in openai/{bare} or hosted_vllm/{bare}"
        ) from None
    return str(found[1])


def _base(settings: LiteLLMSettings) -> str | None:
    """Return the address that the settings or the environment give; None for the provider's own."""
    if settings.api_base is not None:
        return settings.api_base
    prefix = settings.model.partition("/")[0].upper()
    return next((value for end in _BASES if (value := os.environ.get(f"{prefix}_{end}"))), None)


def _proxy_for(url: str) -> str | None:
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _requested(error: BaseException) -> str | None:
    """Return the URL of the request that failed, from the first of httpx's errors that led to ``error``."""
    for link in reversed(list(error_chain(error))):
        if not type(link).__module__.startswith("httpx"):
            continue  # LiteLLM's own errors hold requests that were never made
        with suppress(RuntimeError):  # it was never set
            request = getattr(link, "request", None)
            if request is not None:
                return str(request.url)
    return None


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error`` and what it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
