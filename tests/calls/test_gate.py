"""The one place that calls go through, when workers die, disks fail and runs stop."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oversight.calls.call_cache import CALLS_FILE, CachedCall, Call, CallCache
from oversight.calls.gate import CallGate, GateSettings, Limits
from oversight.calls.metered import Meter
from oversight.core.chat import CacheStatus, ChatMessage, ChatReply, ChatRequest
from oversight.errors import CallFailed, FailureClass, RunStopped, StopReason
from oversight.models.base import ChatModel, ModelSettings

from .making import MODEL, a_call, bad, gate_settings, good, nothing, soon

Open = Callable[..., CallGate]


@pytest.fixture
async def gate_of(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens gates on one store; all are closed again."""
    opened: list[CallGate] = []

    def open_gate(limits: Mapping[str, Limits] | None = None, **more: Any) -> CallGate:
        opened.append(CallGate(gate_settings(tmp_path / "store", limits, **more)))
        return opened[-1]

    yield open_gate
    for gate in opened:
        gate.close()


async def waits(task: asyncio.Task[Any]) -> bool:
    """Whether it still waits after everybody had their turn."""
    for _ in range(20):
        await asyncio.sleep(0)
    return not task.done()


def admitting(gate: CallGate, *calls: Call) -> list[asyncio.Task[CachedCall | RunStopped | None]]:
    return [asyncio.create_task(gate.admit(call)) for call in calls]


