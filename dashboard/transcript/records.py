"""The exact prompts that seats saw, and the calls that were made."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from oversight.core.message import PROTOCOL, Kind, Message, chat_history
from oversight.store import Transcript

from .. import formats, links, untrusted
from ..palette import NEUTRAL
from ..untrusted import Box
from .parts import colours

__all__ = ["calls", "prompts"]


def prompts(transcript: Transcript) -> None:
    """Choose a seat and one of its moments, and read what it was sent then."""
    written = [
        (place, m)
        for place, m in enumerate(transcript.messages)
        if m.author != PROTOCOL and m.kind is not Kind.REASONING  # the reply after it answers the same prompt
    ]
    seats = list(dict.fromkeys(message.author for _, message in written))
    told = [s for m in transcript.messages for s in m.audience or () if s not in seats]
    seats += list(dict.fromkeys(told))
    if not seats:
        st.info("No seat was asked anything in this episode.")
        return
    left, right = st.columns(2)
    with left:
        seat = links.choose("seat", "Seat", seats, every=None, resets=("call",)) or seats[0]
    moments = {str(place): message for place, message in written if message.author == seat}
    names = {place: f"before its {message.kind.value}{_turn(message)}" for place, message in moments.items()}
    with right:
        at = links.choose("call", "Moment", list(moments), every="at the end", shown=names)
    place = int(at) if at in moments else len(transcript.messages)
    branch = moments[at].branch if at in moments else ()
    history = chat_history(seat, transcript.messages[:place], branch)
    colour = colours(transcript).get(seat)
    boxes = [
        Box(
            "turn" if message.role == "assistant" else "turn-quiet",
            (Box("author", (message.role,)), Box("body", (message.content,))),
            colour if message.role == "assistant" else NEUTRAL,
        )
        for message in history
    ]
    st.caption("Rebuilt from the transcript by the rule that decides what each seat sees, to the byte.")
    untrusted.show(boxes or [Box("faint", ("Nothing yet.",))], key="prompts")


def _turn(message: Message) -> str:
    return "" if message.turn is None else f", turn {message.turn + 1}"


def calls(transcript: Transcript) -> None:
    """Every attempt at a call, the failed ones too."""
    if not transcript.calls:
        st.info("No model was called in this attempt.")
        return
    frame = pd.DataFrame(
        [
            {
                "call": call.number,
                "attempt": call.attempt + 1,
                "seat": call.seat,
                "purpose": call.purpose,
                "model": call.model,
                "prompt": call.prompt_tokens,
                "cached": call.cached_tokens,
                "reply": call.completion_tokens,
                "cost": formats.money(call.cost_usd),
                "seconds": call.latency_s,
                "answered as": call.resolved_model,
                "provider": call.provider,
                "ended": formats.failure(call.failure) if call.failure else call.finish_reason,
                "made for": call.origin.value,
                "detail": call.detail or "",
            }
            for call in transcript.calls
        ]
    )
    column = st.column_config
    untrusted.table(
        frame,
        key="calls",
        column_config={
            **{name: column.NumberColumn(format="localized", width=62) for name in ("prompt", "cached", "reply")},
            **{name: column.NumberColumn(width=62) for name in ("call", "attempt")},
            "seconds": column.NumberColumn(format="%.2f", width=70),
            "cost": column.TextColumn(width=70, alignment="right"),
        },
    )
    st.caption(
        "Prompt, cached and reply are tokens. Kept and shared calls were paid for by another attempt or episode."
    )
    if any(None in (call.prompt_tokens, call.cached_tokens, call.completion_tokens) for call in transcript.calls):
        st.caption("An empty cell is a count that is not known.")
