"""Reading the dashboard's pages as Streamlit would send them, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from streamlit.testing.v1 import AppTest

PATIENCE_S = 30


def _app(page: str) -> None:
    from oversight.dashboard.app import PAGES
    from oversight.dashboard.shell import show

    show(PAGES, default=page)


def opened(page: str, /, **params: str) -> AppTest:
    """The page as somebody finds it who follows a link."""
    at = AppTest.from_function(_app, kwargs={"page": page}, default_timeout=PATIENCE_S)
    for name, value in params.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def boxes(at: AppTest) -> list[Any]:
    """What the component for untrusted texts was sent."""
    return [box for element in at.get("bidi_component") for box in json.loads(element.proto.json)]


def texts(parts: Any) -> Iterator[str]:
    """Every text in some boxes."""
    for part in parts:
        if isinstance(part, str):
            yield part
        else:
            yield from texts(part["p"])


def said(at: AppTest) -> str:
    """All texts of the page that came through the component."""
    return "\n".join(texts(boxes(at)))


def kinds(parts: Any, kind: str) -> list[dict[str, Any]]:
    """The boxes of one kind, at any depth."""
    found = []
    for part in parts:
        if not isinstance(part, str):
            found += [part] if part["k"] == kind else []
            found += kinds(part["p"], kind)
    return found
