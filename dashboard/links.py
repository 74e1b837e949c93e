"""Where things are: the address of a page is what it shows, so that it can be shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.navigation.page import Page

__all__ = ["choose", "get", "go", "known", "link", "put", "register"]

_pages: dict[str, Page] = {}
"""The pages by name; the same for every session, because the modules that are there are."""


def register(pages: Mapping[str, Page]) -> None:
    """Make pages known to `link` and `go`."""
    _pages.clear()
    _pages.update(pages)


def known(page: str) -> bool:
    """Whether there is such a page."""
    return page in _pages


def link(page: str, label: str, **params: str | None) -> None:
    """A link to another page, if there is one; ``label`` is ours, never a text from the store."""
    if page in _pages:
        st.page_link(_pages[page], label=label, query_params=_set(params))


def go(page: str, **params: str | None) -> None:
    """Go to a page."""
    st.switch_page(_pages[page], query_params=_set(params))


def get(name: str) -> str | None:
    """What the address says about ``name``; None if nothing."""
    return st.query_params.get(name) or None


def put(**params: str | None) -> None:
    """Change the address; None takes a name out of it."""
    for name, value in params.items():
        if value:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]


def choose(
    name: str,
    label: str,
    options: Sequence[str],
    *,
    every: str | None,
    resets: Sequence[str] = (),
    shown: Mapping[str, str] | None = None,
) -> str | None:
    """A select box whose value lives in the address.

    Args:
        name: of the address's parameter.
        label: over the box; ours, never a text from the store.
        options: what can be chosen. Streamlit shows options as plain text.
        every: what the box says for "no choice"; None if one must be chosen.
        resets: parameters that another choice takes out of the address, such as the page.
        shown: texts for options that are not shown as they are.
    """
    key = f"choose-{name}"
    chosen = get(name)
    offered = list(options)
    if every is not None and chosen is not None and chosen not in options:
        offered.append(chosen)  # a link may name what is gone, and the page says that nothing is found
    st.session_state[key] = chosen if chosen in offered else None if every is not None or not offered else offered[0]

    def changed() -> None:
        put(**{name: st.session_state[key]}, **dict.fromkeys(resets))

    names = shown or {}
    return st.selectbox(
        label,
        offered,
        index=None if every is not None else 0,
        placeholder=every,
        format_func=lambda value: names.get(value, value),
        key=key,
        on_change=changed,
    )


def _set(params: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in params.items() if value}
