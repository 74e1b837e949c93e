"""What is around every page: navigation, and what is said when the store cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec

import streamlit as st
from streamlit.navigation.page import Page

from . import data, links, palette, untrusted
from .trouble import explained

__all__ = ["show"]

_SIDE = 220
"""The navigation's width in pixels; the rest of a small screen is for tables."""


def show(pages: Sequence[tuple[str, str]], default: str | None = None) -> None:
    """Show the page that the address names.

    Args:
        pages: module and title of each.
        default: the one at the bare address; by default that leads on to the first, or to the episode it names.
    """
    st.set_page_config(page_title="oversight", layout="wide", initial_sidebar_state=_SIDE)
    palette.chart_theme()
    there = [(name, title) for name, title in pages if find_spec(f"{__package__}.{name}_page")]
    built = {
        name: st.Page(_guarded(name), title=title, url_path=name, default=name == default) for name, title in there
    }
    links.register(built)
    st.logo(str(files(__package__ or "dashboard") / "logo.svg"), size="large")
    chosen = st.navigation([*([] if default else [_door(there[0][0])]), *built.values()])
    _aside()
    chosen.run()


def _guarded(name: str) -> Callable[[], None]:
    """A page that says what to do when the store cannot be read; one whose ``NEEDS_STORE`` is false needs none."""

    def run() -> None:
        module = import_module(f"{__package__}.{name}_page")
        if not data.exists() and getattr(module, "NEEDS_STORE", True):
            _no_store()
            return
        with explained():
            module.page()

    return run


def _door(first: str) -> Page:
    """The bare address: Streamlit's default page has no other, and every page here should have its own."""

    def enter() -> None:
        links.go("transcripts" if links.get("episode") else first, **st.query_params.to_dict())

    return st.Page(enter, title="oversight", url_path="home", default=True, visibility="hidden")


def _aside() -> None:
    """Which store this is, under the navigation."""
    with st.sidebar:
        untrusted.show([untrusted.Box("store", (f"store: {data.directory().name}",))], key="store")


def _no_store() -> None:
    st.title("Nothing here yet")
    st.markdown(
        "This dashboard looks at a store that does not exist yet. A run makes it; the page need not be reloaded."
    )
    st.code(f"oversight run experiments/quickstart.yaml --store {data.directory().name}", language="bash")
    _look_again()


@st.fragment(run_every="2s")
def _look_again() -> None:
    """Show the page as soon as there is a store."""
    if data.exists():
        st.rerun()
