"""How fast and how many at a time, over whole minutes that nobody waits for."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oversight.calls.limiter import Limiter
from oversight.errors import FailureClass

from .making import skipping

MINUTE = 60.0
LIMITED, DOWN = FailureClass.RATE_LIMITED, FailureClass.SERVER_ERROR


class Doing(NamedTuple):
    """One call to be made.

    Attributes:
        gap: seconds after the one before it asks.
        tokens, used: what it is let in for, and what it takes.
        lasts: seconds.
        fails: how, if it does.
        gives_up: seconds after which whoever asks goes away, if still waiting.
    """

    gap: float
    tokens: int
    used: int
    lasts: float
    fails: FailureClass | None = None
    gives_up: float | None = None


class Did(NamedTuple):
    """When it asked, was let in and ended."""

    number: int
    asked: float
    started: float
    ended: float
    doing: Doing


def now() -> float:
    return asyncio.get_running_loop().time()


async def carry_out(limiter: Limiter, doings: list[Doing]) -> list[Did]:
    """Make all the calls; returned in the order in which they were let in."""
    done: list[Did] = []

    async def one(number: int, doing: Doing) -> None:
        asked = now()
        try:
            async with asyncio.timeout(doing.gives_up) as patience:
                started = await limiter.enter(doing.tokens)
                patience.reschedule(None)
        except TimeoutError:
            return
        assert started == now()
        place = len(done)
        done.append(Did(number, asked, started, started, doing))
        await asyncio.sleep(doing.lasts)
        limiter.observe(started, doing.tokens, 0 if doing.fails else doing.used, doing.fails, None)
        limiter.leave()
        done[place] = done[place]._replace(ended=now())

    tasks = []
    for number, doing in enumerate(doings):
        await asyncio.sleep(doing.gap)
        tasks.append(asyncio.create_task(one(number, doing)))
    await asyncio.gather(*tasks)
    return done


def doings(fails: st.SearchStrategy[FailureClass | None]) -> st.SearchStrategy[list[Doing]]:
    seconds = st.one_of(st.just(0.0), st.floats(0, 5), st.floats(0, 90))
    tokens = st.tuples(st.integers(1, 130), st.floats(0, 1)).map(lambda drawn: (drawn[0], int(drawn[0] * drawn[1])))
    return st.lists(
        st.tuples(seconds, tokens, seconds, fails, st.one_of(st.none(), st.floats(0.5, 100))).map(
            lambda t: Doing(t[0], t[1][0], t[1][1], t[2], t[3], t[4])
        ),
        min_size=1,
        max_size=30,
    )


@settings(max_examples=150, deadline=None)
@given(
    doings(st.sampled_from([None, None, None, FailureClass.BLANK, LIMITED])),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(1, 5), st.sampled_from([0.5, 0.3])),
    st.one_of(st.none(), st.integers(20, 150)),
)
def test_no_minute_holds_more_than_it_may_and_everybody_gets_in_by_turns(
    plan: list[Doing], most: int, requests: float | None, tokens: int | None
) -> None:
    async def main() -> list[Did]:
        limiter = Limiter(most, requests, tokens, clock=now)
        done = await carry_out(limiter, plan)
        assert limiter.in_flight == 0
        return done

    done = skipping(main())
    # Only who went away is missing, and nobody overtook anybody.
    assert {each.number for each in done} >= {n for n, doing in enumerate(plan) if doing.gives_up is None}
    assert [each.number for each in done] == sorted(each.number for each in done)
    for last in done:
        # A minute that ends now; the clock is in floats, so it is open by a hair at its beginning.
        minute = [each for each in done if last.started - MINUTE + 1e-6 < each.started <= last.started]
        minute = [each for each in minute if each.number <= last.number]
        assert sum(each.started <= last.started < each.ended for each in minute) <= most
        if requests is not None and requests >= 1:
            assert len(minute) <= requests
        if requests is not None and requests < 1:
            assert not [e for e in done if last.started - MINUTE / requests + 1e-6 < e.started < last.started]
        if tokens is not None and len(minute) > 1:
            spent = [
                each.doing.tokens if each.doing.fails or each.ended > last.started or not each.doing.used
                else each.doing.used for each in minute
            ]  # fmt: skip
            assert sum(spent) <= tokens + 1e-6


def test_what_took_fewer_tokens_than_thought_makes_room_and_no_more_than_that() -> None:
    async def main() -> list[float]:
        limiter = Limiter(10, None, 100, clock=now)
        started = await limiter.enter(100)
        await asyncio.sleep(59)
        limiter.observe(started, 100, 10, None, None)
        limiter.leave()
        begun = [await limiter.enter(90)]
        await asyncio.sleep(3)
        begun += [await limiter.enter(10), await limiter.enter(1)]
        return begun

    # At 60 the first call's ten leave the minute, not the hundred it was let in for.
    assert skipping(main()) == pytest.approx([59, 62, 119])


def test_what_took_more_tokens_than_thought_is_made_up_for() -> None:
    async def main() -> float:
        limiter = Limiter(10, None, 100, clock=now)
        started = await limiter.enter(10)
        limiter.observe(started, 10, 95, None, None)
        return await limiter.enter(10)

    assert skipping(main()) == pytest.approx(60)


def test_a_call_larger_than_the_limit_gets_through_alone() -> None:
    async def main() -> list[float]:
        limiter = Limiter(10, None, 100, clock=now)
        return [await limiter.enter(tokens) for tokens in (50, 5000, 50)]

    assert skipping(main()) == pytest.approx([0, 60, 120], abs=1e-3)


def test_a_burst_of_refusals_halves_once_and_successes_grow_back() -> None:
    async def main() -> None:
        limiter = Limiter(8, clock=now)
        first = [await limiter.enter(1) for _ in range(8)]
        await asyncio.sleep(1)
        for started in first:
            limiter.observe(started, 1, 0, LIMITED, None)
            limiter.leave()
        assert limiter.allowed == 4
        await asyncio.sleep(0.1)
        second = [await limiter.enter(1) for _ in range(4)]
        fifth = asyncio.create_task(limiter.enter(1))
        await asyncio.sleep(30)
        assert not fifth.done()
        for started in second:
            limiter.observe(started, 1, 0, LIMITED, None)
            limiter.leave()
        assert limiter.allowed == 2
        # Two were under way at a time; a round of successes adds about one.
        limiter.observe(await fifth, 1, 1, None, None)
        limiter.observe(now(), 1, 1, None, None)
        assert 2.8 < limiter.allowed < 3.1
        for _ in range(200):
            limiter.observe(now(), 1, 1, None, None)
        assert limiter.allowed == 8
        for _ in range(20):
            await asyncio.sleep(1)
            limiter.observe(now(), 1, 0, LIMITED, None)
        assert limiter.allowed == 1  # and never nothing

    skipping(main())


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (3600.0, 60.0)])
def test_what_a_provider_asks_to_wait_all_wait_and_a_minute_at_most(asked: float, waited: float) -> None:
    async def main() -> list[float]:
        limiter = Limiter(16, clock=now)
        started = await limiter.enter(1)
        limiter.observe(started, 1, 0, LIMITED, asked)
        limiter.leave()
        limiter.observe(started, 1, 0, LIMITED, 1.0)  # a shorter pause does not cut the longer one short
        return [await asyncio.create_task(limiter.enter(1)) for _ in range(2)]

    begun = skipping(main())
    assert begun[0] == pytest.approx(waited)


def fail_for_ever(limiter: Limiter, lanes: int, stop: Callable[[], bool]) -> list[float]:
    """When calls are let in that all fail after a second, as many lanes as there are."""

    async def main() -> list[float]:
        begun: list[float] = []

        async def lane() -> None:
            while not stop():
                started = await limiter.enter(1)
                begun.append(started)
                await asyncio.sleep(1)
                limiter.observe(started, 1, 0, DOWN, None)
                limiter.leave()
                if stop():
                    limiter.close()
                await asyncio.sleep(0.1)

        await asyncio.gather(*(lane() for _ in range(lanes)))
        return begun

    return skipping(main())


def test_an_outage_is_probed_one_at_a_time_ever_more_rarely_and_then_given_up() -> None:
    limiter = Limiter(16, clock=now)
    begun = fail_for_ever(limiter, 16, lambda: limiter.is_open)
    assert limiter.is_open
    together, probes = begun[: 16 * 10], begun[16 * 10 :]
    assert max(together) < 12  # ten rounds of sixteen that failed together count as ten failures
    probes = probes[: len(probes) - 15]  # when it is closed, the other lanes are let in to be told
    assert len(probes) == 10
    pauses = [after - before for before, after in itertools.pairwise(probes)]
    assert pauses == pytest.approx(sorted(pauses))
    assert pauses[0] == pytest.approx(3)
    assert pauses[-1] == pytest.approx(61)
    assert sum(pauses) > 180


@pytest.mark.parametrize(
    ("before", "rounds"), [((), 5), ((None,), 20), ((FailureClass.RATE_LIMITED,), 20), ((DOWN,), 20)]
)
def test_where_nobody_has_ever_answered_connections_are_given_up_soon(
    before: tuple[FailureClass | None, ...], rounds: int
) -> None:
    async def main() -> int:
        limiter, failed = Limiter(4, clock=now), 0
        for failure in (*before, *itertools.repeat(FailureClass.CONNECTION, 30)):
            started = await limiter.enter(1)
            await asyncio.sleep(1)
            limiter.observe(started, 1, 0, failure, None)
            limiter.leave()
            await asyncio.sleep(0.1)
            failed += failure in (DOWN, FailureClass.CONNECTION)
            if limiter.is_open:
                break
        return failed

    assert skipping(main()) == rounds


def test_one_answer_ends_an_outage_and_what_was_given_up_does_not() -> None:
    async def main() -> None:
        limiter = Limiter(4, clock=now)
        for _ in range(12):
            started = await limiter.enter(1)
            await asyncio.sleep(1)
            limiter.observe(started, 1, 0, DOWN, None)
            limiter.leave()
            await asyncio.sleep(0.1)
        before = now()
        first = await limiter.enter(1)
        second = asyncio.create_task(limiter.enter(1))
        assert first > before
        await asyncio.sleep(30)
        limiter.observe(first, 1, 0, FailureClass.PLUGIN, None)  # a dropped episode says nothing of the provider
        await asyncio.sleep(30)
        assert not second.done()
        limiter.observe(first, 1, 0, FailureClass.CONTEXT_LENGTH, None)  # an answer, if not a welcome one
        limiter.leave()
        at = [await second, *[await limiter.enter(1) for _ in range(3)]]
        assert max(at) - now() < 1

    skipping(main())


def test_who_waits_for_the_next_minute_is_let_go_when_all_stops() -> None:
    async def main() -> float:
        limiter = Limiter(4, 1, clock=now)
        await limiter.enter(1)
        waiting = [asyncio.create_task(limiter.enter(1)) for _ in range(50)]
        await asyncio.sleep(1)
        limiter.close()
        await asyncio.gather(*waiting)
        return now()

    assert skipping(main()) == pytest.approx(1)


def test_what_is_withdrawn_leaves_its_room_to_others() -> None:
    async def main() -> float:
        limiter = Limiter(1, 1, 10, clock=now)
        started = await limiter.enter(10)
        await asyncio.sleep(5)
        limiter.withdraw(started, 10)
        return await limiter.enter(10)

    assert skipping(main()) == pytest.approx(5)
