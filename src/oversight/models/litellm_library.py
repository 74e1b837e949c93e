"""The one place where LiteLLM is imported: late, and quietly."""

from __future__ import annotations

import functools
import importlib
import logging
import os
from typing import Any

from oversight.secrets import adopt_key_files

__all__ = ["load_litellm"]


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
    # httpx logs each URL at INFO, and some providers take the key in the URL.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return litellm
