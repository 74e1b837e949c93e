"""What a page says when the store cannot be read, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from oversight.errors import OversightError

from . import data, untrusted

__all__ = ["explained"]


@contextmanager
def explained() -> Iterator[None]:
    """Explain the store's errors on the page: around every page, and inside a fragment, which Streamlit runs alone."""
    try:
        yield
    except OversightError as error:
        _cannot(error)


def _cannot(error: OversightError) -> None:
    st.error(f"**The store cannot be read.** {_ADVICE[_kind(str(error))]}")
    untrusted.verbatim(str(error).replace(str(data.directory()), data.directory().name))
    if st.button("Try again"):
        st.rerun()


_ADVICE = {
    "locked": "Another program has its file open. Close that program, or wait until it ends.",
    "newer": "A newer release of oversight has written it: `pip install --upgrade oversight`, and start again.",
    "older": "An older release of oversight has written it: any `oversight run` on it brings it up to date.",
    "missing": "What the address names is not in it. Choose something from the list instead.",
    "other": "If the file is damaged, restore it from a copy; calls that were paid for are also in `calls.sqlite`.",
}


def _kind(message: str) -> str:
    for words, kind in (
        ("in use by", "locked"),
        ("already open", "locked"),
        ("upgrade oversight", "newer"),
        ("brings it up to date", "older"),
        ("holds no", "missing"),
    ):
        if words in message:
            return kind
    return "other"
