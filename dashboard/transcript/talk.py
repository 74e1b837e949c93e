"""Who said what to whom, in order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from oversight.core.chat import CallRecord
from oversight.core.message import Kind, Message
from oversight.store import Transcript

from .. import formats, links, untrusted
from ..untrusted import Box, Part
from .parts import colours, noted, shares

__all__ = ["show"]

_TOLD = (Kind.BRIEF, Kind.MATERIAL, Kind.REQUEST)
_WORKINGS = (Kind.FORM, Kind.DISCLOSURE, Kind.DRAFT)
_PRIVATE = (Kind.THOUGHT, Kind.DRAFT, Kind.FORM)
_AT_ONCE = 150
"""Messages on one page."""


def show(transcript: Transcript, *, key: str = "") -> None:
    """Show it; where a tree or steps are drawn, the forms they were made from are folded away, with their reasoning.

    Args:
        transcript: what to show.
        key: where a page has several.
    """
    drawn = bool(noted(transcript, "node") or noted(transcript, "step"))
    spoken = [(place, message) for place, message in enumerate(transcript.messages) if message.kind not in _TOLD]
    replies = {place: transcript.messages[reply] for place, reply in transcript.reasoned.items()}
    folded = [(place, m) for place, m in spoken if drawn and replies.get(place, m).kind in _WORKINGS]
    open_ = [each for each in spoken if each not in folded] if folded else spoken
    calls = _calls(transcript)
    seats = colours(transcript)

    def box(place: int, message: Message) -> Box:
        if message.kind is Kind.REASONING:
            return _reasoning(message, replies.get(place, message), seats)
        return _message(transcript, message, calls, seats)

    boxes = [box(*each) for each in _page(open_, f"said{key}")]
    if folded:
        first = f"{len(folded):,} forms, drafts, disclosed parts and reasoning that the above was made from"
        boxes.append(Box("fold", (first, *(box(*each) for each in folded[:_AT_ONCE]))))
    if not boxes:
        boxes = [Box("faint", ("No seat said anything.",))]
    untrusted.show(boxes, key=f"talk{key}")


def _page(messages: Sequence[tuple[int, Message]], name: str) -> Sequence[tuple[int, Message]]:
    """The messages of the part that the address's parameter ``name`` asks for."""
    pages = math.ceil(len(messages) / _AT_ONCE)
    if pages <= 1:
        return messages
    asked = links.get(name) or "1"
    number = min(max(int(asked) if asked.isdecimal() else 1, 1), pages)
    box = f"{name}-box"
    st.session_state[box] = number
    st.pagination(pages, key=box, on_change=lambda: links.put(**{name: str(st.session_state[box])}))
    return messages[(number - 1) * _AT_ONCE : number * _AT_ONCE]


def _calls(transcript: Transcript) -> dict[int, list[CallRecord]]:
    """The attempts at each call, by its number."""
    found: dict[int, list[CallRecord]] = {}
    for call in transcript.calls:
        found.setdefault(call.number, []).append(call)
    return found


def _message(
    transcript: Transcript, message: Message, calls: dict[int, list[CallRecord]], seats: dict[str, str]
) -> Box:
    made = calls.get(message.call, []) if message.call is not None else []
    head: list[Part] = [Box("author", (message.author,), seats.get(message.author))]
    head += [Box("aside", (text,)) for text in _asides(message)]
    body: list[Part] = [Box("row", tuple(head))]
    if message.belief is not None:
        body.append(shares(transcript, message.belief))
        if message.belief.probs is None or len(message.text) > len("A: 0.000") * 4:
            body.append(Box("fold", ("the reply itself", Box("prose", (message.text,)))))
    else:
        quotes = [quote.model_dump() for quote in message.quotes]
        body.append(Box("body", untrusted.quoted(message.text, quotes, opening="“", closing="”")))
    if cut := _cut(message):
        body.append(Box("faint", (cut,)))
    if made:
        body.append(_call(made))
    colour = seats.get(message.author)
    if message.kind in _PRIVATE and message.belief is None:
        title = Box(
            "row",
            (Box("private", ("private" if _is_private(message) else "not for all",)), Box("line", (_line(message),))),
        )
        return Box("fold", (title, Box("turn-quiet", tuple(body), colour)))
    return Box("turn-quiet" if message.belief is not None else "turn", tuple(body), colour)


def _reasoning(message: Message, reply: Message, seats: dict[str, str]) -> Box:
    """What a model wrote for itself before a reply: folded, apart from what was said."""
    line = f"reasoning of {message.author}{_turn(reply)} ({len(message.text.split()):,} words)"
    title = Box("row", (Box("private", ("no seat reads it",)), Box("line", (line,))))
    return Box("fold", (title, Box("turn-quiet", (Box("body", (message.text,)),), seats.get(message.author))))


def _cut(message: Message) -> str:
    """What a message lacks of what its model wrote."""
    if message.truncated:
        left_out = f"; {message.words_cut:,} words were left out" if message.words_cut else ""
        return f"cut off by a token limit{left_out}"
    return f"{message.words_cut:,} words beyond the limit were cut" if message.words_cut else ""


def _is_private(message: Message) -> bool:
    return not message.audience and message.audience is not None


def _line(message: Message) -> str:
    """What a folded message is called; its text is in the fold."""
    beginning = untrusted.one_line(message.text, 90)
    return f"{message.author}, {message.kind.value}{_turn(message)}: {beginning}"


def _turn(message: Message) -> str:
    return "" if message.turn is None else f", turn {message.turn + 1}"


def _asides(message: Message) -> list[str]:
    found = [] if message.turn is None else [f"turn {message.turn + 1}"]
    if message.kind is not Kind.SPEECH:
        found.append(message.kind.value)
    if message.audience:
        found.append(f"to {', '.join(message.audience)}")
    elif message.audience is not None:
        found.append("private")
    if message.branch:
        found.append("at the same time as others")
    if message.belief is not None:
        found.append(f"{message.belief.source.value}, {message.belief.status.value}")
    return found


def _call(made: Sequence[CallRecord]) -> Box:
    """Model, tokens, price and time of the call behind a message, on demand."""
    last = made[-1]
    title = f"call {last.number}" + (f", {len(made)} attempts" if len(made) > 1 else "")
    lines = [
        f"{call.model}"
        + (f" (answered as {call.resolved_model})" if call.resolved_model not in ("", call.model) else "")
        + f"  ·  {formats.count(call.prompt_tokens)} + {formats.count(call.completion_tokens)} tokens"
        + f", {formats.count(call.cached_tokens)} cached"
        + f"  ·  {formats.money(call.cost_usd)}  ·  {call.latency_s:.2f} s  ·  "
        + (formats.failure(call.failure) if call.failure else call.finish_reason)
        + (f"  ·  {call.origin.value} for another attempt" if call.origin.value != "made" else "")
        for call in made
    ]
    return Box("call", (title, *(Box("faint", (line,)) for line in lines)))
