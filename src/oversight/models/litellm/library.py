"""The one place where LiteLLM is imported: late, and quietly."""

from __future__ import annotations

import functools
import importlib
import json
import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from oversight.models.litellm.redirects import guard_redirects
from oversight.util.secrets import adopt_key_files

__all__ = ["load_litellm", "openai_payload", "plain_payload"]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@functools.cache
def load_litellm() -> Any:
    """LiteLLM, imported without its download of prices and its hints on stdout.

    It takes seconds to import, so this is left to the first call: listing plugins, planning and embedded models
    never pay for it.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        # What it logs as an error it also raises, and its text may hold a key.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    adopt_key_files()
    guard_redirects()
    _reach_loopback_directly()
    # OpenAI's client warns on stderr of every field of a type that it did not expect.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    # httpx logs each URL at INFO, and some providers take the key in the URL.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return litellm


def _reach_loopback_directly() -> None:
    """Except this machine from proxies that the environment names: no proxy could reach what listens here."""
    stated = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    excepted = [host.strip() for host in stated.split(",") if host.strip()]
    if "*" not in excepted:
        excepted += [host for host in _LOOPBACK if host not in excepted]
    # Libraries differ in which of the two they read.
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(excepted)


def openai_payload(bodies: Iterable[Any]) -> Mapping[str, Any] | None:
    """Return the last of the bodies that is a chat completion in OpenAI's shape; None if none is.

    LiteLLM hands a response's body over before it translates it. In its translation counts that are missing become
    0, words for why a reply ended become ``stop``, and one odd field can cost the whole reply.
    """
    for body in reversed(list(bodies)):
        payload = body
        if isinstance(body, str):
            try:
                payload = json.loads(body)
            except (ValueError, RecursionError):
                continue
        if isinstance(payload, Mapping) and isinstance(payload.get("choices"), list) and payload["choices"]:
            return payload
    return None


def plain_payload(response: Any) -> Mapping[str, Any]:
    """Return LiteLLM's translation of a response in another shape, as plain data."""
    payload = response.model_dump()
    return payload if isinstance(payload, Mapping) else {}
