"""Random procedures with nested gathers: histories grow, nothing leaks, timing changes nothing."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from staging import MarkedModel, stage

from oversight import Episode, Seat, visible_to
from oversight.core.message import PROTOCOL, Kind, Message, chat_history

SEATS = ("ann", "bob", "cid", "dan")


class Step(NamedTuple):
    """A seat says something: to everyone (None), to some seats, or to itself alone ()."""

    seat: str
    audience: tuple[str, ...] | None


class Gather(NamedTuple):
    """Scripts that go on at the same time; no seat is in two of them."""

    parts: tuple[Script, ...]


Script = tuple["Step | Gather", ...]


@st.composite
def scripts(draw: st.DrawFn, seats: tuple[str, ...] = SEATS, depth: int = 2) -> Script:
    steps: list[Step | Gather] = []
    for _ in range(draw(st.integers(1, 4))):
        if depth and len(seats) > 1 and draw(st.booleans()):
            shuffled = draw(st.permutations(seats))
            cut = draw(st.integers(1, len(seats) - 1))
            halves = (tuple(shuffled[:cut]), tuple(shuffled[cut:]))
            steps.append(Gather(tuple(draw(scripts(half, depth - 1)) for half in halves)))
        else:
            others = st.lists(st.sampled_from(SEATS), unique=True, max_size=3).map(tuple)
            steps.append(Step(draw(st.sampled_from(seats)), draw(st.none() | others)))
    return tuple(steps)


async def follow(script: Script, episode: Episode, seats: dict[str, Seat]) -> None:
    for step in script:
        if isinstance(step, Gather):
            await episode.gather(*(follow(part, episode, seats) for part in step.parts))
        elif step.audience == ():
            await seats[step.seat].think("note")
        else:
            to = None if step.audience is None else [seats[name] for name in step.audience]
            await seats[step.seat].speak("argue", to=to)


def run(script: Script, seed: int, *, reasons: bool = False) -> tuple[Episode, MarkedModel]:
    """Play a script with models that dawdle at random, then let every seat speak once more."""
    model = MarkedModel(random.Random(seed), reasons=reasons)
    episode = stage(strong=model)

    async def play() -> None:
        seats = {name: episode.seat(name, role="strong", brief="debater") for name in SEATS}
        await follow(script, episode, seats)
        for seat in seats.values():
            await seat.think("note")

    asyncio.run(play())
    return episode, model


def expected(script: Script) -> dict[str, list[set[str]]]:
    """For each seat, the marks that each of its prompts may hold: worked out from the script alone."""
    prompts: dict[str, list[set[str]]] = {name: [] for name in SEATS}

    def play(steps: Script, board: tuple[tuple[str, Step], ...]) -> tuple[tuple[str, Step], ...]:
        for step in steps:
            if isinstance(step, Gather):
                board += tuple(new for part in step.parts for new in play(part, board)[len(board) :])
                continue
            heard = {m for m, s in board if s.audience is None or step.seat in (s.seat, *s.audience)}
            mark = f"mark-{step.seat}-{len(prompts[step.seat])}-end"
            prompts[step.seat].append(heard)
            board += ((mark, step),)
        return board

    play((*script, *(Step(name, ()) for name in SEATS)), ())
    return prompts


def marks(text: str) -> Iterator[str]:
    return iter(re.findall(r"mark-[a-z]+-\d+-end", text))


some = settings(max_examples=40, deadline=None)


@some
@given(scripts(), st.integers(0, 99))
def test_every_prompt_of_a_seat_begins_with_its_earlier_one(script: Script, seed: int) -> None:
    _, model = run(script, seed)
    for seat in SEATS:
        prompts = [request.messages for request in model.requests(seat)]
        for earlier, later in pairwise(prompts):
            assert later[: len(earlier)] == earlier


@some
@given(scripts(), st.integers(0, 99))
def test_every_prompt_holds_exactly_what_the_seat_may_know_by_then(script: Script, seed: int) -> None:
    _, model = run(script, seed)
    found = {
        seat: [{mark for m in request.messages for mark in marks(m.content)} for request in model.requests(seat)]
        for seat in SEATS
    }
    assert found == expected(script)


@some
@given(scripts(), st.integers(0, 99))
def test_every_prompt_can_be_rebuilt_from_the_transcript(script: Script, seed: int) -> None:
    episode, model = run(script, seed)
    for seat in SEATS:
        own = [place for place, message in enumerate(episode.messages) if message.author == seat]
        rebuilt = [chat_history(seat, episode.messages[:place], episode.messages[place].branch) for place in own]
        assert rebuilt == [request.messages for request in model.requests(seat)]


@some
@given(scripts(), st.integers(0, 99))
def test_the_transcript_does_not_depend_on_who_answers_first(script: Script, seed: int) -> None:
    def told(seed: int) -> list[Message]:
        return [message.model_copy(update={"call": None}) for message in run(script, seed)[0].messages]

    assert told(seed) == told(seed + 1)


@some
@given(scripts(), st.integers(0, 99))
def test_every_message_names_the_call_that_wrote_it(script: Script, seed: int) -> None:
    episode, _ = run(script, seed)
    written = [message for message in episode.messages if message.author != PROTOCOL]
    assert [episode.calls[m.call].seat for m in written if m.call is not None] == [m.author for m in written]


@some
@given(scripts(), st.integers(0, 99))
def test_in_the_end_each_seat_sees_what_it_may_and_nothing_else(script: Script, seed: int) -> None:
    episode, _ = run(script, seed)
    for seat in SEATS:
        seen = visible_to(seat, episode.messages)
        assert sorted(m.text for m in seen) == sorted(m.text for m in episode.messages if m.readable_by(seat))


@some
@given(scripts(), st.integers(0, 99), st.randoms(use_true_random=False))
def test_reasoning_wherever_it_stands_changes_no_view_and_no_prompt(
    script: Script, seed: int, rng: random.Random
) -> None:
    episode, model = run(script, seed)
    told: list[Message] = []
    for message in episode.messages:
        if rng.random() < 0.5:
            author = rng.choice((message.author, *SEATS))
            audience = rng.choice((None, (), (author,), SEATS))
            told.append(
                Message(author=author, audience=audience, kind=Kind.REASONING, text="canary", branch=message.branch)
            )
        told.append(message)
    for seat in SEATS:
        assert visible_to(seat, told) == visible_to(seat, episode.messages)
        own = [place for place, m in enumerate(told) if m.author == seat and m.kind is not Kind.REASONING]
        rebuilt = [chat_history(seat, told[:place], told[place].branch) for place in own]
        assert rebuilt == [request.messages for request in model.requests(seat)]


@some
@given(scripts(), st.integers(0, 99))
def test_what_models_reason_is_kept_beside_their_replies_and_sent_to_no_seat(script: Script, seed: int) -> None:
    plain, _ = run(script, seed)
    episode, model = run(script, seed, reasons=True)
    assert not [r for r, _ in model.sent if "reasoned" in "".join(m.content for m in r.messages)]
    assert [m for m in episode.messages if m.kind is not Kind.REASONING] == list(plain.messages)
    for reasoned, reply in pairwise(episode.messages):
        if reasoned.kind is Kind.REASONING:
            assert (reasoned.author, reasoned.audience, reasoned.call) == (reply.author, (), reply.call)
            assert reasoned.text == f"reasoned before {reply.text}"
    written = [message for message in plain.messages if message.author != PROTOCOL]
    assert len(episode.messages) == len(plain.messages) + len(written)
