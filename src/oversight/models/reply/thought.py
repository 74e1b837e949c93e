"""What a model wrote for itself, told from what it says: chains of thought in their many spellings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

__all__ = ["Split", "Tag", "opens_thought", "split_thought"]

Tag: TypeAlias = str | tuple[str, str]
"""A thought's tag: a name, as in ``<name>…</name>``, or the exact texts that open and close it."""

_NAMES = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think")
_PAIRS = (
    ("[THINK]", "[/THINK]"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel>thought", "<channel|>"),
    ("Here is my thought process:", "Here is my response:"),
)
_CHANNEL = re.compile(
    r"(?:<\|start\|>\w*)?<\|channel\|>\s*(?P<channel>\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"|<\|(?:end|return|call|start)\|>"
)
"""Harmony, as OpenAI's open models write it: each message has a channel, and only ``final`` is meant for others."""

_BARE_CHANNEL = re.compile(r"\A\s*analysis(?=[A-Z\s])(?P<thought>.*?)assistant\s*final(?P<text>.*)\Z", re.DOTALL)
"""The same where the server dropped its special tokens."""

_BARE_ANALYSIS = re.compile(r"\A\s*analysis(?=[A-Z])")
_SPEECH_MARKS = re.compile(
    r"<\|(?:START_RESPONSE|END_RESPONSE|START_TEXT|END_TEXT|begin_of_solution|end_of_solution)\|>"
)
"""What some models put around their words after a thought."""


class Split(NamedTuple):
    """A text's two parts.

    Attributes:
        thought: what was written inside thoughts, joined by blank lines.
        text: everything else.
        closed: whether the last thought was ended, so that what follows it is speech.
    """

    thought: str
    text: str
    closed: bool = True


def split_thought(text: str, tags: Sequence[Tag] = ()) -> Split:
    """Split what a model thought from what it said.

    A thought that is closed but was never opened began in the chat template, so all before its end is thought. One
    that is never closed leaves nothing after it that could be speech.

    Args:
        text: the reply.
        tags: tags besides the known ones.
    """
    if "<|channel|>" in text:
        return _by_channel(text)
    if bare := _BARE_CHANNEL.match(text):
        return Split(bare["thought"].strip(), bare["text"].strip())
    if _BARE_ANALYSIS.match(text):
        return Split(text.strip(), "", closed=False)
    thoughts: list[str] = []
    said, start, inside = "", 0, ""
    for mark in _marks(tuple(tags)).finditer(text):
        name = str(mark.lastgroup)
        if not inside and name.startswith("open"):
            said, start, inside = said + text[start : mark.start()], mark.end(), name.removeprefix("open")
        elif not inside:
            thoughts.append(said + text[start : mark.start()])
            said, start = "", mark.end()
        elif name == f"close{inside}":
            thoughts.append(text[start : mark.start()])
            start, inside = mark.end(), ""
    rest = text[start:]
    if inside:
        thoughts.append(rest)
        rest = ""
    if not thoughts:
        return Split("", text)
    speech = _SPEECH_MARKS.sub("", said + rest)
    return Split("\n\n".join(part.strip() for part in thoughts if part.strip()), speech.strip(), closed=not inside)


def opens_thought(token: str, tags: Sequence[Tag] = ()) -> bool:
    """Return whether a reply's first token begins a thought: a whole opening tag, or the start of one."""
    bare = token.strip().casefold()
    openings = [f"<{tag}" if isinstance(tag, str) else tag[0] for tag in (*_NAMES, *_PAIRS, *tags)]
    # A word such as "Here" could begin one too, but by itself it does not tell.
    openings = ["<|channel|>", *(opening for opening in openings if not opening[0].isalnum())]
    return len(bare) > 1 and any(
        opening.casefold().startswith(bare) or bare.startswith(opening.casefold()) for opening in openings
    )


@lru_cache(maxsize=32)
def _marks(tags: tuple[Tag, ...]) -> re.Pattern[str]:
    """Return the pattern that finds every opening and closing tag; one in backquotes is only spoken of."""
    firsts = {mark[0] for pair in (*_PAIRS, *(tag for tag in tags if not isinstance(tag, str))) for mark in pair} | {
        "<"
    }
    # Most characters begin no tag: without this every alternative is tried at each of them.
    anywhere = "".join(map(re.escape, sorted(firsts)))
    return re.compile(rf"(?=[{anywhere}])(?<!`)(?:{'|'.join(_alternatives(tags))})", re.IGNORECASE)


def _alternatives(tags: tuple[Tag, ...]) -> Iterator[str]:
    for number, tag in enumerate((*_NAMES, *_PAIRS, *tags)):
        if isinstance(tag, str):
            name = re.escape(tag)
            opening, closing = rf"<\s*{name}(?:\s[^<>]*)?>", rf"<\s*/\s*{name}\s*>"
        else:
            opening, closing = (re.escape(mark) for mark in tag)
        yield rf"(?P<open{number}>{opening})"
        yield rf"(?P<close{number}>{closing})"


def _by_channel(text: str) -> Split:
    """Split a reply in harmony's channels; what stands before the first one belongs to a thought begun earlier."""
    channel, start = "analysis", 0
    thoughts: list[str] = []
    said: list[str] = []
    spoken = False
    for mark in _CHANNEL.finditer(text):
        (said if channel == "final" else thoughts).append(text[start : mark.start()])
        channel, start = mark["channel"] or "analysis", mark.end()
        spoken |= channel == "final"
    (said if channel == "final" else thoughts).append(text[start:])
    thought = "\n\n".join(part.strip() for part in thoughts if part.strip())
    return Split(thought, "".join(said).strip(), closed=spoken)