def kept(folder: Path) -> list[str]:
    """The keys of what the journal holds, as another process sees it."""
    con = sqlite3.connect(folder / "store" / CALLS_FILE)
    found = [key for (key,) in con.execute("SELECT key FROM calls ORDER BY rowid")]
    con.close()
    return found


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Another process holds the journal meanwhile."""
    con = sqlite3.connect(folder / "store" / CALLS_FILE, isolation_level=None)
    con.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        con.execute("ROLLBACK")
        con.close()


async def test_what_a_dead_worker_was_doing_is_taken_back_when_its_place_is_taken(gate_of: Open) -> None:
    gate = gate_of(most=1)
    assert await gate.admit(a_call("dies", worker="0:first")) is None
    other, queued = a_call("other", worker="1:x"), a_call("asks, then dies", worker="0:first")
    (others,) = admitting(gate, other)
    assert await waits(others)
    (dead,) = admitting(gate, queued)
    (reborn,) = admitting(gate, again := a_call("dies", worker="0:second"))
    assert await soon([others]) == [None]
    assert await waits(reborn)
    await gate.settle(other, good())
    # What the dead one was waiting for is not kept for it: its place in the line is passed over.
    assert await soon([reborn]) == [None]
    await soon([dead])
    (late,) = admitting(gate, a_call("sent before it died", worker="0:first"))
    assert await waits(late)
    await gate.settle(again, good())
    (last,) = admitting(gate, final := a_call("last", worker="0:second"))
    assert await soon([last]) == [None]
    await gate.settle(final, good())


async def test_what_nobody_ever_tells_of_expires_even_if_nobody_asks_anew(gate_of: Open, tmp_path: Path) -> None:
    gate = gate_of(most=1, longest_s=-59.7)
    lost = a_call("lost", worker="0:gone")
    assert await gate.admit(lost) is None
    waiting = [a_call("a", worker="1:x"), a_call("b", worker="2:x")]
    for task, call in zip(admitting(gate, *waiting), waiting, strict=True):
        assert await soon([task]) == [None]
        await gate.settle(call, good())
    # It was only late: it is kept all the same.
    assert await gate.settle(lost, good("late")) is not None
    assert set(kept(tmp_path)) == {"lost", "a", "b"}
    assert await gate.admit(a_call("next")) is None


async def test_a_lost_call_counts_against_the_budget(gate_of: Open) -> None:
    gate = gate_of(longest_s=-59.7, max_cost=1.0)
    lost = a_call("lost", most_usd=0.75)
    assert await gate.admit(lost) is None
    (waiting,) = admitting(gate, call := a_call("a", most_usd=0.25))
    assert await soon([waiting]) == [None]
    (over,) = admitting(gate, a_call("b", most_usd=0.5))
    assert await waits(over)
    await gate.settle(call, good(cost_usd=0.25))
    (stopped,) = await soon([over])
    assert isinstance(stopped, RunStopped)
    assert stopped.reason is StopReason.BUDGET
    assert str(stopped) == "budget of $1 reached: raise --max-cost and run again to go on"


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (nothing(FailureClass.AUTHENTICATION), StopReason.REFUSED),
        (nothing(FailureClass.UNKNOWN_MODEL), StopReason.REFUSED),
        (good(cost_usd=None), StopReason.UNPRICED),
    ],
)
async def test_all_who_wait_are_told_at_once_that_the_run_stops(gate_of: Open, ends: Any, reason: StopReason) -> None:
    # One waits for a permit, the others for the minute to end, and one for the price of another's call.
    gate = gate_of(most=2, requests_per_minute=1, max_cost=10.0 if reason is StopReason.UNPRICED else None)
    first = a_call("first", most_usd=None if reason is StopReason.UNPRICED else 1.0)
    assert await gate.admit(first) is None
    waiting = admitting(gate, *(a_call(f"k{n}", f"e{n}") for n in range(40)))
    assert await waits(waiting[0])
    settled = await gate.settle(first, ends)
    if reason is StopReason.REFUSED:
        assert isinstance(settled, RunStopped)
        assert str(settled) == "model openai/m: it is down"
    told = await soon(waiting)
    assert {stop.reason if isinstance(stop, RunStopped) else None for stop in told} == {reason}
    again = await gate.admit(a_call("later"))
    assert isinstance(again, RunStopped)
    assert again.reason is reason


async def test_what_is_known_is_answered_after_a_stop_too(gate_of: Open) -> None:
    gate = gate_of()
    call = a_call("known")
    assert await gate.admit(call) is None
    await gate.settle(call, good("kept"))
    await gate.settle(a_call("x"), nothing(FailureClass.AUTHENTICATION))
    found = await gate.admit(a_call("known", "other"))
    assert isinstance(found, CachedCall)
    assert (found.reply.text, found.reply.origin) == ("kept", CacheStatus.SHARED)
    assert isinstance(await gate.admit(a_call("unknown")), RunStopped)


async def test_a_provider_that_never_answers_stops_the_run(gate_of: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oversight.calls.limiter._LONGEST_PAUSE_S", 0.01)
    gate = gate_of()
    for number in range(20):
        call = a_call(f"k{number}")
        assert await gate.admit(call) is None
        settled = await gate.settle(call, nothing())
    assert isinstance(settled, RunStopped)
    assert settled.reason is StopReason.UNREACHABLE
    assert str(settled) == "model openai/m does not answer: it is down"


async def test_settings_with_one_name_and_address_share_the_strictest_limits(gate_of: Open) -> None:
    limits = {
        "judge": Limits("openai/m", None, 3, 100),
        "strong": Limits("openai/m", None, 2, 100),
        "elsewhere": Limits("openai/m", "http://localhost", 1, 100),
        "another": Limits("openai/n", None, 1, 100),
    }
    gate = gate_of(limits)
    under_way = [a_call("1", model="judge"), a_call("2", model="strong")]
    assert await soon(admitting(gate, *under_way)) == [None, None]
    (third, fourth) = admitting(gate, a_call("3", model="judge"), a_call("4", model="strong"))
    assert await waits(third)
    assert await waits(fourth)
    assert await soon(admitting(gate, a_call("5", model="elsewhere"), a_call("6", model="another"))) == [None, None]
    await gate.settle(under_way[0], good())
    assert await soon([third]) == [None]
    assert await waits(fourth)
    fourth.cancel()


async def test_calls_that_end_together_are_all_kept_before_any_is_acknowledged(gate_of: Open, tmp_path: Path) -> None:
    gate = gate_of(most=50)
    calls = [a_call(f"k{n}", f"e{n}") for n in range(50)]
    assert set(await soon(admitting(gate, *calls))) == {None}
    with held(tmp_path):
        settling = [asyncio.create_task(gate.settle(call, good(call.key))) for call in calls]
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in settling)
    replies = await soon(settling)
    assert [reply.text for reply in replies if isinstance(reply, ChatReply)] == [call.key for call in calls]
    assert sorted(kept(tmp_path)) == sorted(call.key for call in calls)


async def test_who_is_cancelled_while_its_reply_is_written_holds_nobody_up_and_loses_nothing(
    gate_of: Open, tmp_path: Path
) -> None:
    gate = gate_of(most=8)
    calls = [a_call(f"k{n}", f"e{n}") for n in range(8)]
    await soon(admitting(gate, *calls))
    with held(tmp_path):
        settling = [asyncio.create_task(gate.settle(call, good())) for call in calls]
        await asyncio.sleep(0.1)  # the first is being written, and the others wait for it
        settling += [asyncio.create_task(gate.mark_unreadable("nothing", "at all"))]
        await asyncio.sleep(0.05)
        for place in (0, 3, 8):
            settling[place].cancel()
        await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*settling, return_exceptions=True)
    assert [isinstance(end, asyncio.CancelledError) for end in ended] == [n in (0, 3, 8) for n in range(9)]
    gate.close()
    assert sorted(kept(tmp_path)) == [f"k{n}" for n in range(8)]


async def test_what_is_dropped_in_an_interrupt_is_written_when_the_gate_closes(gate_of: Open, tmp_path: Path) -> None:
    gate = gate_of()
    await soon(admitting(gate, call := a_call("paid")))
    with held(tmp_path):
        settling = asyncio.create_task(gate.settle(call, good()))
        await asyncio.sleep(0.1)
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
        closing = threading.Thread(target=gate.close)
        closing.start()
    closing.join(20)
    assert kept(tmp_path) == ["paid"]


async def test_a_store_that_is_removed_ends_the_run_with_one_line(gate_of: Open, tmp_path: Path) -> None:
    gate = gate_of(requests_per_minute=1)
    await soon(admitting(gate, call := a_call("paid")))
    waiting = admitting(gate, *(a_call(f"k{n}") for n in range(5)))
    assert await waits(waiting[0])
    shutil.rmtree(tmp_path / "store")
    settled = await gate.settle(call, good())
    for stop in (settled, *await soon(waiting), await gate.admit(a_call("next"))):
        assert isinstance(stop, RunStopped)
        assert stop.reason is StopReason.STORE
        assert str(tmp_path / "store" / CALLS_FILE) in str(stop)
        assert "\n" not in str(stop)


async def test_a_journal_that_somebody_holds_too_long_ends_the_run_and_loses_nothing_acknowledged(
    gate_of: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CallCache.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(CallCache.__init__.__kwdefaults__, "busy_s", 0.1)
    gate = gate_of()
    await soon(admitting(gate, first := a_call("first"), second := a_call("second")))
    assert isinstance(await gate.settle(first, good()), ChatReply)
    with held(tmp_path):
        stop = await gate.settle(second, good())
        await gate.mark_unreadable(first.id, "x")
    assert isinstance(stop, RunStopped)
    assert stop.reason is StopReason.STORE
    assert "locked" in str(stop)
    assert kept(tmp_path) == ["first"]


async def test_what_earlier_executions_spent_counts_and_that_of_other_runs_does_not(
    gate_of: Open, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    journal = CallCache(tmp_path / "store")
    journal.keep("r1", [(a_call("a"), good(cost_usd=0.5)), (a_call("b"), bad(cost=0.25))])
    journal.keep("r2", [(a_call("c"), good(cost_usd=50.0))])
    journal.close()
    gate = gate_of(max_cost=1.0)
    assert await gate.admit(a_call("d", most_usd=0.25)) is None
    (over,) = admitting(gate, a_call("e", most_usd=0.25))
    assert await waits(over)
    over.cancel()


async def test_a_replay_writes_nothing_and_lets_nothing_through(gate_of: Open, tmp_path: Path) -> None:
    gate = gate_of()
    await soon(admitting(gate, call := a_call("k")))
    await gate.settle(call, good("once"))
    gate.close()
    replaying = CallGate(gate_settings(tmp_path / "new", replay=tmp_path / "store", max_cost=0.0))
    found = await replaying.admit(a_call("k", "reader", 7))
    assert isinstance(found, CachedCall)
    assert found.reply.text == "once"
    assert await replaying.admit(a_call("unknown")) is None
    await replaying.mark_unreadable(found.reply.record, "x")
    replaying.close()
    assert not (tmp_path / "new" / CALLS_FILE).exists()
    assert CallCache(tmp_path / "store", writable=False).find(a_call("k", "reader")) is not None


class Odd(ChatModel):
    """Answers as it is told to."""

    def __init__(self, reply: ChatReply | BaseException | Callable[[], Any]) -> None:
        super().__init__(ModelSettings(model="odd"))
        self.reply = reply
        self.calls = 0

    async def chat(self, request: ChatRequest) -> ChatReply:
        self.calls += 1
        if isinstance(self.reply, BaseException):
            raise self.reply
        reply: ChatReply = await self.reply() if callable(self.reply) else self.reply
        return reply


REQUEST = ChatRequest((ChatMessage("user", "Which?"),), ("A", "B"), seat="judge")


async def ask(gate: CallGate, model: ChatModel, settings: GateSettings, episode: str = "e") -> ChatReply:
    return await Meter(model, MODEL, gate, "0:a", settings).for_attempt(episode, 0, 0).chat(REQUEST)


async def test_a_model_that_counts_in_numpy_is_kept_like_any_other(gate_of: Open, tmp_path: Path) -> None:
    gate, settings = gate_of(max_cost=10.0), gate_settings(tmp_path / "store", max_cost=10.0)
    number: Any = np.float32(0.25)
    count: Any = np.int64(3)
    reply = ChatReply("A", choice_probs={"A": number}, prompt_tokens=count, cost_usd=number, latency_s=number)
    first = await ask(gate, Odd(reply), settings)
    assert first.choice_probs == {"A": 0.25}
    again = await ask(gate, model := Odd(reply), settings, "other")
    assert again == first._replace(origin=CacheStatus.SHARED)
    assert model.calls == 0


async def test_a_price_that_is_no_number_is_an_unknown_one(gate_of: Open, tmp_path: Path) -> None:
    gate, settings = gate_of(max_cost=10.0), gate_settings(tmp_path / "store", max_cost=10.0)
    assert (await ask(gate, Odd(ChatReply("A", cost_usd=float("nan"))), settings)).cost_usd is None
    stopped = await gate.admit(a_call("next"))
    assert isinstance(stopped, RunStopped)
    assert stopped.reason is StopReason.UNPRICED


@pytest.mark.parametrize(
    "reply",
    [None, "A", ChatReply("A", choice_probs=["A"]), ChatReply("A", cost_usd="dear"), ValueError("mine")],  # type: ignore[arg-type]
)
async def test_a_model_that_returns_nonsense_fails_alone(gate_of: Open, tmp_path: Path, reply: Any) -> None:
    gate, settings = gate_of(most=1), gate_settings(tmp_path / "store")

    async def returned() -> Any:
        if isinstance(reply, BaseException):
            raise reply
        return reply

    with pytest.raises((AttributeError, TypeError, ValueError)):
        await ask(gate, Odd(returned), settings)
    # Its permit is free again, and the run goes on.
    assert (await soon([asyncio.create_task(ask(gate, Odd(ChatReply("B")), settings))]))[0].text == "B"


async def test_a_call_that_its_plugin_gives_up_frees_its_permit(gate_of: Open, tmp_path: Path) -> None:
    gate, settings = gate_of(most=1), gate_settings(tmp_path / "store")

    async def never() -> None:
        await asyncio.Event().wait()

    for _ in range(2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(gate, Odd(never), settings), 0.05)
    assert (await soon([asyncio.create_task(ask(gate, Odd(ChatReply("B")), settings))]))[0].text == "B"


async def test_an_unusable_reply_is_kept_and_its_half_surrogates_do_no_harm(gate_of: Open, tmp_path: Path) -> None:
    gate, settings = gate_of(), gate_settings(tmp_path / "store")
    half = ChatReply("\ud83d half", "length", cost_usd=0.5)
    failure = CallFailed(FailureClass.TRUNCATED, "it said \ud83d", None, half)
    attempt = Meter(model := Odd(failure), MODEL, gate, "0:a", settings).for_attempt("e", 0, 0)
    with pytest.raises(CallFailed) as caught:
        await attempt.chat(REQUEST)
    assert caught.value.reply is not None
    model.reply = ChatReply("\udcff whole")
    whole = await attempt.chat(REQUEST)
    await attempt.unreadable(whole, f"neither: {whole.text}")
    # Its process dies; the same attempt meets both again and makes no call.
    again = Meter(model, MODEL, gate, "0:b", settings).for_attempt("e", 0, 0)
    with pytest.raises(CallFailed) as caught:
        await again.chat(REQUEST)
    assert caught.value.reply is not None
    assert (caught.value.reply.text, caught.value.retry_after) == ("\ud83d half", 0.0)
    assert (await again.chat(REQUEST)).text == "\udcff whole"
    assert model.calls == 2
    # Another attempt asks anew.
    later = Meter(model, MODEL, gate, "0:b", settings).for_attempt("e", 1, 0)
    assert (await later.chat(REQUEST)).origin is CacheStatus.MISS
    assert model.calls == 3


async def test_a_reply_on_record_is_read_by_todays_rules(gate_of: Open, tmp_path: Path) -> None:
    gate, settings = gate_of(), gate_settings(tmp_path / "store")
    model = Odd(ChatReply("<think>plan</think>A", prompt_tokens=2**63, completion_tokens=-1, cost_usd=-3.0))
    first = await ask(gate, model, settings)
    with closing(sqlite3.connect(tmp_path / "store" / CALLS_FILE)) as con, con:
        # As an earlier release kept it.
        kept = {"text": "Plan.</think>A", "prompt_tokens": 2**63, "completion_tokens": -1, "cost_usd": -3.0}
        con.execute("UPDATE calls SET reply = ?, cost_usd = -3.0", [json.dumps(kept)])
    again = await ask(gate, model, settings)
    with closing(sqlite3.connect(tmp_path / "store" / CALLS_FILE)) as con, con:
        con.execute("UPDATE calls SET reply = ?", [json.dumps({"text": "<think>A"})])
    with pytest.raises(CallFailed) as caught:
        await ask(gate, model, settings)
    later = await ask(gate, model, settings, "other")

    assert (first.text, first.thought, first.prompt_tokens, first.cost_usd) == ("A", "plan", None, None)
    assert (again.text, again.thought, again.prompt_tokens, again.cost_usd) == ("A", "Plan.", None, None)
    assert caught.value.failure is FailureClass.TRUNCATED
    assert (later.text, model.calls) == ("A", 2)


async def test_seats_seeds_samples_and_forms_are_calls_of_their_own(gate_of: Open, tmp_path: Path) -> None:
    gate, settings = gate_of(), gate_settings(tmp_path / "store")
    model = Odd(ChatReply("A"))
    meter = Meter(model, MODEL, gate, "0:a", settings)
    asked = [
        REQUEST,
        REQUEST._replace(seat="other"),
        REQUEST._replace(sample=1000),
        REQUEST._replace(choices=("B", "A")),
        REQUEST._replace(json_schema={"type": "object"}),
        REQUEST._replace(messages=(ChatMessage("system", "Which?"),)),
    ]
    for request in asked:
        assert (await meter.for_attempt("e", 0, 0).chat(request)).origin is CacheStatus.MISS
    assert (await meter.for_attempt("e", 0, 1).chat(REQUEST)).origin is CacheStatus.MISS
    for request in asked:
        assert (await meter.for_attempt("f", 0, 0).chat(request)).origin is CacheStatus.SHARED
        assert (await meter.for_attempt("e", 1, 0).chat(request)).origin is CacheStatus.RESUMED
    assert model.calls == len(asked) + 1
