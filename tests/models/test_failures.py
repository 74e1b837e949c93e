"""Every way in which a provider fails has its class, costs one request, and says so in one clean line."""

from __future__ import annotations

import pickle
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from oversight.errors import CallFailed, FailureClass
from oversight.testing.loopback import Fault, LoopbackServer

from .conftest import Make, ask

PROVIDERS = pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])


ABOUT_THE_MESSAGES = (FailureClass.CONTEXT_LENGTH, FailureClass.CONTENT_FILTER)


@PROVIDERS
@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        pytest.param(Fault.rate_limited(), FailureClass.RATE_LIMITED, id="429"),
        pytest.param(Fault.error(500, "boom"), FailureClass.SERVER_ERROR, id="500"),
        pytest.param(Fault(503, "<html>unavailable</html>"), FailureClass.SERVER_ERROR, id="503-html"),
        pytest.param(Fault.error(529, "overloaded"), FailureClass.SERVER_ERROR, id="529"),
        pytest.param(Fault.error(504, "gateway"), FailureClass.TIMEOUT, id="504"),
        pytest.param(Fault.reset(), FailureClass.CONNECTION, id="reset"),
        pytest.param(Fault.not_json(), FailureClass.MALFORMED, id="not-json"),
        pytest.param(Fault(200, "[]"), FailureClass.MALFORMED, id="not-an-object"),
        pytest.param(Fault(200, "null"), FailureClass.MALFORMED, id="null"),
        pytest.param(Fault.no_choices(), FailureClass.MALFORMED, id="no-choices"),
        pytest.param(Fault.error(200, "upstream overloaded"), FailureClass.MALFORMED, id="error-under-200"),
        pytest.param(Fault.blank(), FailureClass.BLANK, id="blank"),
        pytest.param(Fault.truncated(), FailureClass.TRUNCATED, id="truncated"),
        pytest.param(Fault.truncated(""), FailureClass.TRUNCATED, id="truncated-thought"),
        pytest.param(Fault.refusal(), FailureClass.REFUSED, id="refusal"),
        pytest.param(Fault.content_filter(), FailureClass.CONTENT_FILTER, id="filtered-reply"),
        pytest.param(
            Fault.error(400, "The prompt triggered the content management policy", code="content_filter"),
            FailureClass.CONTENT_FILTER,
            id="filtered-prompt",
        ),
        pytest.param(Fault.context_length(), FailureClass.CONTEXT_LENGTH, id="context-length"),
        pytest.param(Fault.unauthorized(), FailureClass.AUTHENTICATION, id="401"),
        pytest.param(Fault.error(402, "pay"), FailureClass.AUTHENTICATION, id="402"),
        pytest.param(Fault.error(403, "no"), FailureClass.AUTHENTICATION, id="403"),
        pytest.param(Fault.error(404, "no such model"), FailureClass.UNKNOWN_MODEL, id="404"),
        pytest.param(
            Fault.error(429, "You exceeded your current quota", code="insufficient_quota"),
            FailureClass.AUTHENTICATION,
            id="out-of-money",
        ),
        pytest.param(Fault.error(400, "bad"), FailureClass.INVALID_REQUEST, id="400"),
    ],
)
async def test_a_fault_has_its_class_and_is_not_retried_inside(
    server: LoopbackServer, make: Make, provider: str, fault: Fault, failure: FailureClass
) -> None:
    server.faults.extend([fault] * 2)
    with pytest.raises(CallFailed) as caught:
        await make(f"{provider}/gpt-4o-mini").chat(ask())
    error = caught.value
    assert error.failure is failure
    roles = [[message["role"] for message in body["messages"]] for body in server.bodies]
    assert roles[0] == ["system", "user"]
    assert roles[1:] in ([], [["user"]]), "only without the system message; LiteLLM's and OpenAI's retries are off"
    assert len(roles) == 1 + (fault.status in (400, 403, 404) and failure not in ABOUT_THE_MESSAGES)
    assert 0 < len(error.message) <= 300
    assert "\n" not in error.message
    assert error.__cause__ is None
    assert error.__context__ is None
    again = pickle.loads(pickle.dumps(error))
    assert (again.failure, again.message, again.retry_after) == (failure, error.message, error.retry_after)


@PROVIDERS
@pytest.mark.parametrize("fault", [Fault.hang(), Fault.trickle()], ids=["hangs", "trickles"])
async def test_a_server_that_takes_too_long_times_out(
    server: LoopbackServer, make: Make, provider: str, fault: Fault
) -> None:
    server.faults.append(fault)
    started = time.perf_counter()
    with pytest.raises(CallFailed) as caught:
        await make(f"{provider}/gpt-4o-mini", timeout=0.3).chat(ask())
    assert caught.value.failure is FailureClass.TIMEOUT
    assert time.perf_counter() - started < 3


async def test_a_slow_reply_within_the_timeout_is_a_reply(server: LoopbackServer, make: Make) -> None:
    server.faults.append(Fault.slow(0.2))
    assert (await make(timeout=10).chat(ask())).latency_s >= 0.2


async def test_nobody_listening_is_a_connection_failure(make: Make) -> None:
    with LoopbackServer() as gone:
        address = gone.api_base
    with pytest.raises(CallFailed) as caught:
        await make(api_base=address).chat(ask())
    assert caught.value.failure is FailureClass.CONNECTION


@pytest.mark.parametrize("model", ["openai/gpt-5", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro"])
async def test_no_key_at_all_is_an_authentication_failure(make: Make, model: str) -> None:
    with pytest.raises(CallFailed) as caught:
        await make(model, api_base=None).chat(ask())
    assert caught.value.failure is FailureClass.AUTHENTICATION


async def test_an_unknown_provider_is_an_unknown_model(make: Make) -> None:
    with pytest.raises(CallFailed) as caught:
        await make("nosuchprovider/x", api_base=None).chat(ask())
    assert caught.value.failure is FailureClass.UNKNOWN_MODEL


@PROVIDERS
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_read_as_seconds(server: LoopbackServer, make: Make, provider: str, status: int) -> None:
    server.faults.append(Fault.error(status, "later", headers={"Retry-After": "2.5"}))
    with pytest.raises(CallFailed) as caught:
        await make(f"{provider}/gpt-4o-mini").chat(ask())
    assert caught.value.retry_after == 2.5


async def test_retry_after_is_read_as_a_date(server: LoopbackServer, make: Make) -> None:
    server.faults.append(Fault.rate_limited(format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)))
    server.faults.append(Fault.rate_limited("soon"))
    model = make()
    with pytest.raises(CallFailed) as dated:
        await model.chat(ask())
    with pytest.raises(CallFailed) as vague:
        await model.chat(ask())
    assert dated.value.retry_after == pytest.approx(38, abs=8)
    assert vague.value.retry_after is None
