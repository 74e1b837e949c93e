"""What a run may cost, under every order in which calls can begin, end and get lost."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from oversight.calls.budget import Budget
from oversight.errors import FailureClass, StopReason

from .making import bad, good, nothing, skipping


class Doing(NamedTuple):
    """One call: when it asks, how long it lasts, the most it may cost, what it does, and how it ends."""

    at: float
    lasts: float
    most: float | None
    cost: float
    ends: str


CENTS = st.integers(0, 40).map(lambda cents: cents / 64)  # exact in binary, so that sums are
DOINGS = st.lists(
    st.builds(
        lambda at, lasts, most, share, ends: Doing(at, lasts, most, int(most * share * 64) / 64, ends),
        st.floats(0, 20),
        st.floats(0, 20),
        CENTS,
        st.floats(0, 1),
        st.sampled_from(["good", "good", "bad", "nothing", "lost", "lost, then told"]),
    ),
    min_size=1,
    max_size=25,
)


class Books:
    """What calls really cost and what was promised to those under way."""

    def __init__(self, limit: float, spent: float = 0.0) -> None:
        self.limit = limit
        self.budget = Budget(limit, spent)
        self.spent = spent
        self.under_way: dict[str, float] = {}
        self.most_at_a_time = 0
        self.stops: list[StopReason] = []

    async def one(self, number: int, doing: Doing) -> None:
        await asyncio.sleep(doing.at)
        name, budget = str(number), self.budget
        if reason := await budget.reserve(name, "m", doing.most):
            # It is refused only where waiting for others could not have helped.
            if not self.stops and doing.most is not None:
                assert not self.under_way
                assert self.spent + doing.most > self.limit
            await budget.stop(reason)
            self.stops.append(reason)
            return
        assert not self.stops
        self.under_way[name] = doing.cost
        self.most_at_a_time = max(self.most_at_a_time, len(self.under_way))
        await asyncio.sleep(doing.lasts)
        if doing.ends.startswith("lost"):
            self.under_way.pop(name)
            # Whether it was paid for is not known, so that it was; whoever tells of it late sets that right.
            self.spent += doing.most or 0.0
            await budget.lose(name)
            if doing.ends == "lost":
                return
            await asyncio.sleep(3)
            self.spent += doing.cost - (doing.most or 0.0)
            await budget.settle(name, "m", good(cost_usd=doing.cost))
            return
        ended = {"good": good(cost_usd=doing.cost), "bad": bad(cost=doing.cost), "nothing": nothing()}[doing.ends]
        self.under_way.pop(name)
        self.spent += doing.cost if ended.reply else 0.0
        await budget.settle(name, "m", ended)
        assert self.spent <= self.limit


@settings(max_examples=150, deadline=None)
@given(DOINGS, CENTS, CENTS)
def test_it_is_never_passed_and_never_refuses_what_would_fit(doings: list[Doing], limit: float, earlier: float) -> None:
    async def main() -> Books:
        books = Books(4 * limit, min(earlier, 4 * limit))
        await asyncio.gather(*(books.one(number, doing) for number, doing in enumerate(doings)))
        return books

    books = skipping(main())
    assert books.spent <= books.limit


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=2, max_size=20))
def test_until_a_price_is_known_one_call_runs_alone_and_then_as_many_as_fit(times: list[tuple[float, float]]) -> None:
    first = Doing(0, 5, None, 0.5, "good")

    async def main() -> Books:
        books = Books(100)
        both = asyncio.gather(books.one(0, first), books.one(1, first))
        await asyncio.sleep(4)
        assert len(books.under_way) == 1
        await both
        await asyncio.gather(*(books.one(2 + n, Doing(at, lasts, None, 0.5, "good")) for n, (at, lasts) in
                               enumerate(times)), books.one(50, Doing(0, 6, None, 0.5, "good")),
                             books.one(51, Doing(0, 6, None, 0.5, "good")))  # fmt: skip
        return books

    books = skipping(main())
    assert books.most_at_a_time >= 2
    assert (books.stops, books.spent) == ([], 0.5 * (4 + len(times)))


def test_a_price_that_stays_unknown_stops_whether_or_not_the_reply_was_of_use() -> None:
    async def main() -> None:
        for outcome in (good(cost_usd=None), bad(cost=None)):
            budget = Budget(1.0)
            assert await budget.reserve("a", "m", None) is None
            waiting = asyncio.create_task(budget.reserve("b", "m", None))
            await asyncio.sleep(1)
            assert not waiting.done()
            await budget.settle("a", "m", outcome)
            assert await waiting is StopReason.UNPRICED
        assert "input_cost_per_token" in budget.explain(StopReason.UNPRICED)

    skipping(main())


def test_a_call_that_brought_nothing_tells_no_price_and_the_next_still_goes_alone() -> None:
    async def main() -> None:
        budget = Budget(1.0)
        for name in ("a", "b"):
            assert await budget.reserve(name, "m", None) is None
            await budget.settle(name, "m", nothing(FailureClass.RATE_LIMITED))
        assert await budget.reserve("c", "m", None) is None
        waiting = asyncio.create_task(budget.reserve("d", "m", None))
        priced = asyncio.create_task(budget.reserve("x", "another", 0.125))  # nobody knows what the first leaves of it
        await asyncio.sleep(1)
        assert not waiting.done()
        assert not priced.done()
        await budget.settle("c", "m", good(cost_usd=0.0))  # it costs nothing: as many as there are
        assert await waiting is None
        assert await priced is None
        assert await budget.reserve("e", "m", None) is None

    skipping(main())


def test_one_that_is_lost_frees_its_room_and_those_who_wait_go_on() -> None:
    async def main() -> None:
        budget = Budget(1.0)
        assert await budget.reserve("a", "m", 0.5) is None
        assert await budget.reserve("b", "m", 0.5) is None
        waiting = asyncio.create_task(budget.reserve("c", "m", 0.25))
        await asyncio.sleep(1)
        assert not waiting.done()
        await budget.lose("a")  # taken to have cost its half
        await budget.settle("b", "m", good(cost_usd=0.125))
        assert await waiting is None
        await budget.settle("c", "m", good(cost_usd=0.25))
        assert await budget.reserve("d", "m", 0.25) is StopReason.BUDGET
        await budget.settle("a", "m", good(cost_usd=0.0625))  # it was only late
        assert await budget.reserve("d", "m", 0.5) is None

    skipping(main())


def test_without_a_limit_nothing_is_held_back_and_nothing_at_all_with_none_to_spend() -> None:
    async def main() -> None:
        budget = Budget(None)
        assert [await budget.reserve(str(n), "m", None) for n in range(50)] == [None] * 50
        await budget.settle("1", "m", good(cost_usd=None))
        assert await budget.reserve("x", "m", 1e9) is None
        assert await Budget(0.0).reserve("a", "m", None) is StopReason.BUDGET
        assert await Budget(0.0).reserve("a", "m", 0.25) is StopReason.BUDGET
        assert await Budget(0.0).reserve("a", "m", 0.0) is None  # what is free may be had

    skipping(main())


def test_a_stop_is_told_to_everybody_who_waits_and_the_first_reason_counts() -> None:
    async def main() -> None:
        budget = Budget(1.0)
        assert await budget.reserve("a", "m", 1.0) is None
        waiting = [asyncio.create_task(budget.reserve(str(n), "m", 0.5)) for n in range(20)]
        await asyncio.sleep(1)
        await budget.stop(StopReason.REFUSED)
        await budget.stop(StopReason.BUDGET)
        assert set(await asyncio.gather(*waiting)) == {StopReason.REFUSED}

    skipping(main())
