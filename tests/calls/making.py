"""Calls and outcomes to hand to a journal or a gate, and time that does not have to be waited for."""

from __future__ import annotations

import asyncio
import selectors
import uuid
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from oversight.calls.call_cache import Call, CallOutcome
from oversight.calls.gate import GateSettings, Limits
from oversight.core.chat import ChatReply
from oversight.errors import FailureClass

T = TypeVar("T")

MODEL = "m"


def a_call(
    key: str = "k",
    episode: str = "e",
    attempt: int = 0,
    outcomes: int = 0,
    *,
    worker: str = "0:a",
    model: str = MODEL,
    tokens: int = 10,
    most_usd: float | None = None,
) -> Call:
    """One that nobody has told of before."""
    return Call(uuid.uuid4().hex, key, episode, attempt, outcomes, model, worker, tokens, most_usd)


def good(text: str = "yes", **more: Any) -> CallOutcome:
    """A reply that can be used."""
    return CallOutcome(ChatReply(text, cost_usd=more.pop("cost_usd", 0.25), **more))


def bad(failure: FailureClass = FailureClass.TRUNCATED, text: str = "half", cost: float | None = 0.25) -> CallOutcome:
    """A reply that was paid for and cannot be used."""
    return CallOutcome(ChatReply(text, "length", cost_usd=cost), failure, "cut off")


def nothing(failure: FailureClass = FailureClass.SERVER_ERROR, retry_after: float | None = None) -> CallOutcome:
    """No reply at all."""
    return CallOutcome(None, failure, "it is down", retry_after)


def gate_settings(
    directory: Path,
    limits: Mapping[str, Limits] | None = None,
    *,
    max_cost: float | None = None,
    replay: Path | None = None,
    **more: Any,
) -> GateSettings:
    """For one model, unless ``limits`` are given."""
    more = {"most": 4, "longest_s": 100.0, **more}
    directory.mkdir(exist_ok=True)
    return GateSettings(directory, "r1", limits or {MODEL: Limits("openai/m", None, **more)}, max_cost, replay)


_STEP_S = 1e-9
"""How long anything takes at least, as on a real clock: so that what is all but over is over in the end."""


class _Skipping(selectors.DefaultSelector):
    """Where nothing is ready, time goes on at once; where nothing ever will be, it says so."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("deadlock: everybody waits, and nobody for time to pass")
        if not ready and timeout is not None:
            self.now += max(timeout, _STEP_S)
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop in which sleeping takes no time; for what needs neither threads nor sockets."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def skipping(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` without waiting for anything; a day is enough for whatever is to happen."""

    async def bounded() -> T:
        async with asyncio.timeout(86_400):
            return await main

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(bounded())


async def soon(waiting: Iterable[asyncio.Task[T]], seconds: float = 20) -> list[T]:
    """What the tasks return; that they do at all is what is tested, so the deadline is generous."""
    async with asyncio.timeout(seconds):
        return list(await asyncio.gather(*waiting))
