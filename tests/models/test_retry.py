"""The retry policy, counted by the server."""

from __future__ import annotations

import time

import pytest

from oversight.core.chat import ChatReply
from oversight.errors import CallFailed, FailureClass
from oversight.models.retry import call_with_retries
from oversight.testing.loopback import Fault, LoopbackServer

from .conftest import Make, ask


class Log:
    """Keeps what it is told about attempts."""

    def __init__(self) -> None:
        self.attempts: list[tuple[int, str]] = []
        self.seconds: list[float] = []

    def __call__(self, number: int, reply: ChatReply | None, failure: CallFailed | None, seconds: float) -> None:
        assert (reply is None) != (failure is None)
        self.attempts.append((number, failure.failure.value if failure else "ok"))
        self.seconds.append(seconds)


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        pytest.param(Fault.rate_limited(), 11, id="429"),
        # Once more inside the second attempt: without the system message, which might be what breaks the server.
        pytest.param(Fault.error(500, "boom"), 6, id="500"),
        pytest.param(Fault.reset(), 5, id="reset"),
        pytest.param(Fault.not_json(), 6, id="not-json"),
        pytest.param(Fault.blank(), 5, id="blank"),
        pytest.param(Fault.truncated(), 2, id="truncated"),
        pytest.param(Fault.refusal(), 2, id="refusal"),
        pytest.param(Fault.content_filter(), 2, id="filtered"),
        pytest.param(Fault.unauthorized(), 1, id="401"),
        pytest.param(Fault.context_length(), 1, id="context-length"),
        pytest.param(Fault.error(400, "bad"), 2, id="400"),
    ],
)
async def test_retries_are_bounded_by_class(server: LoopbackServer, make: Make, fault: Fault, requests: int) -> None:
    server.faults.extend([fault] * 20)
    log = Log()
    with pytest.raises(CallFailed) as caught:
        await call_with_retries(make(), ask(), log, base_delay=0)
    assert len(server.received) == requests
    attempts = {6: 5, 2: 1}.get(requests, requests) if fault.status in (400, 500) or fault.body else requests
    assert log.attempts == [(n, caught.value.failure.value) for n in range(attempts)]


async def test_the_reply_comes_after_the_faults_and_all_are_told(server: LoopbackServer, make: Make) -> None:
    server.faults.extend([Fault.error(500, "boom"), Fault.truncated(), Fault.rate_limited()])
    log = Log()
    reply = await call_with_retries(make(), ask(), log, base_delay=0)
    assert reply.text.startswith("The second paragraph")
    assert log.attempts == [(0, "server_error"), (1, "truncated"), (2, "rate_limited"), (3, "ok")]
    assert all(seconds > 0 for seconds in log.seconds)


@pytest.mark.parametrize(
    ("mix", "requests"),
    [
        pytest.param([Fault.error(500, "boom"), Fault.rate_limited()], 11, id="five-500s-among-others"),
        pytest.param(
            [Fault.error(500, "boom"), Fault.rate_limited(), Fault.reset(), Fault.not_json(), Fault.blank()],
            17,
            id="a-bit-of-everything",
        ),
    ],
)
async def test_a_call_that_meets_all_kinds_of_failures_ends(
    server: LoopbackServer, make: Make, mix: list[Fault], requests: int
) -> None:
    server.faults.extend(mix * 10)
    with pytest.raises(CallFailed):
        await call_with_retries(make(), ask(), Log(), base_delay=0)
    assert len(server.received) == requests


async def test_retry_after_is_waited_for(server: LoopbackServer, make: Make) -> None:
    model = make()
    await model.chat(ask())
    server.faults.append(Fault.rate_limited(0.5))
    started = time.perf_counter()
    await call_with_retries(model, ask(), Log(), base_delay=0)
    assert 0.5 <= time.perf_counter() - started < 5


async def test_backoff_grows_from_the_base_delay(server: LoopbackServer, make: Make) -> None:
    model = make()
    await model.chat(ask())
    server.faults.extend([Fault.error(500, "boom")] * 3)
    started = time.perf_counter()
    await call_with_retries(model, ask(), Log(), base_delay=0.1)
    assert 0.35 <= time.perf_counter() - started < 5, "at least half of 0.1 + 0.2 + 0.4"


async def test_a_chain_of_thought_cut_by_a_belief_recovers(server: LoopbackServer, make: Make) -> None:
    server.faults.append(Fault.truncated(""))
    log = Log()
    await call_with_retries(make(), ask("A) x\nB) y", choices=("A", "B")), log, base_delay=0)
    assert log.attempts == [(0, FailureClass.BLANK.value), (1, "ok")]
