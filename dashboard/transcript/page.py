"""One transcript: who said what to whom, and everything that stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from oversight.errors import StoreError
from oversight.store import Transcript

from .. import data, links, untrusted
from . import head, material, records, side_column, talk, work

__all__ = ["one"]

_VIEWS = {"talk": "Transcript", "material": "Material and quotes", "prompts": "Prompts", "calls": "Calls"}


def one(now: data.Moment, prefix: str, wanted: Callable[[], data.EpisodeFilter]) -> None:
    """Show an episode; ``wanted`` gives the list that it is one of."""
    found = data.find_attempts(now, prefix)
    if found is None:
        st.warning("This store holds no such episode, or several whose ids begin so. It may not have finished yet.")
        st.button("All transcripts", on_click=lambda: links.put(episode=None))
        return
    episode_id, attempts = found
    around = st.container(horizontal=True, vertical_alignment="center")
    try:
        transcript = data.transcript(now, episode_id, _attempt())
    except StoreError:
        if _attempt() is None:
            raise
        st.warning("This store holds no such attempt at the episode.")
        st.button("The attempt that counts", on_click=lambda: links.put(attempt=None))
        return
    _parts(transcript, attempts)
    # Last, because it asks for the whole list: by then there is something to read.
    with around:
        _around(now, transcript, wanted())


def _parts(transcript: Transcript, attempts: Mapping[int, str]) -> None:
    head.show(transcript)
    _attempts(transcript, attempts)
    view = _view(transcript)
    if view == "talk":
        left, right = st.columns([13, 6], gap="medium")
        with left:
            work.show(transcript)
            talk.show(transcript)
        with right:
            side_column.show(transcript)
    elif view == "material":
        material.show(transcript)
    elif view == "prompts":
        records.prompts(transcript)
    else:
        records.calls(transcript)


def _around(now: data.Moment, transcript: Transcript, wanted: data.EpisodeFilter) -> None:
    """Back to the list, on to what stands before and after in it, and to the same question in another arm."""
    found = data.neighbours(now, wanted, transcript.spec.episode_id)
    gone = dict.fromkeys(("attempt", "seat", "call", "said"))
    st.button("← All transcripts", on_click=lambda: links.put(episode=None, view=None, **gone))
    st.button("Previous", disabled=not found.previous, on_click=lambda: links.put(episode=found.previous, **gone))
    st.button("Next", disabled=not found.next, on_click=lambda: links.put(episode=found.next, **gone))
    if found.place:
        st.caption(f"{found.place:,} of {found.total:,}")
    links.link(
        "compare", "Compare", run=transcript.run_id, one=transcript.spec.arm, question=transcript.spec.question_key
    )


def _attempt() -> int | None:
    text = links.get("attempt") or ""
    return int(text) if text.isdecimal() else None


def _attempts(transcript: Transcript, status: Mapping[int, str]) -> None:
    """Where there were several attempts, which one this is."""
    if len(status) < 2:  # noqa: PLR2004
        return
    key = "attempt-box"
    st.session_state[key] = transcript.outcome.attempt
    st.segmented_control(
        "Attempt",
        list(status),
        format_func=lambda number: f"{number + 1}: {'judged' if status[number] == 'judged' else 'failed'}",
        key=key,
        on_change=lambda: links.put(attempt=None if st.session_state[key] is None else str(st.session_state[key])),
    )


def _view(transcript: Transcript) -> str:
    """Which side of the transcript is looked at; it is in the address."""
    key = "view-box"
    views = [name for name in _VIEWS if name != "material" or transcript.question.material]
    chosen = links.get("view")
    st.session_state[key] = chosen if chosen in views else "talk"

    def changed() -> None:
        picked = st.session_state[key]
        links.put(view=None if picked in (None, "talk") else picked)

    st.segmented_control(
        "View", views, format_func=_VIEWS.__getitem__, key=key, on_change=changed, label_visibility="collapsed"
    )
    if any(len(message.text) > untrusted.LONGEST for message in transcript.messages):
        st.caption(
            f"Texts of more than {untrusted.LONGEST:,} characters are cut here; `oversight show` has them whole."
        )
    return st.session_state[key] or "talk"
