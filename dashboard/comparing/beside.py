"""One question, both transcripts beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from oversight.store import Transcript

from .. import data, links, untrusted
from ..data import ArmEpisode
from ..transcript import head, side_column, talk, work
from .choice import PLACES, Choice, Half, pick
from .question_comparison import WAYS, sought

__all__ = ["show"]

_SIDES = ("left", "right")


def show(now: data.Moment, choice: Choice, question: str) -> None:
    """Show it, or say that one of the arms did not ask it."""
    around = st.container(horizontal=True, vertical_alignment="center")
    left, right = (data.asked(now, half.run, half.arm, question) for half in choice)
    if not left and not right:
        st.warning("Neither of these arms has an episode about this question; it may not have finished yet.")
    else:
        chosen = _pair(left, right, same=choice.one[:2] == choice.other[:2])
        held = [None if each is None else data.transcript(now, each.episode_id) for each in chosen]
        shown = next(transcript for transcript in held if transcript is not None)
        untrusted.show([head.asked(shown.question.prompt)], key="asked")
        _pickers((left, right), chosen)
        _both(choice, held)
    # Last, because it asks for all questions: by then there is something to read.
    with around:
        _around(now, choice, question)


def _around(now: data.Moment, choice: Choice, question: str) -> None:
    """Back to the questions, and on to what stands before and after in them."""
    keys = list(sought(now, choice)["question"])
    place = keys.index(question) if question in keys else None
    before = keys[place - 1] if place else None
    after = keys[place + 1] if place is not None and place + 1 < len(keys) else None
    gone = dict.fromkeys(PLACES)
    st.button("← All questions", on_click=lambda: links.put(**gone | {"question": None}))
    st.button("Previous", disabled=before is None, on_click=lambda: links.put(**gone | {"question": before}))
    st.button("Next", disabled=after is None, on_click=lambda: links.put(**gone | {"question": after}))
    if place is not None:
        which = links.get("which")
        st.caption(f"{place + 1:,} of {len(keys):,}" + (f", {WAYS[which]}" if which in WAYS else ""))


def _pair(
    left: Sequence[ArmEpisode], right: Sequence[ArmEpisode], *, same: bool
) -> tuple[ArmEpisode | None, ArmEpisode | None]:
    """Which episode of each side: what the address says, else two that differ in as little as possible."""
    one = _named("left", left) or (left[0] if left else None)
    if (other := _named("right", right)) is not None:
        return one, other
    # An arm beside itself: another of its episodes, where there is one.
    offered = [each for each in right if not same or one is None or each.episode_id != one.episode_id] or right
    fitting = [each for each in offered if one is not None and each.same == one.same]
    fitting += [each for each in offered if one is not None and each.same[0] == one.same[0]]
    return one, next(iter([*fitting, *offered]), None)


def _named(name: str, episodes: Sequence[ArmEpisode]) -> ArmEpisode | None:
    asked = links.get(name)
    return next((each for each in episodes if asked and each.episode_id.startswith(asked)), None)


def _pickers(sides: tuple[Sequence[ArmEpisode], Sequence[ArmEpisode]], chosen: Sequence[ArmEpisode | None]) -> None:
    """Where a side has several episodes, which."""
    for column, name, episodes, usual in zip(st.columns(2, gap="medium"), _SIDES, sides, chosen, strict=True):
        with column:
            if usual is not None and len(episodes) > 1:
                texts = {each.episode_id: _called(each, episodes) for each in episodes}
                pick(name, f"Which of {len(episodes)} episodes", list(texts), usual.episode_id, shown=texts)


def _called(episode: ArmEpisode, among: Sequence[ArmEpisode]) -> str:
    """What tells an episode from the others."""
    parts = [f"{seat} argues {untrusted.one_line(answer, 30)}" for seat, answer in episode.sides]
    if len({each.judge for each in among}) > 1:
        parts.append(f"judge {untrusted.one_line(episode.judge or '-', 30)}")
    if len({(each.repeat, each.seed) for each in among}) > 1:
        parts.append(f"repeat {episode.repeat + 1}, seed {episode.seed}")
    return "  ·  ".join([episode.outcome, *parts])


def _both(choice: Choice, held: Sequence[Transcript | None]) -> None:
    """The parts of both, row by row, so that like stands beside like."""
    # One belief is the verdict, which the answers show already.
    changing = any(_beliefs(transcript) > 1 for transcript in held if transcript is not None)
    for part in (_head, side_column.image, *([side_column.beliefs] if changing else []), side_column.facts, _talk):
        for column, key, half, transcript in zip(st.columns(2, gap="medium"), _SIDES, choice, held, strict=True):
            with column:
                if transcript is not None:
                    part(transcript, key=key)
                elif part is _head:
                    st.info("This arm has no episode about this question.")
                    _why(half)


def _why(half: Half) -> None:
    st.caption(
        "It was not asked it, or the episode has not finished. An `oversight run` with a larger limit asks more."
    )
    links.link("transcripts", "What it has", run=half.run, arm=half.arm)


def _beliefs(transcript: Transcript) -> int:
    return sum(message.belief is not None and message.belief.probs is not None for message in transcript.messages)


def _head(transcript: Transcript, *, key: str) -> None:
    head.show(transcript, key=key, prompt=False)
    links.link("transcripts", "Read it alone", run=transcript.run_id, episode=transcript.spec.episode_id)


def _talk(transcript: Transcript, *, key: str) -> None:
    work.show(transcript, key=key)
    talk.show(transcript, key=key)
