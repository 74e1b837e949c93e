"""Beside a transcript: the image, how the judge's belief went, what it took, and how to find it again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd
import streamlit as st

from oversight.models.embedded.digits.images import PIXELS, read_pixels
from oversight.store import Transcript

from .. import formats, pixel_image, untrusted
from ..untrusted import Box
from .parts import answer_colour, colours

__all__ = ["beliefs", "facts", "image", "show"]

_MOST_ANSWERS = 6
_LONGEST = 300
"""Characters of options; imported ones can hold whole pages."""


def show(transcript: Transcript) -> None:
    """Show it."""
    image(transcript)
    beliefs(transcript)
    facts(transcript)
    untrusted.show([Box("heading", ("Find it again",))], key="again-heading")
    st.code(transcript.spec.episode_id, language=None)
    st.code(f"oversight show {transcript.spec.episode_id[:12]}", language=None)


def image(transcript: Transcript, *, key: str = "") -> None:
    """The digits game: all pixels, and around those that were revealed the colour of who did."""
    known = {pixel.place: pixel for pixel in read_pixels(transcript.question.material or "")}
    if len(known) == PIXELS:
        given = [pixel for pixel in read_pixels(transcript.question.prompt) if known[pixel.place] == pixel]
        boxes = pixel_image.image(known.values(), given, transcript.messages, colours(transcript))
        untrusted.show(boxes, key=f"image{key}")


def beliefs(transcript: Transcript, *, key: str = "") -> None:
    """How likely each answer was held to be, each time a seat was asked; nothing where that was once."""
    labels = transcript.question.labels
    rows = []
    counts: dict[str, int] = {}
    for message in transcript.messages:
        if message.belief is None or message.belief.probs is None:
            continue
        counts[message.author] = counts.get(message.author, 0) + 1
        for place, p in enumerate(message.belief.probs):
            rows.append({"moment": counts[message.author], "answer": labels[place], "p": p, "seat": message.author})
    if max(counts.values(), default=0) < 2 or len(labels) > _MOST_ANSWERS:  # noqa: PLR2004
        return
    shown = len({row["answer"] for row in rows})
    colour = alt.Color(
        "answer:N",
        title=None,
        scale=alt.Scale(domain=list(labels), range=[answer_colour(transcript, place) for place in range(shown)]),
    )
    chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_line(point=alt.OverlayMarkDef(size=55))
        .encode(
            x=alt.X("moment:O", title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("p:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 0.5, 1])),
            color=colour,
            detail="seat:N",
            tooltip=["answer:N", alt.Tooltip("p:Q", format=".3f"), "moment:O"],
        )
        .properties(height=210)
        .configure_legend(orient="top", offset=4, padding=0)
    )
    untrusted.show([Box("heading", ("Belief, each time it was asked for",))], key=f"beliefs{key}")
    st.altair_chart(chart, key=f"belief-chart{key}")


def facts(transcript: Transcript, *, key: str = "") -> None:
    """Calls, tokens, price and time, and what the episode was asked with."""
    calls = [call for call in transcript.calls if call.origin.value != "kept"]
    costs = [call.cost_usd for call in calls]
    known = [cost for cost in costs if cost is not None]
    read, written = _total([c.prompt_tokens for c in calls]), _total([c.completion_tokens for c in calls])
    tokens = "unknown" if read is written is None else f"{formats.count(read)} + {formats.count(written)}"
    # Published transcripts may lack their calls, which is not the same as having made none.
    recorded = bool(calls) or not transcript.spec.imported
    facts = {
        "calls": f"{len(calls):,}" if recorded else "unknown",
        "tokens": tokens if recorded else "unknown",
        "cost": formats.money(sum(known) if recorded and len(known) == len(costs) else None),
        "took": formats.duration(transcript.outcome.duration_s),
        "started": f"{transcript.outcome.started_at:%Y-%m-%d %H:%M:%S} UTC",
        "seed, repeat": f"{transcript.spec.seed}, {transcript.spec.repeat}",
        "question": transcript.question.id,
        "options": untrusted.one_line(_options(transcript.spec.options), _LONGEST) or "defaults",
    }
    rows = [Box("fact", (Box("faint", (name,)), Box("prose", (value,)))) for name, value in facts.items()]
    untrusted.show([Box("heading", ("What it took",)), Box("factlist", tuple(rows))], key=f"facts{key}")


def _total(counts: Sequence[int | None]) -> int | None:
    """The sum; None if one of them is unknown."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _options(options: Mapping[str, object]) -> str:
    """As an experiment file has them."""
    return ", ".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in options.items()
    )
