"""Keys come from the environment and go to the provider, and nowhere else."""

from __future__ import annotations

import logging
import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oversight.errors import CallFailed, FailureClass, UsageError
from oversight.models.litellm.litellm_model import LiteLLMModel
from oversight.testing.loopback import Fault, LoopbackServer

from .conftest import Make, ask

PLANTED = "tk_planted-4f9e77c2d1"
SHAPED = "sk-shaped0123456789abcdef"


Streams = Callable[[], tuple[str, str, str]]


@pytest.fixture
def streams(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Streams:
    """Gives what was logged at any level, and written to stdout and stderr."""
    caplog.set_level(logging.DEBUG)
    return lambda: (caplog.text, *capfd.readouterr())


def refusal(**settings: Any) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        LiteLLMModel.Settings.model_validate({"model": "openai/gpt-5", **settings})
    return str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": PLANTED},
        {"params": {"aws_secret_access_key": PLANTED}},
        {"params": {"azure_ad_token": PLANTED}},
        {"params": {"vertex_credentials": PLANTED}},
        {"extra_headers": {"Authorization": PLANTED}},
        {"extra_headers": {"X-Api-Key": PLANTED}},
        {"extra_headers": {"X-Trace": f"Bearer {PLANTED}"}},
        {"extra_body": {"auth": {"token": PLANTED}}},
        {"extra_body": {"note": SHAPED}},
        {"api_base": f"https://me:{PLANTED}@example.org/v1"},
    ],
)
def test_secrets_in_the_experiment_file_are_refused_and_not_repeated(settings: dict[str, Any]) -> None:
    message = refusal(**settings)
    assert "api_key_env" in message
    assert "environment" in message
    assert PLANTED not in message
    assert SHAPED not in message


@pytest.mark.parametrize(
    "settings",
    [
        {"max_tokens": 10, "input_cost_per_token": 0.1, "output_cost_per_token": 0.2},
        {"params": {"prompt_cache_key": "quality", "user": "u"}},
        {"extra_body": {"guided_json": {"properties": {"token": {"type": "string"}}}}},
        {"extra_body": {"skip_special_tokens": False}, "extra_headers": {"HTTP-Referer": "https://a.org/@me"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    ],
)
def test_what_only_sounds_secret_is_accepted(settings: dict[str, Any]) -> None:
    LiteLLMModel.Settings.model_validate({"model": "openai/gpt-5", **settings})


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"temprature": 1}, "temprature"),
        ({"params": {"temperature": 1}}, "beside model"),
        ({"params": {"stream": True}}, "set by the framework"),
        ({"input_cost_per_token": 1}, "both or neither"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], word: str) -> None:
    assert word in refusal(**settings)


async def test_a_named_variable_that_is_not_set_is_a_usage_error_here_and_stops_the_run_elsewhere(
    server: LoopbackServer, make: Make
) -> None:
    model = make(api_key_env="LAB_JUDGE_KEY")
    with pytest.raises(UsageError, match="LAB_JUDGE_KEY, which is not set"):
        model.check(model.settings)
    # On another machine, where nobody has looked before.
    with pytest.raises(CallFailed, match="LAB_JUDGE_KEY, which is not set") as caught:
        await model.chat(ask())
    assert caught.value.failure is FailureClass.AUTHENTICATION
    assert server.received == []


def test_a_key_can_be_in_a_file_that_the_environment_names(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(f"{PLANTED}\n")
    monkeypatch.setenv("LAB_JUDGE_KEY_FILE", str(key_file))
    monkeypatch.delenv("LAB_JUDGE_KEY", raising=False)
    model = make(api_key_env="LAB_JUDGE_KEY")
    model.check(model.settings)
    assert os.environ["LAB_JUDGE_KEY"] == PLANTED
    monkeypatch.setenv("LAB_JUDGE_KEY", "its own")
    model.check(model.settings)
    assert os.environ["LAB_JUDGE_KEY"] == "its own"
    monkeypatch.setenv("OTHER_API_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"OTHER_API_KEY_FILE names .* cannot be read"):
        model.check(model.settings)


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "LAB_JUDGE_KEY"])
async def test_the_key_reaches_the_provider_and_nothing_else(
    server: LoopbackServer, make: Make, variable: str, monkeypatch: pytest.MonkeyPatch, streams: Streams
) -> None:
    monkeypatch.setenv(variable, PLANTED)
    model = make("openai/gpt-4o-mini", **({} if variable == "OPENAI_API_KEY" else {"api_key_env": variable}))
    server.faults.extend(
        # The last is a body that breaks the reader a second time, so it is asked for in another way as well.
        [Fault.unauthorized(PLANTED), Fault(500, f"<p>{PLANTED} {SHAPED}</p>"), *[Fault(200, f'"{PLANTED}"')] * 2]
    )
    shown = [repr(model), repr(vars(model)), repr(pickle.dumps(model))]
    for _ in range(3):
        with pytest.raises(CallFailed) as caught:
            await model.chat(ask())
        error = caught.value
        frames = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        shown += [str(error), repr(error), repr(pickle.dumps(error)), *frames]
    assert [r.headers["authorization"] for r in server.received] == [f"Bearer {PLANTED}"] * 4
    everything = "\n".join([*shown, *streams()])
    assert PLANTED not in everything
    assert SHAPED not in everything


async def test_a_clouds_own_key_is_not_replaced_by_a_dummy(
    server: LoopbackServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_API_KEY", PLANTED)
    reply = await make("azure/judge", api_version="2024-10-21").chat(ask())
    assert reply.provider == "azure"
    assert server.received[0].headers["api-key"] == PLANTED
